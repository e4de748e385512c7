"""No output destroys an input, or other layers in a file of its name: refused before the work, naming them."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, ogr
from polygon_scene import box, layer, raster

from otbtf_qgis import core
from otbtf_qgis.core import otbApplication, pyotb, registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.files.replacing import check_outputs
from otbtf_qgis.core.parameters import kinds
from otbtf_qgis.core.parameters.kinds import Key
from otbtf_qgis.core.parameters.parsing import keys

VECTOR = Key("out", kinds.VECTOR_OUT, "", "")
RASTER = Key("out", kinds.RASTER_OUT, "", "")
FILE = Key("out", kinds.FILE_OUT, "", "")


def make(path: Path, driver: str, *names: str) -> Path:
    """A file with layers of these names, of one feature each."""
    data = ogr.GetDriverByName(driver).CreateDataSource(str(path))
    for name in names:
        made = data.CreateLayer(name, None, ogr.wkbPoint)
        if driver != "DXF":
            made.CreateField(ogr.FieldDefn("class", ogr.OFTInteger))
        feature = ogr.Feature(made.GetLayerDefn())
        feature.SetGeometry(ogr.CreateGeometryFromWkt("POINT (1 2)"))
        if driver == "DXF":
            feature["Layer"] = name
        made.CreateFeature(feature)
    return path


def tiles(path: Path, name: str) -> Path:
    """Add a raster to a GeoPackage, or make one of it."""
    source = gdal.GetDriverByName("MEM").Create("", 4, 4, 3)
    source.SetGeoTransform((0, 1, 0, 0, 0, -1))
    options = [f"RASTER_TABLE={name}", *(["APPEND_SUBDATASET=YES"] if path.exists() else [])]
    assert gdal.GetDriverByName("GPKG").CreateCopy(str(path), source, options=options) is not None
    return path


def check(key: Key, path: Path) -> None:
    check_outputs([key], {"out": str(path)})


class TestContainers:
    @pytest.mark.parametrize(
        ("driver", "name"),
        [
            ("GPKG", "a.gpkg"),
            ("SQLite", "a.sqlite"),
            ("ODS", "a.ods"),
            ("XLSX", "a.xlsx"),
            ("KML", "a.kml"),
            ("LIBKML", "b.kml"),
        ],
    )
    def test_other_layers(self, tmp_path: Path, driver: str, name: str) -> None:
        path = tmp_path / name
        check(VECTOR, path)  # nothing is there yet
        check(VECTOR, make(path, driver, path.stem))
        path.unlink()
        before = make(path, driver, path.stem, "roads", "rivers").read_bytes()
        with pytest.raises(ParameterError, match=r"OUT is .*, which holds (roads, rivers|rivers, roads): that"):
            check(VECTOR, path)
        assert path.read_bytes() == before
        path.unlink()
        with pytest.raises(ParameterError, match="holds roads: that would be lost"):
            check(VECTOR, make(path, driver, "roads"))

    @pytest.mark.parametrize(
        ("driver", "name"),
        [
            ("GeoJSON", "a.geojson"),
            ("ESRI Shapefile", "a.shp"),
            ("FlatGeobuf", "a.fgb"),
            ("GML", "a.gml"),
            ("MapInfo File", "a.tab"),
        ],
    )
    def test_files_of_one_layer_are_replaced(self, tmp_path: Path, driver: str, name: str) -> None:
        check(VECTOR, make(tmp_path / name, driver, "a"))
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        check(VECTOR, make(tmp_path / name, driver, "other"))

    def test_layers_of_a_drawing(self, tmp_path: Path) -> None:
        check(VECTOR, make(tmp_path / "a.dxf", "DXF", "0"))
        with pytest.raises(ParameterError, match="holds walls: that would be lost"):
            check(VECTOR, make(tmp_path / "b.dxf", "DXF", "walls"))

    def test_rasters_in_a_geopackage(self, tmp_path: Path) -> None:
        path = tiles(tmp_path / "a.gpkg", "a")
        check(RASTER, path)
        with pytest.raises(ParameterError, match="holds a: that would be lost"):
            check(VECTOR, path)
        tiles(path, "ortho")
        for key in (RASTER, VECTOR, FILE):
            with pytest.raises(ParameterError, match="holds .*ortho: that would be lost"):
                check(key, path)
        with pytest.raises(ParameterError, match="holds b: that would be lost"):
            check(RASTER, make(tmp_path / "b.gpkg", "GPKG", "b"))  # a layer of points of the raster's name

    def test_tables_that_are_no_layers(self, tmp_path: Path) -> None:
        path = make(tmp_path / "a.gpkg", "GPKG", "a")
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE notes (text TEXT)")
        with pytest.raises(ParameterError, match="holds notes: that would be lost"):
            check(VECTOR, path)

    def test_styles_belong_to_the_layer(self, tmp_path: Path) -> None:
        path = make(tmp_path / "a.gpkg", "GPKG", "a")
        data = ogr.Open(str(path), 1)
        data.CreateLayer("layer_styles", None, ogr.wkbNone)
        data = None
        check(VECTOR, path)

    def test_a_text_in_place_of_a_database(self, tmp_path: Path) -> None:
        for driver, name in (("GPKG", "a.gpkg"), ("SQLite", "a.sqlite")):
            with pytest.raises(ParameterError, match="holds a: that would be lost"):
                check(FILE, make(tmp_path / name, driver, "a"))

    def test_damaged_files_are_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "a.gpkg"
        path.write_bytes(b"SQLite format 3\0" + bytes(1000))
        check(VECTOR, path)


class TestInputs:
    @pytest.fixture
    def image(self, tmp_path: Path) -> str:
        return raster(tmp_path / "image.tif", [np.ones((4, 4))])

    def refused(self, tmp_path: Path, kind: kinds.Kind, source: Any, out: str, told: str, key: Key = RASTER) -> None:
        several = kind in (kinds.RASTERS, kinds.VECTORS)
        known = [Key("il", kind, "", ""), key]
        with pytest.raises(ParameterError, match=told):
            check_outputs(known, {"il": [source] if several else source, "out": str(tmp_path / out)})

    def test_images_of_virtual_rasters(self, tmp_path: Path, image: str) -> None:
        inner, outer = str(tmp_path / "inner.vrt"), str(tmp_path / "outer.vrt")
        assert gdal.BuildVRT(inner, [image]) is not None
        assert gdal.BuildVRT(outer, [inner]) is not None
        text = gdal.BuildVRT("", [image]).GetMetadata("xml:VRT")[0]
        for source in (inner, outer):
            self.refused(
                tmp_path, kinds.RASTERS, source, "image.tif", rf"also an input: IL \({source}\) is read from it"
            )
        self.refused(tmp_path, kinds.RASTER, outer, "inner.vrt", "also an input: IL")
        self.refused(tmp_path, kinds.RASTER, image, "image.tif", "image.tif, which is also an input: choose another")
        self.refused(tmp_path, kinds.RASTER, gdal.Open(inner), "image.tif", "also an input")
        self.refused(tmp_path, kinds.RASTER, text, "image.tif", "also an input")

    def test_archives_in_virtual_rasters(self, tmp_path: Path, image: str) -> None:
        archive = tmp_path / "image.tif.gz"
        archive.write_bytes(gzip.compress(Path(image).read_bytes()))
        mosaic = tmp_path / "mosaic.vrt"
        gdal.BuildVRT(str(mosaic), [f"/vsigzip/{archive}"]).FlushCache()
        known = [Key("in", kinds.RASTER, "", ""), RASTER]
        with pytest.raises(ParameterError, match=f"OUT is {archive}, which is also an input .*vsigzip"):
            check_outputs(known, {"in": str(mosaic), "out": str(archive)})

    def test_a_link_is_the_file(self, tmp_path: Path, image: str) -> None:
        (tmp_path / "link.tif").symlink_to(image)
        self.refused(tmp_path, kinds.RASTER, image, "link.tif", "also an input")

    def test_parts_of_files(self, tmp_path: Path) -> None:
        tiles(tmp_path / "a.gpkg", "a")
        self.refused(tmp_path, kinds.RASTER, f"GPKG:{tmp_path}/a.gpkg:a", "a.gpkg", "also an input")
        shutil.make_archive(str(tmp_path / "b"), "zip", tmp_path, "a.gpkg")
        self.refused(tmp_path, kinds.RASTER, f"/vsizip/{tmp_path}/b.zip/a.gpkg", "b.zip", "also an input")

    def test_files_of_a_shapefile(self, tmp_path: Path) -> None:
        path = str(make(tmp_path / "a.shp", "ESRI Shapefile", "a"))
        self.refused(tmp_path, kinds.VECTOR, path, "a.dbf", "also an input", VECTOR)
        self.refused(tmp_path, kinds.VECTORS, core.VectorSource(path, "EPSG:32631"), "a.shp", "also an input", VECTOR)
        table = tmp_path / "b.dbf"
        shutil.copyfile(tmp_path / "a.dbf", table)
        self.refused(tmp_path, kinds.VECTOR, str(table), "b.shp", "writing it replaces .*b.dbf, which is also", VECTOR)
        virtual = tmp_path / "v.vrt"
        source = '<SrcDataSource relativeToVRT="1">a.shp</SrcDataSource>'
        virtual.write_text(f'<OGRVRTDataSource><OGRVRTLayer name="a">{source}</OGRVRTLayer></OGRVRTDataSource>')
        self.refused(tmp_path, kinds.VECTOR, str(virtual), "a.shp", "also an input", VECTOR)

    def test_headers(self, tmp_path: Path, image: str) -> None:
        gdal.Translate(str(tmp_path / "a.dat"), image, format="ENVI")
        self.refused(tmp_path, kinds.RASTER, str(tmp_path / "a.dat"), "a.img", "writing it replaces .*a.hdr")

    def test_neighbours_are_no_inputs(self, tmp_path: Path, image: str) -> None:
        other = raster(tmp_path / "image2.tif", [np.ones((4, 4))])
        known = [Key("in", kinds.RASTER, "", ""), RASTER]
        check_outputs(known, {"in": image, "out": other})
        check_outputs(known, {"in": f"GPKG:{tmp_path}/image2.tif.gpkg:a", "out": other})

    def test_databases_are_not_opened(self, tmp_path: Path) -> None:
        """SQLite changes a file in WAL mode by opening it."""
        path = make(tmp_path / "a.gpkg", "GPKG", "a")
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA journal_mode = WAL")
        database.close()
        before, other = path.read_bytes(), tmp_path / "other.txt"
        other.touch()
        check_outputs([Key("vec", kinds.VECTOR, "", ""), FILE], {"vec": str(path), "out": str(other)})
        assert path.read_bytes() == before
        assert sorted(item.name for item in tmp_path.iterdir()) == ["a.gpkg", "other.txt"]


class TestFolders:
    @pytest.mark.parametrize("names", [("notes.txt",), ("a/0.0", "a/.zarray", "b/map.tif"), ()])
    def test_other_folders_are_kept(self, tmp_path: Path, names: tuple[str, ...]) -> None:
        """What is made takes the place of what is there, with all that it holds."""
        image, out = raster(tmp_path / "image.tif", [np.ones((4, 4))]), tmp_path / "maps.tif"
        out.mkdir()
        for name in names:
            (out / name).parent.mkdir(exist_ok=True)
            (out / name).write_text("ours")
        holds = f"holds .*{names[-1]}" if names else "choose a file"
        with pytest.raises(ParameterError, match=f"OUT is {out}, which is a folder.*{holds}"):
            core.run("ExtractROI", {"in": image, "out": str(out)}, Progress())
        assert sorted(item.relative_to(out).as_posix() for item in out.rglob("*") if item.is_file()) == sorted(names)

    @pytest.mark.parametrize(("driver", "name"), [("Zarr", "a.zarr"), ("MFF2", "a.hkv")])
    def test_older_rasters_are_replaced(self, tmp_path: Path, driver: str, name: str) -> None:
        if gdal.GetDriverByName(driver) is None:
            pytest.skip(f"this GDAL has no {driver}")
        image, out = raster(tmp_path / "image.tif", [np.full((4, 4), 3)]), tmp_path / name
        values = {"in": image, "out": str(out), "out.format": driver, "out.pixeltype": "uint8"}
        for _ in range(2):
            core.run("ExtractROI", values, Progress())
            assert out.is_dir()
        assert (gdal.Open(str(out)).ReadAsArray() == 3).all()

    def test_the_arrays_of_a_group(self, tmp_path: Path) -> None:
        if gdal.GetDriverByName("Zarr") is None:
            pytest.skip("this GDAL has no Zarr")
        out = tmp_path / "a.zarr"
        for name in ("one", "two"):
            options = [f"ARRAY_NAME={name}", *(["APPEND_SUBDATASET=YES"] if out.exists() else [])]
            assert gdal.GetDriverByName("Zarr").Create(str(out), 4, 4, 1, gdal.GDT_Byte, options) is not None
        with pytest.raises(ParameterError, match="holds .*one.*two"):
            check(RASTER, out)


@pytest.mark.parametrize("key", [VECTOR, RASTER, FILE])
def test_a_write_protected_file_is_kept(tmp_path: Path, key: Key) -> None:
    path = tmp_path / "a.tif"
    path.touch()
    check(key, path)
    path.chmod(0o444)
    with pytest.raises(
        ParameterError, match=f"OUT is {path}, which exists and is write-protected: choose another file"
    ):
        check(key, path)


FILES = (kinds.RASTER_OUT, kinds.VECTOR_OUT, kinds.FILE_OUT)


def pairs(*wanted: kinds.Kind) -> list[tuple[str, Key, Key]]:
    """Every input of these kinds that an operation reads, with every output that it writes to a file."""
    found = []
    for name in registry.names():
        known = [key for key in keys(registry.declaration(name)) if key.group <= 1]
        written = [key for key in known if key.kind in FILES]
        found += [(name, key, output) for key in known if key.kind in wanted for output in written]
    return found


@pytest.mark.parametrize(("name", "key", "output"), pairs(kinds.FILE, kinds.FILES))
def test_files_that_are_no_layers_are_inputs_too(tmp_path: Path, name: str, key: Key, output: Key) -> None:
    """Models, statistics, rates, weights."""
    path = tmp_path / "a.xml"
    path.touch()
    told = f"{output.parameter} is {path}, which is also an input \\({key.parameter}\\)"
    with pytest.raises(ParameterError, match=told):
        check_outputs(
            keys(registry.declaration(name)),
            {key.name: [str(path)] if key.kind.is_list else str(path), output.name: str(tmp_path / "." / "a.xml")},
        )


@pytest.mark.parametrize(("name", "key", "output"), pairs(kinds.RASTER, kinds.RASTERS, kinds.VECTOR, kinds.VECTORS))
def test_every_raster_and_layer_of_every_operation(tmp_path: Path, name: str, key: Key, output: Key) -> None:
    """No operation asks this itself."""
    is_layer = key.kind in (kinds.VECTOR, kinds.VECTORS)
    path = str(make(tmp_path / "a.gpkg", "GPKG", "a")) if is_layer else raster(tmp_path / "a.tif", [np.ones((4, 4))])
    forms = (
        [path, f"{path}|layername=a", core.VectorSource(f"{path}|layerid=0", "EPSG:32631")]
        if is_layer
        else [path, f"{path}|option:NUM_THREADS=2", core.RasterSource(path, "EPSG:32631"), gdal.Open(path)]
    )
    several = key.kind in (kinds.RASTERS, kinds.VECTORS)
    for source in forms:
        with pytest.raises(ParameterError, match=f"{output.parameter} is {path}, which is also an input"):
            values = {key.name: [source] if several else source, output.name: path}
            check_outputs(keys(registry.declaration(name), values), values)


SOURCES: dict[str, Callable[[str], Any]] = {
    "a path": str,
    "a path object": Path,
    "OTB's options": lambda path: f"{path}?&bands=1",
    "GDAL's options": lambda path: f"{path}|option:NUM_THREADS=2",
    "a source": lambda path: core.RasterSource(path, nodata=[[[0, 0]]]),
    "a JSON object": lambda path: {"path": path},
    "an open data set": gdal.Open,
    "a virtual raster in memory": lambda path: gdal.BuildVRT("", [path]),
    "a virtual raster as text": lambda path: gdal.BuildVRT("", [path]).GetMetadata("xml:VRT")[0],
    "a virtual raster": lambda path: virtual(path),
}


def virtual(path: str) -> str:
    name = str(Path(path).with_name("virtual.vrt"))
    assert gdal.BuildVRT(name, [path]) is not None
    return name


class TestRuns:
    """Each way to name an input reaches the check, whatever starts the operation."""

    @pytest.fixture
    def image(self, tmp_path: Path) -> Iterator[str]:
        path = raster(tmp_path / "image.tif", [np.ones((8, 8))])
        before = Path(path).read_bytes()
        yield path
        assert Path(path).read_bytes() == before

    @pytest.mark.parametrize("form", SOURCES)
    @pytest.mark.parametrize("out", ["image.tif", "link.tif", "image.tif?&gdal:co:TILED=YES"])
    def test_rasters(self, tmp_path: Path, image: str, form: str, out: str) -> None:
        (tmp_path / "link.tif").symlink_to(image)
        values = {"il": [SOURCES[form](image)], "out": str(tmp_path / out)}
        with pytest.raises(ParameterError, match=f"OUT is {tmp_path / out.partition('?')[0]}, which is also an input"):
            core.run("ConcatenateImages", values, Progress())

    @pytest.mark.parametrize(
        "form", [str, Path, lambda p: f"{p}|layername=a", core.VectorSource, lambda p: {"path": p}]
    )
    def test_layers(self, tmp_path: Path, image: str, form: Callable[[str], Any]) -> None:
        path = layer(tmp_path / "a.gpkg", [(1, box(1, 1, 3, 3))])
        values = {"in": image, "vec": form(path), "field": "class", "out": path}
        with pytest.raises(ParameterError, match=f"OUT is {path}, which is also an input"):
            core.run("SampleSelection", values, Progress())

    def test_later_sources(self, tmp_path: Path, image: str) -> None:
        points = str(make(tmp_path / "p.gpkg", "GPKG", "p"))
        second = raster(tmp_path / "second.tif", [np.ones((8, 8))])
        values = {"source1.il": [image], "source1.out": str(tmp_path / "out.tif"), "vec": points, "field": "class"}
        values.update({f"source{number}.patchsize{axis}": 1 for number in (1, 2) for axis in "xy"})
        values.update({"source2.il": [second], "source2.out": image})
        with pytest.raises(ParameterError, match=f"SOURCE2_OUT is {image}, which is also an input"):
            core.run("PatchesExtraction", values, Progress())
        with pytest.raises(ParameterError, match=f"SOURCE1_OUT is {second}, which is also an input"):
            core.run("PatchesExtraction", {**values, "source1.out": second}, Progress())

    def test_applications(self, tmp_path: Path, image: str) -> None:
        """What a chain of OTB's applications writes in between is another file than what it reads and writes."""
        first = otbApplication.Registry.CreateApplication("BandMath")
        first.SetParameterStringList("il", [image])
        first.SetParameterString("exp", "im1b1 + 1")
        second = otbApplication.Registry.CreateApplication("ConcatenateImages")
        second.AddImageToParameterInputImageList("il", first.GetParameterOutputImage("out"))
        second.AddParameterStringList("il", image)
        second.SetParameterString("out", image)
        with pytest.raises(ParameterError, match=f"OUT is {image}, which is also an input"):
            second.ExecuteAndWriteOutput()

    def test_pyotb(self, image: str) -> None:
        with pytest.raises(ParameterError, match=f"OUT is {image}, which is also an input"):
            pyotb.BandMath({"il": [image], "exp": "im1b1 + 1", "out": image})

    def test_steps_of_a_workflow(self, tmp_path: Path, image: str) -> None:
        """A step that would write over what it reads is refused as a run of its own is."""
        line = f"otbcli_ExtractROI -in {image} -out {image}"
        with pytest.raises(ParameterError, match=f"OUT is {image}, which is also an input"):
            core.run("RunCommandLine", {"command": line}, Progress())


@pytest.mark.parametrize(
    ("name", "values", "first", "second"),
    [
        ("ComputeConfusionMatrix", {"out": "a.txt", "out.report": "./a.txt"}, "OUT", "OUT_REPORT"),
        ("PatchesSelection", {"outtrain": "a.gpkg", "outtest": "a.gpkg"}, "OUTTRAIN", "OUTTEST"),
        ("TensorflowModelTrain", {"model.saveto": "a", "out.keras": "a"}, "MODEL_SAVETO", "OUT_KERAS"),
    ],
)
def test_two_outputs_are_two_files(tmp_path: Path, name: str, values: dict[str, str], first: str, second: str) -> None:
    given = {key: f"{tmp_path}/{value}" for key, value in values.items()}
    with pytest.raises(ParameterError, match=f"{first} and {second} are both {tmp_path}/.*: choose another file"):
        check_outputs(keys(registry.declaration(name)), given)


def test_two_outputs_in_one_folder_of_files(tmp_path: Path) -> None:
    known = keys(registry.declaration("TensorflowModelTrain"))
    check_outputs(known, {"checkpoints": str(tmp_path), "tensorboard_dir": str(tmp_path)})


def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.touch()
    with pytest.raises(ParameterError, match=f"OUT is {path}, which is a file: choose a folder"):
        check(Key("out", kinds.FOLDER_OUT, "", ""), path)


def outputs() -> list[tuple[str, Key]]:
    """Every output of every operation that is a file."""
    found = []
    for name in registry.names():
        found += [(name, key) for key in keys(registry.declaration(name)) if key.kind in FILES and key.group <= 1]
    return found


@pytest.mark.parametrize(("name", "key"), outputs())
def test_every_output_of_every_operation(tmp_path: Path, name: str, key: Key) -> None:
    path = make(tmp_path / "a.gpkg", "GPKG", "a", "roads")
    with pytest.raises(ParameterError, match=f"{key.parameter} is {path}, .*holds .*roads: that would be lost"):
        check_outputs(keys(registry.declaration(name)), {key.name: str(path)})


def test_a_run_asks_before_the_work(tmp_path: Path) -> None:
    path = make(tmp_path / "a.gpkg", "GPKG", "a", "roads")
    before = path.read_bytes()
    values = {"in": "nowhere.tif", "vec": "nowhere.gpkg", "field": "class", "out": str(path)}
    with pytest.raises(ParameterError, match="OUT is .*holds roads"):
        core.run("SampleSelection", values, Progress())
    assert path.read_bytes() == before


def test_a_run_that_is_repeated_replaces_its_output(tmp_path: Path) -> None:
    image = raster(tmp_path / "image.tif", [np.ones((8, 8))])
    training = layer(tmp_path / "training.gpkg", [(1, box(1, 1, 3, 3)), (2, box(4, 4, 7, 7))])
    out = tmp_path / "out.gpkg"
    values = {"in": image, "vec": training, "field": "class", "strategy": "all", "out": str(out)}
    for _ in range(2):
        assert json.loads(core.run("SampleSelection", values, Progress())["legend"])[0]["count"] == 4


MODEL = Key("model.dir", kinds.FILE, "", "", file_filter="TensorFlow models (saved_model.pb *.keras);;All files (*)")


@pytest.mark.parametrize("read", ["net.keras", "model", "model/saved_model.pb"])
def test_a_model_is_not_replaced_by_what_is_told_of_it(tmp_path: Path, read: str) -> None:
    model = tmp_path / "model" / "saved_model.pb"
    model.parent.mkdir()
    for file in (model, tmp_path / "net.keras", model.with_name("map.tif")):
        file.write_bytes(b"x")
    lost = tmp_path / "net.keras" if read == "net.keras" else model
    with pytest.raises(ParameterError, match=rf"OUT is .*{lost.name}, which is also an input \(MODEL_DIR\)"):
        check_outputs([MODEL, FILE], {"model.dir": str(tmp_path / read), "out": str(lost)})
    check_outputs([MODEL, FILE], {"model.dir": str(tmp_path / read), "out": str(model.with_name("map.tif"))})
