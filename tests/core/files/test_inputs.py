"""What is read: whole files only, that stay what they are while a run reads them, and none that never ends."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, ogr, osr

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import OtbtfError, ParameterError, RasterError
from otbtf_qgis.core.files import inputs
from otbtf_qgis.core.rasters.netcdfheader import promised_bytes
from otbtf_qgis.core.rasters.rasterstack import Stack
from otbtf_qgis.core.registry import run
from otbtf_qgis.core.vectors.vectorlayer import VectorLayer

SIDE = 300
PIXELS = np.random.default_rng(3).integers(1, 255, (3, SIDE, SIDE)).astype("uint8")


def write(path: Path, driver: str, options: list[str] | None = None, bands: int = 3) -> Path:
    """Write PIXELS with GDAL alone."""
    memory = gdal.GetDriverByName("MEM").Create("", SIDE, SIDE, bands, gdal.GDT_Byte)
    memory.SetGeoTransform((300000, 10, 0, 4000000, 0, -10))
    system = osr.SpatialReference()
    system.ImportFromEPSG(32654)
    memory.SetProjection(system.ExportToWkt())
    memory.WriteArray(PIXELS[:bands] if bands > 1 else PIXELS[0])
    made = gdal.GetDriverByName(driver).CreateCopy(str(path), memory, strict=0, options=options or [])
    assert made is not None, driver
    return path


class TestTruncated:
    """A file that was cut off is refused when it is opened or read; zeros never stand for what is missing."""

    @pytest.mark.parametrize(
        ("name", "driver", "options", "bands"),
        [
            ("a.tif", "GTiff", ["TILED=NO"], 3),
            ("a.tif", "GTiff", ["TILED=NO", "INTERLEAVE=BAND"], 3),
            ("a.tif", "GTiff", ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64"], 3),
            ("a.tif", "GTiff", ["COMPRESS=DEFLATE"], 3),
            ("a.tif", "GTiff", ["COMPRESS=JPEG"], 3),
            ("a.bin", "ENVI", ["INTERLEAVE=BSQ"], 3),
            ("a.bin", "ENVI", ["INTERLEAVE=BIP"], 3),
            ("a.bin", "ENVI", ["INTERLEAVE=BIL"], 1),
            ("a.bil", "EHdr", [], 3),
            ("a.ers", "ERS", [], 3),
            ("a.pix", "PCIDSK", ["INTERLEAVING=PIXEL"], 3),
            ("a.pix", "PCIDSK", ["INTERLEAVING=BAND"], 1),
            ("a.pix", "PCIDSK", ["INTERLEAVING=TILED"], 3),
            ("a.pix", "PCIDSK", ["INTERLEAVING=FILE"], 3),
            ("a.map", "PCRaster", [], 1),
            ("a.nc", "netCDF", ["FORMAT=NC"], 1),
            ("a.nc", "netCDF", ["FORMAT=NC4"], 1),
            ("a.jpg", "JPEG", [], 3),
            ("a.jpg", "JPEG", ["PROGRESSIVE=YES"], 3),
            ("a.png", "PNG", [], 3),
            ("a.jp2", "JP2OpenJPEG", [], 3),
            ("a.img", "HFA", [], 3),
            ("a.img", "HFA", ["USE_SPILL=YES"], 3),
            ("a.mpr", "ILWIS", [], 1),
            ("a.bmp", "BMP", [], 3),
            ("a.ppm", "PNM", [], 3),
            ("a.rst", "RST", [], 3),
            ("a.rsw", "RMF", [], 3),
            ("a.sdat", "SAGA", [], 1),
        ],
    )
    @pytest.mark.parametrize("share", [0.98, 0.5])
    def test_is_refused(
        self, tmp_path: Path, name: str, driver: str, options: list[str], bands: int, share: float
    ) -> None:
        path = str(write(tmp_path / name, driver, options, bands))
        stack = Stack([path])
        whole = stack.read(stack.grid.box)
        files = stack.datasets[0].GetFileList()
        del stack
        largest = max(files, key=os.path.getsize)
        os.truncate(largest, int(os.path.getsize(largest) * share))
        with pytest.raises(RasterError):
            stack = Stack([path])
            again = stack.read(stack.grid.box)
            assert np.array_equal(again, whole), "missing pixels were made up"
            raise RasterError  # none of them was in the part that is missing

    def test_envi_says_how_much_is_missing(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.bin", "ENVI")
        os.truncate(path, 3 * SIDE * SIDE - 1)
        with pytest.raises(
            RasterError, match=r"a\.bin has 269999 bytes, but its header requires 270000\. Get the file again"
        ):
            Stack([str(path)])

    def test_an_envi_header_offset_counts(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.bin", "ENVI")
        header = tmp_path / "a.hdr"
        header.write_text(header.read_text().replace("header offset = 0", "header offset = 100"))
        with pytest.raises(RasterError, match="requires 270100"):
            Stack([str(path)])
        with path.open("ab") as file:
            file.write(bytes(100))
        assert Stack([str(path)]).bands == 3

    def test_in_an_operation(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.bin", "ENVI")
        os.truncate(path, 200_000)
        with pytest.raises(RasterError, match="damaged or incomplete"):
            run("PatchesSelection", {"in": str(path), "grid.step": 16, "grid.psize": 16, "strategy": "all",
                                     "outtrain": str(tmp_path / "out.gpkg")}, Progress())  # fmt: skip
        assert not (tmp_path / "out.gpkg").exists()

    @pytest.mark.parametrize("records", [0, 1, 3])
    @pytest.mark.parametrize("version", [1, 2])
    @pytest.mark.parametrize("alone", [True, False])
    def test_netcdf_headers(self, tmp_path: Path, version: int, records: int, alone: bool) -> None:
        """SciPy writes the file; it pads it to four bytes, unless there is one variable of records."""
        netcdf = pytest.importorskip("scipy.io").netcdf_file
        path = tmp_path / "a.nc"
        with netcdf(str(path), "w", version=version) as file:
            file.title = b"seven b"
            file.createDimension("time", None)
            file.createDimension("y", 5)
            file.createDimension("x", 7)
            several = file.createVariable("several", "i1", ("time", "y", "x"))
            if not alone:
                file.createVariable("one", "f4", ("y", "x"))[:] = 1.0
                when = file.createVariable("when", "i2", ("time",))
            for record in range(records):
                several[record] = 1
                if not alone:
                    when[record] = 2
        data = path.read_bytes()
        promised = promised_bytes(data)
        if alone and not records:
            assert promised == 0
        else:
            assert len(data) - 3 <= promised <= len(data)


class Meddling(Progress):
    """Does something once, when the work has begun."""

    def __init__(self, harm: Callable[[], object]) -> None:
        self.harm, self.done = harm, False

    def fraction(self, done: float) -> None:
        if not self.done:
            self.done = True
            self.harm()


def polygons(path: Path) -> Path:
    """Write two squares of two classes, on the raster."""
    dataset = ogr.GetDriverByName("GeoJSON").CreateDataSource(str(path))
    system = osr.SpatialReference()
    system.ImportFromEPSG(32654)
    layer = dataset.CreateLayer("squares", system)
    layer.CreateField(ogr.FieldDefn("class", ogr.OFTInteger))
    for number, left in enumerate((300100, 301500)):
        feature = ogr.Feature(layer.GetLayerDefn())
        ring = ((left, 3999000), (left + 800, 3999000), (left + 800, 3999800), (left, 3999800), (left, 3999000))
        text = ", ".join(f"{x} {y}" for x, y in ring)
        feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POLYGON(({text}))"))
        feature["class"] = number
        layer.CreateFeature(feature)
    return path


def points(path: Path) -> Path:
    """Write some points of two classes, on the raster."""
    dataset = ogr.GetDriverByName("GeoJSON").CreateDataSource(str(path))
    system = osr.SpatialReference()
    system.ImportFromEPSG(32654)
    layer = dataset.CreateLayer("points", system)
    layer.CreateField(ogr.FieldDefn("class", ogr.OFTInteger))
    for number in range(20):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT({300500 + 100 * number} {3999500 - 90 * number})"))
        feature["class"] = number % 2
        layer.CreateFeature(feature)
    return path


def _operations(folder: Path) -> dict[str, dict[str, Any]]:
    """Return operations that read `image.tif`, and their parameters."""
    image, out = str(folder / "image.tif"), str(folder / "out")
    return {
        "PatchesSelection": {"in": image, "grid.step": 16, "grid.psize": 16, "strategy": "all", "outtrain": f"{out}.gpkg"},
        "LabelImageSampleSelection": {"inref": image, "outvec": f"{out}.gpkg", "strategy.constant.nb": 2},
        "PolygonClassStatistics": {
            "in": image, "vec": str(polygons(folder / "squares.geojson")), "field": "class", "out": f"{out}.xml"},
        "DensePolygonClassStatistics": {
            "in": image, "vec": str(polygons(folder / "squares.geojson")), "field": "class", "out": f"{out}.xml"},
        "SampleSelection": {
            "in": image, "vec": str(polygons(folder / "squares.geojson")), "field": "class", "out": f"{out}.gpkg",
            "strategy": "all"},
        "SampleExtraction": {"in": image, "vec": str(points(folder / "points.geojson")), "out": f"{out}.gpkg"},
        "PatchesExtraction": {
            "source1.il": [image], "source1.patchsizex": 4, "source1.patchsizey": 4, "source1.out": f"{out}.tif",
            "vec": str(points(folder / "points.geojson")), "field": "class"},
        "PatchesMosaic": {"in": image, "patchsizey": 10, "out": f"{out}.tif"},
        "ComputeConfusionMatrix": {
            "in": image, "ref": "raster", "ref.raster.in": str(write(folder / "ref.tif", "GTiff", bands=1)),
            "out": f"{out}.csv"},
        "BandMathX": {"il": [image], "exp": "im1", "out": f"{out}.tif"},
        "ConcatenateImages": {"il": [image], "out": f"{out}.tif"},
        "ExtractROI": {"in": image, "sizex": 100, "sizey": 100, "out": f"{out}.tif"},
        "ManageNoData": {"in": image, "out": f"{out}.tif"},
        "Superimpose": {
            "inr": str(write(folder / "ref.tif", "GTiff", bands=1)), "inm": image, "out": f"{out}.tif"},
    }  # fmt: skip


NAMES = (
    "BandMathX",
    "ComputeConfusionMatrix",
    "ConcatenateImages",
    "DensePolygonClassStatistics",
    "ExtractROI",
    "LabelImageSampleSelection",
    "ManageNoData",
    "PatchesExtraction",
    "PatchesMosaic",
    "PatchesSelection",
    "PolygonClassStatistics",
    "SampleExtraction",
    "SampleSelection",
    "Superimpose",
)


ONE_BAND = ("LabelImageSampleSelection", "ComputeConfusionMatrix")


def rewrite(path: Path) -> None:
    """Write another value into the file's last bytes, as a program that writes the image anew does."""
    with path.open("r+b") as file:
        file.seek(-10, os.SEEK_END)
        file.write(b"\x07" * 10)
    later = path.stat().st_mtime_ns + 1_000_000  # clocks of file systems may be coarse
    os.utime(path, ns=(later, later))


class TestChanged:
    """A local file that another program writes to while it is read: refused, and nothing is written."""

    @pytest.mark.parametrize("name", NAMES)
    def test_in_every_operation(self, tmp_path: Path, name: str) -> None:
        values = _operations(tmp_path)[name]
        image = write(tmp_path / "image.tif", "GTiff", bands=1 if name in ONE_BAND else 3)
        before = sorted(path.name for path in tmp_path.iterdir())
        meddling = Meddling(lambda: rewrite(image))
        with pytest.raises(RasterError, match=r"image\.tif changed during reading \(it was written to\)"):
            run(name, values, meddling)
        assert meddling.done
        assert sorted(path.name for path in tmp_path.iterdir()) == before
        assert run(name, values, Progress())

    @pytest.mark.parametrize("change", ["longer", "replaced", "gone", "written"])
    def test_what_is_told(self, tmp_path: Path, change: str) -> None:
        image = write(tmp_path / "image.tif", "GTiff")
        with inputs.watched(Progress()):
            Stack([str(image)])
            inputs.check_unchanged()
            if change == "longer":
                with image.open("ab") as file:
                    file.write(b"more")
            elif change == "replaced":
                shutil.copy2(image, tmp_path / "copy.tif")
                os.replace(tmp_path / "copy.tif", image)
            elif change == "gone":
                image.unlink()
            else:
                rewrite(image)
            told = {"longer": "it had", "replaced": "another file", "gone": "it was removed", "written": "written to"}
            with pytest.raises(RasterError, match=told[change]):
                inputs.check_unchanged()

    def test_what_lies_behind_virtual_rasters(self, tmp_path: Path) -> None:
        image = write(tmp_path / "image.tif", "GTiff")
        inner, outer = str(tmp_path / "inner.vrt"), str(tmp_path / "outer.vrt")
        gdal.Translate(inner, str(image), format="VRT").FlushCache()
        gdal.Translate(outer, inner, format="VRT").FlushCache()
        with inputs.watched(Progress()):
            Stack([outer])
            rewrite(image)
            with pytest.raises(RasterError, match=r"outer\.vrt \(its file .*image\.tif\) changed during"):
                inputs.check_unchanged()

    def test_inside_an_archive(self, tmp_path: Path) -> None:
        write(tmp_path / "image.tif", "GTiff")
        archive = Path(shutil.make_archive(str(tmp_path / "images"), "zip", tmp_path, "image.tif"))
        with inputs.watched(Progress()):
            Stack([f"/vsizip/{archive}/image.tif"])
            rewrite(archive)
            with pytest.raises(RasterError, match="changed during reading"):
                inputs.check_unchanged()

    def test_what_qgis_writes_beside_does_not_count(self, tmp_path: Path) -> None:
        image = write(tmp_path / "image.tif", "GTiff")
        beside = tmp_path / "image.tif.aux.xml"
        beside.write_text("<PAMDataset/>")
        with inputs.watched(Progress()):
            Stack([str(image)])
            beside.write_text("<PAMDataset><Metadata/></PAMDataset>")
            inputs.check_unchanged()

    def test_layers_too(self, tmp_path: Path) -> None:
        layer = points(tmp_path / "points.geojson")
        with inputs.watched(Progress()):
            VectorLayer(str(layer))
            rewrite(layer)
            with pytest.raises(RasterError, match=r"points\.geojson changed during"):
                inputs.check_unchanged()


class TestEndless:
    """Pipes, sockets and devices are refused before they are opened."""

    @pytest.fixture(params=["pipe", "socket", "device"])
    def endless(self, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
        path = str(tmp_path / request.param)
        if request.param == "pipe":
            os.mkfifo(path)
            yield path
        elif request.param == "socket":
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(path)
                yield path
        else:
            yield "/dev/zero"

    def test_is_refused_for_every_input_and_output(self, tmp_path: Path, endless: str) -> None:
        for name, values in _operations(tmp_path).items():
            for key, value in values.items():
                if isinstance(value, str) and "/" in value:
                    with pytest.raises(ParameterError, match=r"which is a (named pipe|socket|device)"):
                        run(name, {**values, key: endless}, Progress())

    def test_of_a_model_and_of_records(self, tmp_path: Path, endless: str) -> None:
        image = str(tmp_path / "image.tif")
        serve = {"source1.il": [image], "model.dir": endless, "out": str(tmp_path / "out.tif")}
        train = {"training.source1.il": [endless], "model.dir": "x", "model.saveto": str(tmp_path / "m")}
        for name, values in (("TensorflowModelServe", serve), ("TensorflowModelTrain", train)):
            with pytest.raises(ParameterError, match="which is a"):
                run(name, values, Progress())

    def test_by_the_python_functions(self, endless: str) -> None:
        for opened in (lambda: Stack([endless]), lambda: VectorLayer(endless)):
            with pytest.raises(OtbtfError, match="might never end"):
                opened()

    @pytest.mark.parametrize(
        "form", ["{}|layername=x", "/vsigzip/{}", 'NETCDF:"{}":x', "/vsizip/{}/a.tif", "/vsistdin/"]
    )
    def test_under_gdals_names(self, tmp_path: Path, form: str) -> None:
        pipe = str(tmp_path / "pipe")
        os.mkfifo(pipe)
        with pytest.raises(RasterError, match="named pipe|standard input"):
            Stack([form.format(pipe)])

    def test_in_a_folder_or_a_virtual_raster(self, tmp_path: Path) -> None:
        image = write(tmp_path / "image.tif", "GTiff")
        virtual = str(tmp_path / "virtual.vrt")
        gdal.Translate(virtual, str(image), format="VRT").FlushCache()
        image.unlink()
        os.mkfifo(image)
        with pytest.raises(RasterError, match=r"virtual\.vrt: its file .*image\.tif is a named pipe"):
            Stack([virtual])
        with pytest.raises(RasterError, match=r"a folder that holds a named pipe \(image\.tif\)"):
            Stack([str(tmp_path)])


class Log(Progress):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, message: str) -> None:
        self.lines.append(message)


@pytest.mark.parametrize("name", NAMES)
def test_scale_and_offset_are_told_once(tmp_path: Path, name: str) -> None:
    values = _operations(tmp_path)[name]
    image = write(tmp_path / "image.tif", "GTiff", bands=1 if name in ONE_BAND else 3)
    dataset = gdal.Open(str(image), gdal.GA_Update)
    last = dataset.GetRasterBand(dataset.RasterCount)
    last.SetScale(0.0001)
    last.SetOffset(-0.1)
    del last, dataset
    log = Log()
    run(name, values, log)
    told = [line for line in log.lines if "scale or an offset" in line]
    assert len(told) == 1 and "0.0001" in told[0] and "-0.1" in told[0] and "as they are stored" in told[0]
