"""Inputs are only read: they, and what lies beside them, are as before after each run, however it ends."""

from __future__ import annotations

import ast
import contextlib
import gzip
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("osgeo.gdal")  # before TensorFlow, whose SQLite has no R-trees
pytest.importorskip("tensorflow")
pytest.importorskip("sklearn")

from databases import leave
from readonly_cases import CASES, ENDLESS, NO_INPUTS, REFUSED, SLOW, Case
from readonly_scene import Scene, changes, points, run, state

from otbtf_qgis import core
from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import Cancelled, OtbtfError
from otbtf_qgis.core.models.loading import load_model
from otbtf_qgis.core.parameters import kinds
from otbtf_qgis.core.parameters.parsing import keys
from otbtf_qgis.core.rasters.inmemory import selected
from otbtf_qgis.core.vectors.vectorlayer import VectorLayer

FILES = (kinds.RASTERS, kinds.RASTER, kinds.VECTOR, kinds.VECTORS, kinds.FILE, kinds.FILES, kinds.FOLDER)
RUNS = [(name, case) for name, cases in CASES.items() for case in cases]
NAMES = [f"{name} {case.__name__.strip('_')}" for name, case in RUNS]


class Failure(Exception):
    """What no operation expects."""


class Steered(Progress):
    """Counts the looks at the user's wish to stop, stops at one of them, and fails at one of the reports."""

    def __init__(self, stop_at: int | None = None, fail_at: int | None = None) -> None:
        self.looks = self.reports = 0
        self._stop_at, self._fail_at = stop_at, fail_at

    def cancelled(self) -> bool:
        self.looks += 1
        return self._stop_at is not None and self.looks > self._stop_at

    def fraction(self, done: float) -> None:
        self.reports += 1
        if self._fail_at is not None and self.reports > self._fail_at:
            raise Failure

    def info(self, message: str) -> None:
        self.fraction(0)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    made = Scene(tmp_path_factory.mktemp("readonly") / "inputs", tmp_path_factory.mktemp("made") / "outputs")
    made.make()
    return made


def attempt(name: str, values: dict[str, Any], progress: Progress, *ends: type[BaseException]) -> None:
    """Run an operation that may end by one of the exceptions."""
    with contextlib.suppress(*ends):
        run(name, values, progress)


def test_each_input_of_each_operation_has_a_case(scene: Scene) -> None:
    assert set(CASES) == set(registry.names())
    for name, cases in CASES.items():
        declared = keys(registry.declaration(name))
        given = {key for case in cases for key in case(scene)}
        missing = [key.name for key in declared if key.kind in FILES and key.group <= 1 and key.name not in given]
        assert missing == [] or name in NO_INPUTS, f"{name}: give these inputs in a case"
        assert cases or name in NO_INPUTS, name


@pytest.mark.parametrize(("name", "case"), RUNS, ids=NAMES)
def test_inputs_stay_as_they_are(scene: Scene, name: str, case: Case) -> None:
    before = state(scene.folder)
    values, whole = case(scene), Steered(1 if name in ENDLESS else None)
    attempt(name, values, whole, *([OtbtfError] if case in REFUSED else [Cancelled] if name in ENDLESS else []))
    assert changes(before, state(scene.folder)) == {}, "after it was done"
    if case in REFUSED:
        return
    looks = {0, whole.looks // 2} if name in SLOW else {0, whole.looks // 2, max(whole.looks - 1, 0)}
    first = case is CASES[name][0]
    for look in sorted(looks if first else {whole.looks // 2}):
        attempt(name, values, Steered(stop_at=look), Cancelled, OtbtfError)
        assert changes(before, state(scene.folder)) == {}, f"after it was cancelled at {look} of {whole.looks}"
    if first:
        failing = Steered(1 if name in ENDLESS else None, whole.reports // 2)
        attempt(name, values, failing, Failure, Cancelled, OtbtfError)
        assert changes(before, state(scene.folder)) == {}, f"after it failed at {whole.reports // 2} of {whole.reports}"


@pytest.fixture(scope="module")
def logged(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """The same inputs, where the GeoPackages have work beside them that is committed to the log only."""
    folder = tmp_path_factory.mktemp("logged") / "inputs"
    shutil.copytree(scene.folder, folder)
    for name in ("points", "polygons"):
        statement = f'UPDATE "{name}" SET "class" = 2 WHERE fid = 1'
        leave(str(folder / f"{name}.gpkg"), "log", statement, statement.replace("2", "1", 1))
    return Scene(folder, scene.outputs)


@pytest.mark.parametrize(("name", "case"), RUNS, ids=NAMES)
def test_databases_stay_as_they_are(logged: Scene, name: str, case: Case) -> None:
    values = case(logged)
    if ".gpkg" not in str([value for key, value in values.items() if not key.startswith("out")]):
        pytest.skip("takes no layer")
    before = state(logged.folder)
    assert any(file.endswith("-wal") for file in before)
    attempt(name, values, Progress(), *([OtbtfError] if case in REFUSED else []))
    assert changes(before, state(logged.folder)) == {}


@pytest.mark.parametrize("name", ["image.tif", "image.png", "image.img", "image.dat", "image.vrt", "image.jpg"])
@pytest.mark.parametrize("layer", ["points.gpkg", "points.shp", "points.geojson", "points.gml", "points.csv"])
def test_formats_stay_as_they_are(scene: Scene, tmp_path: Path, name: str, layer: str) -> None:
    before = state(scene.folder)
    values = {"in": scene.path(name), "vec": scene.path(layer), "field": "class", "out": str(tmp_path / "out.gpkg")}
    values["outfield.prefix.name"] = "band_"
    if name in ("image.png", "image.jpg") or layer == "points.csv":  # without coordinates, or a CRS
        with contextlib.suppress(OtbtfError):
            run("SampleExtraction", values)
    else:
        for _ in range(2):  # where the output exists, it is asked what the inputs are read from
            assert run("SampleExtraction", values)["samples"] == len(points())
    assert changes(before, state(scene.folder)) == {}


@pytest.mark.parametrize("name", ["image.gpkg", "image.nc", "labels.png", "labels_20m.tif", "image.img"])
def test_rasters_stay_as_they_are(scene: Scene, tmp_path: Path, name: str) -> None:
    before = state(scene.folder)
    source = f'NETCDF:"{scene.path(name)}":Band1' if name == "image.nc" else scene.path(name)
    values = {"in": source, "grid.step": 8, "grid.psize": 8, "outtrain": str(tmp_path / "out.gpkg")}
    run("PatchesSelection", values)
    assert changes(before, state(scene.folder)) == {}


def test_a_part_of_a_raster(scene: Scene, tmp_path: Path) -> None:
    """Bands that are chosen are a virtual raster, as is a reference on another grid: neither has a file's name."""
    before, words = state(scene.folder), scene.path("image.tif") + "?&bands=2,1&skipcarto=true"
    run("PatchesSelection", {"in": words, "grid.step": 8, "grid.psize": 8, "outtrain": str(tmp_path / "out.gpkg")})
    part = selected(scene.path("image.tif"), "2,1", without_place=True)
    assert part.dataset.GetDescription() == ""
    part.dataset.GetRasterBand(1).SetNoDataValue(7)
    part.dataset.FlushCache()
    del part
    assert changes(before, state(scene.folder)) == {}


def test_data_sets_in_memory_have_no_name_of_a_file() -> None:
    """GDAL writes a virtual raster into the file that its name says, also where that is another raster."""
    for path in sorted(Path(core.__file__).parent.resolve().rglob("*.py")):
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            words, place = ast.unparse(call), f"{path}, line {call.lineno}"
            if re.match(r"gdal\.(Translate|Warp|BuildVRT)\(", words):
                assert ast.unparse(call.args[0]) == "''", place
            assert not re.match(r"gdal\.(AutoCreateWarpedVRT|CreateWarpedVRT)\(", words), place
            if isinstance(call.func, ast.Attribute) and call.func.attr == "SetDescription":
                assert "GetRasterBand(" in words or ast.unparse(call.args[0]) == "''", f"{place}: of bands alone"


@pytest.mark.parametrize("name", ["net.keras", "small.keras"])
def test_a_model_is_not_unpacked_beside_itself(scene: Scene, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """As Keras does where memory is scarce."""
    from keras.src.saving import saving_lib

    if not hasattr(saving_lib, "is_memory_sufficient"):
        pytest.skip("this Keras never unpacks")
    monkeypatch.setattr(saving_lib, "is_memory_sufficient", lambda model: False)
    before = state(scene.folder)
    loaded = load_model(scene.path(name))
    assert loaded.path == scene.path(name)
    assert changes(before, state(scene.folder)) == {}


def test_the_size_of_a_packed_file_is_not_noted_beside_it(scene: Scene, tmp_path: Path) -> None:
    """GDAL writes NAME.gz.properties once it has come to the end."""
    for name in ("image.tif", "points.geojson"):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress((scene.folder / name).read_bytes()))
    before = state(tmp_path)
    layer, image = f"/vsigzip/{tmp_path}/points.geojson.gz", f"/vsigzip/{tmp_path}/image.tif.gz"
    run("SampleExtraction", {"in": image, "vec": layer, "field": "class", "out": scene.out("packed.gpkg")})
    assert changes(before, state(tmp_path)) == {}


def test_a_database_of_another_format_is_not_made(tmp_path: Path) -> None:
    """GDAL turns a VFK file into an SQLite database beside it."""
    lines = [
        '&HVERZE;"5.1"',
        '&HCODEPAGE;"WE8ISO8859P2"',
        "&BSOBR;ID N30;STAV_DAT N2;KATUZE_KOD N6;CISLO_BODU N12;SOURADNICE_Y N10.2;SOURADNICE_X N10.2;KODCHB_KOD N2",
        "&DSOBR;1;0;600016;1;743000.00;1040000.00;3",
        "&K",
    ]
    (tmp_path / "points.vfk").write_text("\r\n".join([*lines, ""]))
    before = state(tmp_path)
    assert VectorLayer(str(tmp_path / "points.vfk")).count == 1
    assert changes(before, state(tmp_path)) == {}


@pytest.mark.parametrize("name", [name for name in CASES if name not in (*NO_INPUTS, *ENDLESS)])
def test_outputs_alone_appear_beside_inputs(scene: Scene, tmp_path: Path, name: str) -> None:
    """Where an operation writes into the folder of its inputs."""
    folder = tmp_path / "inputs"
    shutil.copytree(scene.folder, folder)
    together = Scene(folder, folder)
    values, before = CASES[name][0](together), state(folder)
    run(name, values)
    told = changes(before, state(folder))
    assert told.pop(".") == "changed"
    assert set(told.values()) == {"new"}
    assert {Path(file).parts[0].split(".")[0] for file in told} == {Path(out).stem for out in together.asked}
