"""SQLite files that change by being opened: read as they are, from a private copy that is gone afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from databases import ALIVE, DEAD, in_use, leave
from osgeo import gdal, ogr
from readonly_scene import changes, classes, layer, pixels, points, raster, run, state

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.base.temporaries import announcing_to
from otbtf_qgis.core.errors import Cancelled, OtbtfError, RasterError, VectorError, field
from otbtf_qgis.core.files import privatecopies
from otbtf_qgis.core.files.privatecopies import private_copies
from otbtf_qgis.core.rasters.rasterstack import Stack
from otbtf_qgis.core.vectors.vectorlayer import VectorLayer
from otbtf_qgis.core.vectors.vectoroutput import check_vector_output

COMMITTED, PENDING = 'UPDATE "points" SET "class" = 7 WHERE fid = 1', 'UPDATE "points" SET "class" = 8'
TEMPORARY = ("-wal", "-shm", "-journal")


class Told(Progress):
    """Keeps what it is told, and stops at a line."""

    def __init__(self, stop: bool = False) -> None:
        self.lines: list[str] = []
        self.temporaries: list[Path] = []
        self.stop = stop

    def info(self, message: str) -> None:
        self.lines.append(message)

    def temporary(self, path: str) -> None:
        self.temporaries.append(Path(path))

    def cancelled(self) -> bool:
        return self.stop and bool(self.temporaries)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files, which is empty at the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    folder = tmp_path / "inputs"
    folder.mkdir()
    return folder


@contextlib.contextmanager
def left(path: str, how: str, committed: str = COMMITTED, pending: str = PENDING) -> Iterator[None]:
    """A database as another program leaves it, or has it open."""
    with contextlib.ExitStack() as stack:
        if how in ALIVE:
            stack.enter_context(in_use(path, how, committed, pending))
        else:
            leave(path, how, committed, pending)
        yield


def labels(out: str) -> list[int]:
    dataset = ogr.Open(out)
    return [feature["class"] for feature in dataset.GetLayer(0)]


def read(vec: str) -> list[int]:
    """The classes as core reads them."""
    opened = VectorLayer(vec)
    return [feature["class"] for feature in opened.layer]


@pytest.mark.parametrize("how", [*DEAD, *ALIVE])
@pytest.mark.parametrize("name", ["points.gpkg", "points.sqlite"])
def test_a_layer_is_read_as_committed(tmp_path: Path, inputs: Path, name: str, how: str) -> None:
    driver = {".gpkg": "GPKG", ".sqlite": "SQLite"}[Path(name).suffix]
    vec, image = layer(inputs / name, driver, points()), raster(inputs / "image.tif", pixels())
    fid = "fid" if driver == "GPKG" else "ogc_fid"
    with left(vec, how, COMMITTED.replace("fid", fid)):
        before = state(inputs)
        assert any(Path(vec + end).exists() for end in TEMPORARY) == (how != "closed")
        told, out = Told(), str(tmp_path / "out.gpkg")
        run("SampleExtraction", {"in": image, "vec": vec, "layer": 0, "field": "class", "out": out}, told)
        assert changes(before, state(inputs)) == {}
    assert labels(out) == [7, *(label for _, label in points()[1:])]
    assert [line for line in told.lines if vec in line and "copy" in line]
    assert not any(str(folder) in line for line in told.lines for folder in told.temporaries)


@pytest.mark.parametrize("ending", ["cancelled", "failed"])
def test_no_copy_is_left(tmp_path: Path, inputs: Path, ending: str) -> None:
    vec, image = layer(inputs / "points.gpkg", "GPKG", points()), raster(inputs / "image.tif", pixels())
    leave(vec, "log", COMMITTED, PENDING)
    before, told = state(inputs), Told(ending == "cancelled")
    values = {
        "in": image,
        "vec": vec,
        "field": "no" if ending == "failed" else "class",
        "out": str(tmp_path / "o.gpkg"),
    }
    with pytest.raises(Cancelled if ending == "cancelled" else OtbtfError):
        run("SampleExtraction", values, told)
    assert told.temporaries and changes(before, state(inputs)) == {}


def test_a_copy_is_private_and_announced(inputs: Path, temporary: Path) -> None:
    """So that whoever outlives a run that is killed can remove it."""
    vec, told = layer(inputs / "points.gpkg", "GPKG", points()), Told()
    leave(vec, "log", COMMITTED, PENDING)
    with announcing_to(told.temporary), private_copies(told):
        opened = VectorLayer(vec)
        again = VectorLayer(vec)
        assert [path.parent for path in told.temporaries] == [temporary]
        assert Path(opened.dataset.GetDescription()).parent.parent == told.temporaries[0]
        assert told.temporaries[0].stat().st_mode & 0o77 == 0
        assert again.dataset.GetDescription() == opened.dataset.GetDescription()


@pytest.mark.parametrize("mode", ["DELETE", "TRUNCATE", "PERSIST"])
def test_other_databases_are_read_where_they_lie(inputs: Path, mode: str) -> None:
    vec = layer(inputs / "points.gpkg", "GPKG", points())
    with contextlib.closing(sqlite3.connect(vec, isolation_level=None)) as database:
        database.execute(f"PRAGMA journal_mode={mode}")
        database.execute("PRAGMA user_version=10300")
    assert Path(vec + "-journal").exists() == (mode != "DELETE")
    before = state(inputs)
    opened = VectorLayer(vec)
    assert opened.dataset.GetDescription() == vec and opened.count == len(points())
    del opened
    assert changes(before, state(inputs)) == {}


def write_log(path: str, value: int) -> None:
    """Fill a raster with a value, in write-ahead mode, and die."""
    program = (
        "import os, sys, numpy as np; from osgeo import gdal\n"
        "gdal.SetConfigOption('OGR_SQLITE_JOURNAL', 'WAL')\n"
        "made = gdal.OpenEx(sys.argv[1], gdal.OF_RASTER | gdal.OF_UPDATE)\n"
        "for number in range(made.RasterCount):\n"
        "    made.GetRasterBand(number + 1).WriteArray(np.full((made.RasterYSize, made.RasterXSize), int(sys.argv[2])))\n"
        "made.FlushCache(); os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", program, path, str(value)], check=True)


@pytest.mark.parametrize("form", ["{}", "GPKG:{}:labels", "vrt://{}?bands=1"])
def test_a_raster_is_read_as_committed(tmp_path: Path, inputs: Path, form: str) -> None:
    path = raster(inputs / "labels.gpkg", classes(), "GPKG")
    Path(path + ".json").write_text('{"classes": [{"value": 9, "name": "wood"}]}')
    write_log(path, 9)
    assert Path(path + "-wal").stat().st_size > 0
    before = state(inputs)
    with private_copies(Told()):
        stack = Stack([form.format(path)])
        assert (stack.read(stack.grid.box)[..., 0] == 9).all()
        assert stack.names == (form.format(path),)
    out, reference = str(tmp_path / "matrix.csv"), raster(tmp_path / "nine.tif", np.full_like(classes(), 9))
    values = {"in": form.format(path), "ref": "raster", "ref.raster.in": reference, "out": out}
    results = run("ComputeConfusionMatrix", values)
    assert results["overall_accuracy"] == 1
    assert changes(before, state(inputs)) == {}
    if form == "{}":
        assert "wood" in Path(out).read_text() + str(results)  # what lies beside the file, not beside the copy


@pytest.mark.parametrize("how", ["closed", "log"])
def test_mbtiles(inputs: Path, how: str) -> None:
    path = raster(inputs / "image.mbtiles", pixels().astype("uint8"), "MBTiles")
    expected = gdal.Open(path).ReadAsArray()
    leave(path, how, "UPDATE metadata SET value = 'here' WHERE name = 'name'", "DELETE FROM tiles")
    before = state(inputs)
    with private_copies(Told()):
        stack = Stack([path])
        np.testing.assert_array_equal(np.moveaxis(stack.read(stack.grid.box), -1, 0), expected)
        del stack
    assert changes(before, state(inputs)) == {}


@pytest.mark.parametrize("form", ["file", "XML", "in another"])
def test_what_a_virtual_raster_names(inputs: Path, form: str) -> None:
    labels = raster(inputs / "labels & more.gpkg", classes(), "GPKG")
    zeros = raster(inputs / "zeros.tif", np.zeros_like(classes()))
    source = str(inputs / "both.vrt")
    gdal.BuildVRT(source, [labels, zeros], separate=True).FlushCache()
    if form == "XML":
        source = gdal.BuildVRT("", [labels, zeros], separate=True).GetMetadata("xml:VRT")[0]
    if form == "in another":
        (inputs / "folder").mkdir()
        gdal.BuildVRT(str(inputs / "folder" / "outer.vrt"), [source]).FlushCache()
        source = str(inputs / "folder" / "outer.vrt")
    write_log(labels, 9)
    before = state(inputs)
    with private_copies(Told()):
        stack = Stack([source])
        found = stack.read(stack.grid.box)
        assert stack.names == (source,) or form == "XML"
        del stack
    assert (found[..., 0] == 9).all() and (found[..., 1] == 0).all()
    assert changes(before, state(inputs)) == {}


def test_what_a_virtual_layer_names(inputs: Path) -> None:
    vec = layer(inputs / "points.gpkg", "GPKG", points())
    leave(vec, "log", COMMITTED, PENDING)
    virtual = inputs / "points.vrt"
    virtual.write_text(
        '<OGRVRTDataSource><OGRVRTLayer name="points"><SrcDataSource relativeToVRT="1">points.gpkg</SrcDataSource>'
        "</OGRVRTLayer></OGRVRTDataSource>"
    )
    before = state(inputs)
    with private_copies(Told()):
        assert read(str(virtual)) == [7, *(label for _, label in points()[1:])]
    assert changes(before, state(inputs)) == {}


def test_a_virtual_raster_that_names_itself_is_looked_into_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten references that lead back would otherwise be followed for ever."""
    path = tmp_path / "a.vrt"
    bands = '<VRTRasterBand><SimpleSource><SourceFilename relativeToVRT="1">a.vrt</SourceFilename></SimpleSource></VRTRasterBand>'
    path.write_text(f'<VRTDataset rasterXSize="1" rasterYSize="1">{bands * 10}</VRTDataset>')
    texts: list[str] = []
    text = privatecopies._text
    monkeypatch.setattr(privatecopies, "_text", lambda name: texts.append(name) or text(name))
    assert privatecopies.source_to_open(str(path), RasterError) == str(path)
    assert texts == [str(path)]


def test_a_virtual_raster_is_copied_once_however_often_it_is_opened(inputs: Path) -> None:
    labels = raster(inputs / "labels.gpkg", classes(), "GPKG")
    inner, outer = inputs / "inner.vrt", inputs / "outer.vrt"
    gdal.BuildVRT(str(inner), [labels, labels], separate=True).FlushCache()
    gdal.BuildVRT(str(outer), [str(inner), str(inner)]).FlushCache()
    write_log(labels, 9)
    told = Told()
    with private_copies(told):
        opened = {privatecopies.source_to_open(str(outer), RasterError) for _ in range(3)}
        assert len(opened) == 1 and opened != {str(outer)}
        assert len(privatecopies._current.get()._made) == 3, "the database and two virtual rasters"


def test_layers_of_the_same_file_are_one_state_in_a_run(inputs: Path) -> None:
    vec = layer(inputs / "points.gpkg", "GPKG", points())
    leave(vec, "log", COMMITTED, PENDING)
    with private_copies(Told()):
        assert read(vec)[0] == 7
        leave(vec, "log", COMMITTED.replace("7", "6"), PENDING)
        assert read(vec)[0] == 7
    with private_copies(Told()):
        assert read(vec)[0] == 6


def test_copies_outside_a_run_follow_the_file(inputs: Path) -> None:
    from otbtf_qgis.core.files import privatecopies

    vec = layer(inputs / "points.gpkg", "GPKG", points())
    for label in (7, 6):
        leave(vec, "log", COMMITTED.replace("7", str(label)), PENDING)
        assert read(vec)[0] == label
    privatecopies._outside.remove()  # as at the end of the process


class Meddling(Told):
    """While a database is copied, merges its log into it and begins another log, as often as is said."""

    def __init__(self, path: str, times: int) -> None:
        super().__init__()
        self.path, self.times = path, times

    def cancelled(self) -> bool:
        if self.times and list(self.temporaries[0].glob("files/*")):
            self.times -= 1
            database = sqlite3.connect(self.path, isolation_level=None)
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            database.execute("UPDATE gpkg_contents SET description = ?", (str(self.times),))
            open_databases.append(database)
        return False


open_databases: list[sqlite3.Connection] = []


@pytest.fixture
def closing() -> Iterator[None]:
    yield
    while open_databases:
        open_databases.pop().close()


@pytest.mark.usefixtures("closing")
def test_a_database_that_changes_while_it_is_copied_is_copied_again(inputs: Path) -> None:
    vec = layer(inputs / "points.gpkg", "GPKG", points())
    leave(vec, "log", COMMITTED, PENDING)
    meddling = Meddling(vec, 1)
    with announcing_to(meddling.temporary), private_copies(meddling):
        assert read(vec)[0] == 7  # which the log held at first, and the database when the log was copied


@pytest.mark.usefixtures("closing")
def test_a_database_that_changes_all_the_time_is_refused(inputs: Path) -> None:
    vec = layer(inputs / "points.gpkg", "GPKG", points())
    leave(vec, "log", COMMITTED, PENDING)
    meddling = Meddling(vec, 100)
    told = "changed during copying, 5 times"
    with announcing_to(meddling.temporary), private_copies(meddling), pytest.raises(VectorError, match=told):
        read(vec)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX alone drops the locks of a process so")
def test_locks_of_this_process_hold(inputs: Path) -> None:
    """As of a layer that is open in QGIS: another program that closes the file must not think to be the last."""
    vec = layer(inputs / "points.gpkg", "GPKG", points())
    with contextlib.closing(sqlite3.connect(vec, isolation_level=None)) as open_here:
        open_here.execute("PRAGMA journal_mode=WAL")
        open_here.execute("PRAGMA user_version=10300")
        with private_copies(Told()):
            assert VectorLayer(vec).count == len(points())
        program = "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute('PRAGMA user_version').fetchone(); d.close()"
        subprocess.run([sys.executable, "-c", program, vec], check=True)
        assert Path(vec + "-wal").stat().st_size > 0


def test_a_damaged_database_is_refused(inputs: Path) -> None:
    vec = layer(inputs / "points.gpkg", "GPKG", points())
    leave(vec, "log", COMMITTED, PENDING)
    with open(vec, "r+b") as file:
        file.seek(16)
        file.write(b"\0\3")  # no size that a page can have
    with private_copies(Told()), pytest.raises(VectorError, match=r"Cannot read .*points\.gpkg"):
        VectorLayer(vec)


@pytest.mark.parametrize("how", ["log", "journal"])
def test_an_output_with_work_beside_it_is_left(inputs: Path, how: str) -> None:
    out = layer(inputs / "points.gpkg", "GPKG", points())
    leave(out, how, COMMITTED, PENDING)
    before = state(inputs)
    with pytest.raises(VectorError, match="OUT is .* which has changes beside it"):
        check_vector_output(out, field("out"))
    assert changes(before, state(inputs)) == {}


def test_an_output_in_write_ahead_mode_may_be_replaced(inputs: Path) -> None:
    out = layer(inputs / "points.gpkg", "GPKG", points())
    leave(out, "closed", COMMITTED, PENDING)
    before = state(inputs)
    check_vector_output(out)
    assert changes(before, state(inputs)) == {}


@pytest.mark.skipif(os.name == "nt", reason="needs users and permissions of POSIX")
@pytest.mark.parametrize("how", ["closed", "log", "journal"])
def test_folders_where_nothing_can_be_written(tmp_path: Path, inputs: Path, how: str) -> None:
    """SQLite itself cannot read such a database there."""
    vec, image = layer(inputs / "points.gpkg", "GPKG", points()), raster(inputs / "image.tif", pixels())
    leave(vec, how, COMMITTED, PENDING)
    before = state(inputs)
    with tempfile.TemporaryDirectory(dir="/tmp") as place:  # pytest's own folders are closed to other users
        shutil.copytree(inputs, f"{place}/inputs")
        for path in Path(place).rglob("*"):
            path.chmod(0o555 if path.is_dir() else 0o444)
        Path(place).chmod(0o755)
        made = Path(place, "outputs")
        made.mkdir()
        made.chmod(0o777)
        as_root = {"in": image, "vec": vec, "field": "class", "out": str(tmp_path / "out.gpkg")}
        values = {**as_root, "out": str(made / "out.gpkg")}
        values.update({key: values[key].replace(str(inputs), f"{place}/inputs") for key in ("in", "vec")})
        program = (
            "import sys, json, os; from otbtf_qgis.core import run\n"
            "run('SampleExtraction', json.loads(sys.argv[1]))\n"  # what is imported may be closed to others
            "if os.geteuid() == 0: os.setgid(65534); os.setuid(65534)\n"
            "run('SampleExtraction', json.loads(sys.argv[2]))"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(made)}
        words = [sys.executable, "-B", "-c", program, json.dumps(as_root), json.dumps(values)]
        subprocess.run(words, check=True, env=environment, cwd="/")
        assert labels(str(made / "out.gpkg"))[0] == 7
        assert [path.name for path in made.iterdir()] == ["out.gpkg"]
        assert set(state(Path(place, "inputs"))) == set(before)
    assert changes(before, state(inputs)) == {}
