"""Operations from a script: rasters in memory, extended filenames, the terminal, and Ctrl-C."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, osr
from serving import Log, read, texture, write_at
from small_models import pixelwise

import otbtf_qgis
from otbtf_qgis import core
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import Cancelled, OtbtfError, ParameterError, RasterError

pytest.importorskip("tensorflow")

PLACE = (500000.0, 10.0, 0.0, 4800000.0, 0.0, -10.0)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """An image of 3 bands, a model of it, labels, and the map that the model makes of the file."""
    folder = tmp_path_factory.mktemp("scene")
    pixels = texture(30, 40, 3, dtype="uint16")
    labels = np.random.default_rng(0).integers(1, 4, (30, 40, 1)).astype("uint8")
    found = SimpleNamespace(folder=folder, pixels=pixels, labels=labels, model=str(folder / "model.keras"))
    found.image, found.truth = write_at(folder / "image.tif", pixels), write_at(folder / "labels.tif", labels)
    pixelwise().save(found.model)
    found.map = served(found, folder, found.image)
    return found


def served(scene: SimpleNamespace, folder: Path, images: Any, progress: Progress | None = None) -> np.ndarray:
    out = folder / "served.tif"
    values = {"source1.il": images, "model.dir": Path(scene.model), "out": out}
    results = core.run("TensorflowModelServe", values, progress or Log())
    assert results["out"] == str(out)
    assert gdal.Open(str(out)).GetGeoTransform() == PLACE
    return read(str(out))


def utm() -> str:
    system = osr.SpatialReference()
    system.ImportFromEPSG(32631)
    return str(system.ExportToWkt())


def three_files(scene: SimpleNamespace, folder: Path) -> list[str]:
    return [write_at(folder / f"band{band}.tif", scene.pixels[..., band : band + 1]) for band in range(3)]


def vrt_file(scene: SimpleNamespace, folder: Path) -> str:
    gdal.Translate(str(folder / "image.vrt"), scene.image, format="VRT")
    return str(folder / "image.vrt")


def data_array(scene: SimpleNamespace) -> Any:
    xarray = pytest.importorskip("xarray")
    coordinates = {"y": PLACE[3] - 5 - 10 * np.arange(30), "x": PLACE[0] + 5 + 10 * np.arange(40)}
    spatial_ref = xarray.DataArray(0, attrs={"crs_wkt": utm()})
    pixels = np.moveaxis(scene.pixels, -1, 0)
    return xarray.DataArray(
        pixels, dims=("band", "y", "x"), coords={**coordinates, "spatial_ref": spatial_ref}, name="reflectance"
    )


SOURCES: dict[str, Callable[[SimpleNamespace, Path], Any]] = {
    "path": lambda scene, folder: Path(scene.image),
    "generator of paths": lambda scene, folder: iter(three_files(scene, folder)),
    "dataset": lambda scene, folder: gdal.Open(scene.image),
    "list of datasets": lambda scene, folder: [gdal.Open(path) for path in three_files(scene, folder)],
    "VRT": vrt_file,
    "XML of a VRT": lambda scene, folder: Path(vrt_file(scene, folder)).read_text(),
    "dataset of a VRT": lambda scene, folder: gdal.BuildVRT("", three_files(scene, folder), separate=True),
    "array": lambda scene, folder: core.ArrayRaster(scene.pixels, PLACE, "EPSG:32631"),
    "view of an array": lambda scene, folder: core.ArrayRaster(
        np.moveaxis(np.ascontiguousarray(np.moveaxis(scene.pixels, -1, 0)), 0, -1)[::-1][::-1],
        SimpleNamespace(to_gdal=lambda: PLACE),
        SimpleNamespace(to_wkt=utm),
    ),
    "arrays and files": lambda scene, folder: [
        core.ArrayRaster.like(scene.image, scene.pixels[..., 0]),
        f"{scene.image}?&bands=2:3",
    ],
    "DataArray": lambda scene, folder: data_array(scene),
    "bands": lambda scene, folder: (
        write_at(folder / "five.tif", scene.pixels[..., [2, 0, 1, 1, 0]]) + "?&bands=-1,3:4,1"
    ),
}


@pytest.mark.parametrize("name", [name for name in SOURCES if name != "bands"])
def test_every_form_of_a_source_is_served_alike(scene: SimpleNamespace, tmp_path: Path, name: str) -> None:
    np.testing.assert_array_equal(served(scene, tmp_path, SOURCES[name](scene, tmp_path)), scene.map)


def test_bands_of_an_extended_filename(scene: SimpleNamespace, tmp_path: Path) -> None:
    five = write_at(tmp_path / "five.tif", scene.pixels[..., [2, 1, 0, 1, 0]])
    for bands in ("3,2,1", "-1,-2,1", "5,4:4,:1"):
        np.testing.assert_array_equal(served(scene, tmp_path, f"{five}?&bands={bands}"), scene.map)
    for bands, part in (("6", "'6'.*give numbers from 1 to 5"), ("a", "'a'"), ("3:1", "smaller number"), ("1,", "''")):
        with pytest.raises(RasterError, match=rf"SOURCE1_IL: bands={bands}.*{part}"):
            served(scene, tmp_path, f"{five}?&bands={bands}")


def test_an_array_is_not_copied(scene: SimpleNamespace) -> None:
    pixels = scene.pixels.copy()
    opened = core.ArrayRaster(pixels, PLACE, "EPSG:32631").open().dataset
    pixels[:] = 7
    assert (opened.ReadAsArray() == 7).all()


def test_dtypes_of_arrays(tmp_path: Path) -> None:
    for dtype in ("bool", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"):
        array = np.random.default_rng(0).integers(0, 2, (5, 4)).astype(dtype)
        found = core.ArrayRaster(array).open().dataset.ReadAsArray()
        np.testing.assert_array_equal(found, array)
        assert found.dtype == ("uint8" if dtype == "bool" else dtype)


def points(scene: SimpleNamespace, folder: Path, labels: Any, **more: Any) -> int:
    out = folder / "points.gpkg"
    return int(core.run("LabelImageSampleSelection", {"inref": labels, "outvec": out, **more}, Log())["samples"])


def test_operations_without_a_model_take_them_too(scene: SimpleNamespace, tmp_path: Path) -> None:
    labels = core.ArrayRaster(scene.labels, PLACE, utm(), nodata=3)
    few = points(scene, tmp_path, scene.truth, nodata=3)
    assert points(scene, tmp_path, labels) == few
    assert points(scene, tmp_path, gdal.Open(scene.truth), nodata=3) == few
    image = core.ArrayRaster(scene.pixels, PLACE, utm())
    vector = {"vec": tmp_path / "points.gpkg", "field": "class"}
    log, extended = Log(), f"{tmp_path / 'patches.tif'}?&nodata=0"
    outputs = {"source1.out": (extended, "float"), "outlabels": tmp_path / "labels.tif"}
    cut = {"source1.il": [image], "source1.patchsizex": 3, "source1.patchsizey": 3, **vector, **outputs}
    count = core.run("PatchesExtraction", cut, log)["patches"]
    assert "nodata=0 of" in log.text
    assert read(str(tmp_path / "patches.tif")).shape == (3 * count, 3, 3)
    assert read(str(tmp_path / "patches.tif")).dtype == "float32"
    core.run("PatchesMosaic", {"in": gdal.Open(str(tmp_path / "patches.tif")), "out": tmp_path / "m.tif"}, Log())
    core.run("SampleExtraction", {"in": image, "vec": tmp_path / "points.gpkg", "out": tmp_path / "s.gpkg"}, Log())
    grid = {"grid.step": 4, "grid.psize": 4, "outtrain": tmp_path / "train.gpkg", "outvalid": tmp_path / "valid.gpkg"}
    mask = core.ArrayRaster.like(scene.image, scene.labels[..., 0] < 9)
    core.run("PatchesSelection", {"in": image, "mask": mask, **grid}, Log())
    chosen = {**vector, "mask": mask, "out": tmp_path / "chosen.gpkg"}
    core.run("SampleSelection", {"in": image, **chosen, "strategy": "all"}, Log())
    core.run("PolygonClassStatistics", {"in": image, **vector, "out": tmp_path / "statistics.xml"}, Log())


def test_rioxarray(scene: SimpleNamespace, tmp_path: Path) -> None:
    """In a process of its own: rasterio brings another GDAL."""
    pytest.importorskip("rioxarray")
    program = f"""
import numpy as np, rioxarray
from osgeo import gdal
from otbtf_qgis.core.rasters.inmemory import in_memory
data = rioxarray.open_rasterio({scene.image!r})
for part, x, y in ((data, 500000.0, 4800000.0), (data.isel(x=slice(5, 20), y=slice(3, 9)), 500050.0, 4799970.0)):
    opened = in_memory(part).dataset
    assert opened.GetGeoTransform() == (x, 10.0, 0.0, y, 0.0, -10.0), opened.GetGeoTransform()
    assert np.array_equal(opened.ReadAsArray(), part.values)
    assert "31N" in opened.GetProjection()
assert in_memory(rioxarray.open_rasterio({scene.image!r}, parse_coordinates=False)).dataset.GetGeoTransform()[1] == 10
assert in_memory(data.isel(x=[3], y=[4], band=0)).dataset.GetGeoTransform() == (500030.0, 10.0, 0.0, 4799960.0, 0.0, -10.0)
marked = in_memory(data.rio.write_nodata(9)).dataset
assert marked.GetRasterBand(3).GetNoDataValue() == 9
"""
    done = python(program)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda data: data.drop_vars(("x", "y")), "DataArray reflectance has no coordinates of x and y.*assign_coords"),
        (
            lambda data: data.transpose("y", "x", "band"),
            r"\('y', 'x', 'band'\): give data.transpose\('band', 'y', 'x'\)",
        ),
        (lambda data: data.isel(band=0).T, r"order \('x', 'y'\): give data.transpose\('y', 'x'\)"),
        (lambda data: data.rename(x="columns"), r"dimensions \('band', 'y', 'columns'\).*needs one called x"),
        (lambda data: data.expand_dims("time"), r"dimensions \('time', 'band', 'y', 'x'\).*isel"),
        (lambda data: data.isel(x=[0, 1, 5]), "coordinates x of DataArray reflectance are not evenly spaced"),
        (lambda data: data.isel(x=[0]), "one pixel along x"),
        (lambda data: data.to_dataset(), "xarray Dataset, but must be a DataArray"),
        (lambda data: data.astype("float16"), "type is float16.*astype"),
        (lambda data: data.values, r"NumPy array of shape \(3, 30, 40\) without a place.*ArrayRaster"),
        (lambda data: [data.values[0]], r"SOURCE1_IL: A source is a NumPy array of shape \(30, 40\)"),
        (lambda data: 5, "SOURCE1_IL: A source is a builtins.int"),
    ],
)
def test_arrays_that_are_no_rasters(
    scene: SimpleNamespace, tmp_path: Path, make: Callable[[Any], Any], message: str
) -> None:
    with pytest.raises(RasterError, match=message):
        served(scene, tmp_path, make(data_array(scene)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("array", "more", "message"),
    [
        ([[1, 2]], {}, "got list"),
        (np.zeros(5), {}, r"shape \(5,\)"),
        (np.zeros((0, 4)), {}, r"shape \(0, 4\)"),
        (np.ma.masked_array(np.zeros((2, 2)), False), {}, "masked.*filled"),
        (np.zeros((2, 2), ">i2"), {}, ">i2.*newbyteorder"),
        (np.array([["a"]]), {}, "type is <U1"),
        (np.zeros((2, 2)), {"geotransform": (1, 2, 3)}, r"\(1, 2, 3\), but must be six numbers"),
        (np.zeros((2, 2)), {"geotransform": (1, 2, 3, 4, 5, float("nan"))}, "six numbers"),
        (np.zeros((2, 2)), {"geotransform": PLACE, "crs": "EPSG:nothing"}, "'EPSG:nothing' is not understood"),
    ],
)
def test_bad_array_rasters(array: Any, more: dict[str, Any], message: str) -> None:
    with pytest.raises(RasterError, match=message):
        core.ArrayRaster(array, **more).open()


def test_like_checks_the_size(scene: SimpleNamespace) -> None:
    with pytest.raises(RasterError, match=r"shape \(3, 30, 40\).*30 rows and 40 columns"):
        core.ArrayRaster.like(scene.image, np.moveaxis(scene.pixels, -1, 0))


def test_extended_filenames_of_outputs_and_pairs(scene: SimpleNamespace, tmp_path: Path) -> None:
    log, out = Log(), tmp_path / "map.tif"
    values = {"source1.il": f"{scene.image}?&skipgeom=true", "model.dir": scene.model, "output.bv": 7}
    name = f"{out}?&box=2:3:5:4&gdal:co:COMPRESS=LZW&nodata=9&writegeom=false"
    core.run("TensorflowModelServe", {**values, "out": (name, "int32")}, log)
    written = gdal.Open(str(out))
    assert (written.RasterXSize, written.RasterYSize) == (5, 4)
    assert written.GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE") == "LZW"
    assert written.GetRasterBand(1).DataType == gdal.GDT_Int32
    assert written.GetRasterBand(1).GetNoDataValue() == 9
    assert "skipgeom=true of" in log.text and "writegeom=false of" in log.text
    assert [path.name for path in tmp_path.iterdir()] == ["map.tif"]
    cases: list[tuple[dict[str, Any], str]] = [
        ({"out": (out, "uint9")}, "OUT_PIXELTYPE is 'uint9'"),
        ({"out": (out, "uint8", "uint8")}, "OUT takes a file and a pixel type"),
        ({"out": f"{out}?&box=0:0:1:1", "out.box": "0:0:2:2"}, "OUT_BOX is given twice"),
        ({"out": f"{out}?&bx=0:0:1:1"}, "OUT: the option bx.*Did you mean box"),
        ({"source1.il": f"{scene.image}?&resol=1"}, "SOURCE1_IL: resol=1 of .*image.tif is not supported"),
        ({"model.dir": [scene.model, scene.model]}, "MODEL_DIR is .* takes one value"),
    ]
    for more, message in cases:
        with pytest.raises(ParameterError, match=message):
            core.run("TensorflowModelServe", {**values, "out": out, **more}, log)


def test_skipcarto_leaves_the_place_out(scene: SimpleNamespace, tmp_path: Path) -> None:
    out = tmp_path / "map.tif"
    values = {"source1.il": f"{scene.image}?&skipcarto=true", "model.dir": scene.model, "out": out}
    core.run("TensorflowModelServe", values, Log())
    assert gdal.Open(str(out)).GetProjection() == ""
    assert gdal.Open(str(out)).GetGeoTransform() == (0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    np.testing.assert_array_equal(read(str(out)), scene.map)


def test_a_file_whose_name_looks_extended(scene: SimpleNamespace, tmp_path: Path) -> None:
    name = str(tmp_path / "a?&bands=1.tif")
    os.symlink(scene.image, name)
    np.testing.assert_array_equal(served(scene, tmp_path, name), scene.map)


def test_missing_packages_are_named() -> None:
    program = """
import sys
sys.modules.update(dict.fromkeys(("osgeo", "keras", "tensorflow")))
from otbtf_qgis import core
for ask in (lambda: core.run("CreateExampleData", {"outdir": "missing"}), lambda: core.ArrayRaster, lambda: core.layers):
    try:
        ask()
    except core.OtbtfError as error:
        print(type(error).__name__, error)
"""
    done = python(program)
    lines = done.stdout.splitlines()
    assert [line.split(" is missing")[0] for line in lines[2:]] == ["EngineError The package keras"], done.stderr
    assert all("python3-gdal" in line for line in lines[:2])


# ------------------------------------------------------- terminal and Ctrl-C


def python(program: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], text=True, capture_output=True, check=False, **environment(), **more
    )


def environment() -> dict[str, Any]:
    tree = Path(otbtf_qgis.__path__[0]).parent
    return {"env": {**os.environ, "PYTHONPATH": str(tree), "TF_CPP_MIN_LOG_LEVEL": "3"}, "cwd": "/"}


def example(folder: Path) -> str:
    return f"from otbtf_qgis import core\ncore.run('CreateExampleData', {{'outdir': {str(folder)!r}}})"


def test_a_bar_on_a_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen([sys.executable, "-c", example(tmp_path / "a")], stderr=theirs, **environment()) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # how Linux tells that the other side is closed
                break
            shown += part
        os.close(ours)
    assert process.returncode == 0
    assert b"CreateExampleData:   0% |" in shown and b"100% |" in shown


def test_no_bar_elsewhere_but_messages_in_the_log(
    scene: SimpleNamespace, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    values = {"source1.il": scene.image, "model.dir": scene.model, "out": tmp_path / "map.tif"}
    with caplog.at_level("INFO", "otbtf_qgis"):
        core.run("TensorflowModelServe", values)
    assert any(record.getMessage().startswith("Geometry:") for record in caplog.records)
    assert "%" not in capfd.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_leaves_nothing_behind(scene: SimpleNamespace, tmp_path: Path) -> None:
    """While one thread reads, TensorFlow computes, and another thread writes; pressed once, then twice."""
    image = gdal.GetDriverByName("GTiff").Create(str(tmp_path / "large.tif"), 3000, 3000, 3, gdal.GDT_Byte)
    image.SetGeoTransform(PLACE)
    image.SetProjection(utm())
    image = None
    out = tmp_path / "out" / "map.tif"
    out.parent.mkdir()
    out.write_bytes(b"older")
    values = {"source1.il": str(tmp_path / "large.tif"), "model.dir": scene.model, "out": str(out)}
    values.update({"optim.tilesizex": "8", "optim.tilesizey": "8"})  # so small that it takes minutes
    program = f"""
from otbtf_qgis import core
while input():
    try:
        core.run("TensorflowModelServe", {values!r})
    except KeyboardInterrupt:
        print("stopped", flush=True)
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with subprocess.Popen([sys.executable, "-c", program], **pipes, **environment()) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            for presses in (1, 2):
                process.stdin.write("go\n")
                deadline = time.monotonic() + 200
                while not list(out.parent.glob(".otbtf-*/map.tif")):
                    assert process.poll() is None and time.monotonic() < deadline
                    time.sleep(0.02)
                for _ in range(presses):
                    process.send_signal(signal.SIGINT)
                # A second one may come when the run is over, and then ends the script.
                assert process.stdout.readline() == "stopped\n" or (presses == 2 and process.wait(timeout=200))
                assert [path.name for path in out.parent.iterdir()] == ["map.tif"]
                assert out.read_bytes() == b"older"
        finally:
            process.kill()


def test_a_progress_of_ones_own_cancels(scene: SimpleNamespace, tmp_path: Path) -> None:
    class Stopping(Log):
        def cancelled(self) -> bool:
            return True

    with pytest.raises(Cancelled):
        served(scene, tmp_path, scene.image, Stopping())
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OtbtfError, match="Did you mean source1.il"):
        core.run("TensorflowModelServe", {"source1.ill": scene.image})
