"""PolygonClassStatistics and DensePolygonClassStatistics: what is counted, and what is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from osgeo import ogr
from polygon_scene import Log, box, layer, raster, run, samples, statistics, utm

from otbtf_qgis.core.errors import OtbtfError

STATISTICS = ("PolygonClassStatistics", "DensePolygonClassStatistics")


@pytest.fixture
def image(tmp_path: Path) -> str:
    """30 x 20 pixels of two bands: the column and the row."""
    rows, columns = np.mgrid[:20, :30]
    return raster(tmp_path / "image.tif", [columns, rows])


@pytest.fixture
def fields(tmp_path: Path) -> str:
    """Two overlapping fields of 5 x 4 pixels, and one of another class."""
    return layer(tmp_path / "fields.gpkg", [(1, box(0, 0, 5, 4)), (2, box(3, 0, 8, 4)), (1, box(10, 10, 12, 12))])


def test_overlaps_count_for_each_or_for_the_last(tmp_path: Path, image: str, fields: str) -> None:
    out = tmp_path / "out.xml"
    found = run("PolygonClassStatistics", {"in": image, "vec": fields, "out": out.as_posix()})
    assert statistics(out) == ({"1": 24, "2": 20}, {"1": 20, "2": 20, "3": 4})
    assert (found["classes"], found["samples"]) == (2, 44)
    run("DensePolygonClassStatistics", {"in": image, "vec": fields, "out": out.as_posix()})
    assert statistics(out) == ({"1": 16, "2": 20}, {"0": 12, "1": 20, "2": 4})


def test_what_is_covered_is_not_in_the_dense_statistics(tmp_path: Path, image: str) -> None:
    vec = layer(tmp_path / "v.gpkg", [(1, box(2, 2, 4, 4)), (2, box(0, 0, 8, 8))])
    run("DensePolygonClassStatistics", {"in": image, "vec": vec, "out": str(tmp_path / "out.xml")})
    assert statistics(tmp_path / "out.xml") == ({"2": 64}, {"1": 64})


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("ending", ["csv", "gpkg"])
def test_a_table_holds_the_same_numbers(tmp_path: Path, image: str, fields: str, name: str, ending: str) -> None:
    out, table = tmp_path / "out.xml", tmp_path / f"table.{ending}"
    run(name, {"in": image, "vec": fields, "out": str(out), "outtable": str(table)})
    dataset = ogr.Open(str(table))
    rows = [(f["statistic"], f["key"], f["class"], int(f["samples"])) for f in dataset.GetLayer(0)]
    per_class, per_vector = statistics(out)
    assert {row[1]: row[3] for row in rows if row[0] == "samplesPerClass"} == per_class
    assert {row[1]: row[3] for row in rows if row[0] == "samplesPerVector"} == per_vector
    assert [row[2] for row in rows if row[0] == "samplesPerVector"] == ["1", "2", "1"]


@pytest.mark.parametrize("name", STATISTICS)
def test_features_without_class_or_place_are_told_and_left_out(tmp_path: Path, image: str, name: str) -> None:
    features = [("wheat & rye", box(0, 0, 5, 4)), (None, box(0, 0, 2, 2)), ("", box(0, 0, 2, 2)), ("hay", None)]
    vec = layer(tmp_path / "v.gpkg", [*features, ("hay", box(90, 90, 95, 95))], ogr.OFTString)
    log, out = Log(), tmp_path / "out.xml"
    run(name, {"in": image, "vec": vec, "out": str(out)}, log)
    assert statistics(out)[0] == {"wheat &amp; rye": 20}
    assert log.warnings == ["Features left out: 2 without a class, 1 without a geometry, 1 outside the image."]


def holed(tmp_path: Path, nodata: float | None) -> str:
    """An image whose columns 0 and 1 are -1 in the first band and, in the upper half, in the second too."""
    rows, columns = np.mgrid[:20, :30]
    first = np.where(columns < 2, -1, columns)
    second = np.where((columns < 2) & (rows < 2), -1, rows)
    return raster(tmp_path / "holed.tif", [first, second], nodata)


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize(
    ("own", "more", "expected"),
    [
        (-1, {}, 16),
        (-1, {"nodata_from_layer": "off"}, 20),
        (None, {}, 20),
        (None, {"nodata": "-1"}, 16),
        (-1, {"nodata": "3"}, 19),
    ],
)
def test_pixels_without_data_do_not_count(
    tmp_path: Path, name: str, own: float | None, more: dict[str, str], expected: int
) -> None:
    vec = layer(tmp_path / "v.gpkg", [(1, box(0, 0, 5, 4))])
    run(name, {"in": holed(tmp_path, own), "vec": vec, "out": str(tmp_path / "out.xml"), **more})
    assert statistics(tmp_path / "out.xml")[0] == {"1": expected}


@pytest.mark.parametrize("name", [*STATISTICS, "SampleSelection"])
def test_layers_are_reprojected(tmp_path: Path, image: str, name: str) -> None:
    features = [(1, box(0, 0, 5, 4)), (2, box(10, 10, 13.2, 12))]
    out = tmp_path / ("out.gpkg" if name == "SampleSelection" else "out.xml")
    found = {}
    for epsg in (32631, 4326):
        vec = layer(tmp_path / f"v{epsg}.gpkg", features, epsg=epsg)
        run(name, {"in": image, "vec": vec, "out": str(out)})
        found[epsg] = samples(out) if name == "SampleSelection" else statistics(out)
    assert found[4326] == found[32631]


@pytest.mark.parametrize("name", STATISTICS)
def test_a_layer_is_named_by_its_number(tmp_path: Path, image: str, fields: str, name: str) -> None:
    with_two = Path(fields)
    dataset = ogr.Open(fields, 1)
    second = dataset.CreateLayer("second", utm(), ogr.wkbPolygon)
    second.CreateField(ogr.FieldDefn("class", ogr.OFTInteger))
    feature = ogr.Feature(second.GetLayerDefn())
    feature["class"] = 9
    feature.SetGeometry(ogr.CreateGeometryFromWkt(box(0, 0, 2, 2)))
    second.CreateFeature(feature)
    feature = second = dataset = None
    out = tmp_path / "out.xml"
    for given in ({"vec": str(with_two), "layer": "1"}, {"vec": f"{with_two}|layername=second"}):
        run(name, {"in": image, "out": str(out), **given})
        assert statistics(out)[0] == {"9": 4}
    with pytest.raises(OtbtfError, match="LAYER is 2, but .* 2 layers"):
        run(name, {"in": image, "out": str(out), "vec": str(with_two), "layer": 2})
