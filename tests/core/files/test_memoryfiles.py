"""Files in GDAL's memory (/vsimem/) and `pathlib.Path`s, wherever an operation takes a path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from marked_rasters import made
from osgeo import gdal, ogr
from points import write_points
from serving import Log, read

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import OtbtfError, ParameterError
from otbtf_qgis.core.files.memoryfiles import check_reachable

BANDS = np.random.default_rng(0).integers(1, 255, (30, 40, 3)).astype("uint8")
ROOT = "/vsimem/otbtf-test"


@pytest.fixture(autouse=True)
def emptied() -> Iterator[None]:
    yield
    gdal.RmdirRecursive(ROOT)


def in_memory(file: str, name: str) -> str:
    gdal.FileFromMemBuffer(f"{ROOT}/{name}", Path(file).read_bytes())
    return f"{ROOT}/{name}"


def listed() -> list[str]:
    return sorted(name for name in gdal.ReadDirRecursive(ROOT) or [] if not name.endswith("/"))


def content(path: str) -> bytes:
    file = gdal.VSIFOpenL(path, "rb")
    found = bytes(gdal.VSIFReadL(1, 1 << 20, file))
    gdal.VSIFCloseL(file)
    return found


def table(path: str) -> list[Any]:
    dataset = ogr.Open(path)
    return [(f.geometry().ExportToWkt(), f["class"]) for f in dataset.GetLayer(0)]


@pytest.fixture
def scene(tmp_path: Path) -> dict[str, str]:
    places = [(300005.0 + 10 * x, 3999995.0 - 10 * y) for x in range(2, 38, 3) for y in range(2, 28, 3)]
    points = write_points(tmp_path / "points.gpkg", places, **{"class": [n % 2 for n in range(len(places))]})
    return {"image": made(tmp_path / "image.tif", BANDS), "points": points}


def test_samples_from_and_into_memory(scene: dict[str, str], tmp_path: Path) -> None:
    expected, found = tmp_path / "s.gpkg", f"{ROOT}/folder/s.gpkg"
    values = {"field": "class", "strategy": "all"}
    registry.run(
        "SampleSelection", {"in": Path(scene["image"]), "vec": Path(scene["points"]), "out": expected, **values}, Log()
    )
    image, points = in_memory(scene["image"], "image.tif"), in_memory(scene["points"], "points.gpkg")
    for vec in (points, f"{points}|layername=points"):
        results = registry.run("SampleSelection", {"in": image, "vec": vec, "out": found, **values}, Log())
        assert results["out"] == found
        assert table(found) == table(str(expected))
        assert {"folder/s.gpkg", "image.tif", "points.gpkg"} <= set(listed())


def test_patches_model_and_map_in_memory(scene: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")

    def through(folder: Any, image: Any, points: Any) -> list[Any]:
        patches, labels, model = folder("patches.tif"), folder("labels.tif"), folder("net.keras")
        cut = {"source1.il": [image], "source1.patchsizex": 3, "source1.patchsizey": 4, "source1.out": patches}
        registry.run("PatchesExtraction", {**cut, "vec": points, "field": "class", "outlabels": labels}, Log())
        made_of = {"template": "cnn16", "source1.il": [image], "classes": 2, "seed": 0, "out.keras": model}
        registry.run("CreateModel", {**made_of, "out.savedmodel": folder("saved")}, Log())
        maps = [folder("one.tif"), folder("two.tif")]
        for net, out in zip((model, folder("saved")), maps):
            registry.run("TensorflowModelServe", {"source1.il": image, "model.dir": net, "out": out}, Log())
        mosaic = {"in": patches, "labels": labels, "out": folder("mosaic.tif")}
        registry.run("PatchesMosaic", mosaic, Log())  # knows the height of a patch by the JSON beside
        return [read(str(path)).tolist() for path in (patches, labels, *maps, mosaic["out"])]

    expected = through(lambda name: tmp_path / name, Path(scene["image"]), Path(scene["points"]))
    image, points = in_memory(scene["image"], "image.tif"), in_memory(scene["points"], "points.gpkg")
    assert through(lambda name: f"{ROOT}/{name}", image, points) == expected
    assert {"saved/saved_model.pb", "saved/mlm.json", "net.keras.json", "patches.tif.json"} <= set(listed())


def test_text_outputs_in_memory(scene: dict[str, str], tmp_path: Path) -> None:
    labels = made(tmp_path / "labels.tif", (BANDS[..., :1] > 100).astype("uint8"))
    out = f"{ROOT}/matrix.csv"
    values = {"in": in_memory(labels, "labels.tif"), "ref": "raster", "ref.raster.in": Path(labels), "out": out}
    assert registry.run("ComputeConfusionMatrix", values, Log())["kappa"] == 1
    assert content(out).startswith(b"#")


def test_what_fails_leaves_nothing_and_names_what_was_asked_for(scene: dict[str, str]) -> None:
    image = in_memory(scene["image"], "image.tif")
    before = listed()
    values = {"in": image, "vec": scene["points"], "field": "class", "out": f"{ROOT}/s.nosuch"}
    with pytest.raises(OtbtfError, match=f"'{ROOT}/s.nosuch'"):
        registry.run("SampleSelection", values, Log())
    with pytest.raises(ParameterError, match=f"VEC is {ROOT}/none.gpkg"):
        registry.run("SampleSelection", {**values, "vec": f"{ROOT}/none.gpkg", "out": f"{ROOT}/s.gpkg"}, Log())
    with pytest.raises(ParameterError, match=f"OUT is {image}, which is also an input: choose another file"):
        registry.run("PatchesMosaic", {"in": image, "out": image}, Log())
    totals = f"{ROOT}/s.xml"
    with pytest.raises(ParameterError, match=f"OUTRATES is {totals}, which is also an input"):
        registry.run("SampleSelection", {**values, "instats": totals, "outrates": totals}, Log())
    assert listed() == before


def test_the_engine_refuses_what_lies_in_the_memory_of_another_process() -> None:
    check_reachable(json.loads('{"in": "a.tif", "source1.il": [{"path": "b.tif"}, "c.tif"]}'))
    for value in (f"{ROOT}/a.tif", [f"{ROOT}/a.tif"], [{"path": f"{ROOT}/a.tif"}]):
        with pytest.raises(ParameterError, match="SOURCE1_IL is /vsimem/otbtf-test/a.tif.*memory of QGIS"):
            check_reachable({"source1.il": value})
