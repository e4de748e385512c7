"""RasterSource: a raster described by more than a path, in scripts and in requests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, ogr, osr
from serving import Log, read, texture, write_at

from otbtf_qgis import core
from otbtf_qgis.core.errors import OtbtfError, ParameterError, RasterError
from otbtf_qgis.core.operations.tensorflowmodelserve import TensorflowModelServe
from otbtf_qgis.core.parameters.parsing import parse
from otbtf_qgis.core.parameters.rastersource import RasterSource
from otbtf_qgis.core.rasters.rasterstack import Stack

PLACE = (500000.0, 10.0, 0.0, 4800000.0, 0.0, -10.0)


def wkt(code: int) -> str:
    system = osr.SpatialReference()
    system.ImportFromEPSG(code)
    return str(system.ExportToWkt())


def points(path: Path, code: int = 32631) -> str:
    """Four points in the middle of pixels of a raster of 40 x 30 pixels at `PLACE`, all of class 1."""
    dataset = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    system = osr.SpatialReference()
    system.ImportFromEPSG(code)
    layer = dataset.CreateLayer("points", system, ogr.wkbPoint)
    layer.CreateField(ogr.FieldDefn("class", ogr.OFTInteger))
    for column, row in ((5, 5), (10, 7), (20, 20), (33, 12)):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature["class"] = 1
        feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT ({500005 + 10 * column} {4799995 - 10 * row})"))
        layer.CreateFeature(feature)
    return str(path)


def values_of(path: str) -> list[list[float]]:
    dataset = ogr.Open(path)
    layer = dataset.GetLayer(0)
    names = [field.GetName() for field in layer.schema if field.GetName().startswith("value_")]
    return [[feature[name] for name in names] for feature in layer]


def extracted(folder: Path, image: Any, code: int = 32631, log: Log | None = None) -> list[list[float]]:
    vec, out = folder / f"{code}.gpkg", folder / "samples.gpkg"
    if not vec.exists():
        points(vec, code)
    core.run("SampleExtraction", {"in": image, "vec": vec, "out": out}, log or Log())
    return values_of(str(out))


def test_the_assigned_crs_places_the_raster_and_the_log_says_so(tmp_path: Path) -> None:
    pixels = texture(30, 40, 2, dtype="uint16")
    image = write_at(tmp_path / "image.tif", pixels, epsg=32633)
    truth = [[float(v) for v in pixels[row, column]] for column, row in ((5, 5), (10, 7), (20, 20), (33, 12))]
    with pytest.raises(OtbtfError):
        extracted(tmp_path, image)
    log = Log()
    assert extracted(tmp_path, RasterSource(image, crs="EPSG:32631"), log=log) == truth
    assert "assigned to it, EPSG:32631" in log.text
    assert extracted(tmp_path, {"path": image, "crs": wkt(32631)}) == truth
    assert Stack([RasterSource(image, crs="EPSG:32631")]).reference.describe() == "EPSG:32631"


def test_a_description_without_more_than_a_path_is_that_path(tmp_path: Path) -> None:
    pixels = texture(30, 40, 1, dtype="uint16")
    image = write_at(tmp_path / "image.tif", pixels)
    expected = extracted(tmp_path, image)
    for source in (tmp_path / "image.tif", {"path": image}, RasterSource(image), {"path": tmp_path / "image.tif"}):
        assert extracted(tmp_path, source) == expected


def test_open_options_reach_the_driver(tmp_path: Path) -> None:
    pixels = texture(30, 40, 1, dtype="uint16")
    image = write_at(tmp_path / "image.tif", pixels)
    (tmp_path / "image.tfw").write_text("10\n0\n0\n-10\n500105\n4799995\n")  # ten pixels further east
    expected = extracted(tmp_path, image)
    moved = [[float(pixels[row, column - 10, 0])] for column, row in ((10, 7), (20, 20), (33, 12))]
    option = "GEOREF_SOURCES=WORLDFILE"
    for source in (
        f"{image}|option:{option}",
        RasterSource(image, crs="EPSG:32631", open_options=(option,)),
        {"path": image, "crs": "EPSG:32631", "open_options": [option]},
    ):
        found = extracted(tmp_path, source)
        assert found == moved
        assert found != expected
    with pytest.raises(RasterError, match="NO_SUCH=1.*Remove the option"):
        extracted(tmp_path, f"{image}|option:NO_SUCH=1")


def test_a_file_whose_name_looks_like_a_source_with_options_is_that_file(tmp_path: Path) -> None:
    pixels = texture(30, 40, 1, dtype="uint16")
    image = write_at(tmp_path / "a.tif|option:B=1", pixels)
    assert len(extracted(tmp_path, image)) == 4


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"path": "a.tif", "crss": ""}, "crss"),
        ({"crs": "EPSG:4326"}, "without its path"),
        ({"path": 3}, "path"),
        ({"path": ""}, "path"),
        ({"path": "a.tif", "crs": 4326}, "crs"),
        ({"path": "a.tif", "nodata": 0}, "nodata"),
        ({"path": "a.tif", "nodata": [0]}, "nodata"),
        ({"path": "a.tif", "nodata": [[0, 1]]}, "nodata"),
        ({"path": "a.tif", "nodata": [[[3, 1]]]}, "not larger"),
        ({"path": "a.tif", "nodata": [[[True, 1]]]}, "two numbers"),
        ({"path": "a.tif", "nodata": [[["0", "1"]]]}, "two numbers"),
        ({"path": "a.tif", "nodata": [[[0, float("nan")]]]}, "not larger"),
        ({"path": "a.tif", "use_source_nodata": 1}, "use_source_nodata"),
        ({"path": "a.tif", "use_source_nodata": [1]}, "use_source_nodata"),
        ({"path": "a.tif", "open_options": "A=1"}, "open_options"),
        ({"path": "a.tif", "open_options": ["A"]}, "KEY=VALUE"),
    ],
)
def test_what_describes_no_raster_is_refused_under_its_key(given: dict[str, Any], said: str, tmp_path: Path) -> None:
    vec = points(tmp_path / "points.gpkg")
    with pytest.raises(RasterError, match=f"^IN: .*{said}"):
        core.run("SampleExtraction", {"in": given, "vec": vec, "out": str(tmp_path / "out.gpkg")}, Log())
    with pytest.raises(RasterError, match=f"^SOURCE1_IL: .*{said}"):
        core.run("TensorflowModelServe", {"source1.il": [given], "model.dir": "m", "out": "out.tif"}, Log())


@pytest.mark.parametrize("more", [{"nodata": [[[0, 0]]]}, {"use_source_nodata": [True, True, False]}])
def test_what_is_said_of_other_bands_than_the_raster_has_is_refused(more: dict[str, Any], tmp_path: Path) -> None:
    image = write_at(tmp_path / "image.tif", texture(30, 40, 2))
    with pytest.raises(RasterError, match="image.tif has . items, but the raster has 2 bands"):
        extracted(tmp_path, {"path": image, **more})


def test_a_crs_that_is_not_understood_is_refused(tmp_path: Path) -> None:
    image = write_at(tmp_path / "image.tif", texture(30, 40, 2))
    with pytest.raises(RasterError, match="EPSG:123456789"):
        extracted(tmp_path, {"path": image, "crs": "EPSG:123456789"})


def test_an_output_is_not_written_over_the_raster_that_is_described(tmp_path: Path) -> None:
    image = write_at(tmp_path / "image.tif", texture(30, 40, 1))
    before = Path(image).read_bytes()
    source = {"path": image, "crs": "EPSG:32631"}
    vec = points(tmp_path / "points.gpkg")
    patch = {"source1.il": [source], "source1.patchsizex": 3, "source1.patchsizey": 3}
    for name, values in (
        ("PolygonClassStatistics", {"in": source, "vec": vec, "field": "class", "out": image}),
        ("PatchesExtraction", {**patch, "vec": vec, "field": "class", "source1.out": image}),
    ):
        with pytest.raises(ParameterError, match="input"):
            core.run(name, values, Log())
    assert Path(image).read_bytes() == before


def test_a_request_is_parsed_as_it_stands() -> None:
    given = {"path": "a.tif", "nodata": [[[0, 0]]]}
    values = {"source1.il": [given, "b.tif"], "model.dir": "m", "out": "o.tif"}
    assert parse(TensorflowModelServe, json.loads(json.dumps(values))).sources[0].il == (given, "b.tif")
    assert parse(TensorflowModelServe, {**values, "source1.il": given}).sources[0].il == (given,)


def test_it_is_never_read_through_a_virtual_raster(tmp_path: Path) -> None:
    image = write_at(tmp_path / "image.tif", texture(30, 40, 2))
    stack = Stack([RasterSource(image, crs="EPSG:32631", nodata=[[[0, 0]], []])])
    assert [dataset.GetDriver().ShortName for dataset in stack.datasets] == ["GTiff"]
    assert stack.names == (image,)
    np.testing.assert_array_equal(stack.read(stack.grid.box), read(image))


def test_an_array_is_placed_like_a_raster_with_an_assigned_crs(tmp_path: Path) -> None:
    image = write_at(tmp_path / "image.tif", texture(30, 40, 1), epsg=32633)
    other = core.ArrayRaster.like(RasterSource(image, crs="EPSG:32631"), np.zeros((30, 40)))
    assert Stack([other.open()]).reference.describe() == "EPSG:32631"
    assert core.ArrayRaster.like(Path(image), np.zeros((30, 40))).geotransform == gdal.Open(image).GetGeoTransform()
