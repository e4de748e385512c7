"""Reading point layers, and writing vector outputs."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, ogr, osr
from points import read_points, write_points
from serving import Log, hidden

import otbtf_qgis
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import OtbtfError, VectorError
from otbtf_qgis.core.rasters.rasterreference import Reference
from otbtf_qgis.core.vectors.transformation import Transformation
from otbtf_qgis.core.vectors.vectorlayer import INTEGER, REAL, TEXT, Field, VectorLayer
from otbtf_qgis.core.vectors.vectoroutput import (
    NO_GEOMETRY,
    OutputVector,
    check_vector_output,
    vector_staging,
)

NOWHERE = Reference("", False)
FIELDS = (Field("class", INTEGER), Field("share", REAL), Field("name", TEXT))


def reference(epsg: int = 32654) -> Reference:
    system = osr.SpatialReference()
    system.ImportFromEPSG(epsg)
    return Reference(system.ExportToWkt(), True)


def save(path: Path, count: int, progress: Progress | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Write `count` points in two parts; class i % 5, every fourth null."""
    random = np.random.default_rng(count)
    x, y = 3e5 + random.random(count) * 1e4, 4e6 + random.random(count) * 1e4
    number = np.arange(count)
    columns = [
        np.ma.MaskedArray(number % 5, number % 4 == 3),
        number / 8,
        np.array([f"é{n}" for n in number], object),
    ]
    progress = progress or Progress()
    with vector_staging(str(path), progress) as place, OutputVector(place, FIELDS, reference(), progress) as out:
        for part in (slice(0, count // 2), slice(count // 2, count)):
            out.write([column[part] for column in columns], x[part], y[part])
        out.close()
        place.commit()
    return x, y


def chunks(layer: VectorLayer, *names: str, chunk: int = 65536) -> list:
    return list(layer.read_points([layer.field(name) for name in names], Progress(), chunk))


@pytest.mark.parametrize("name", ["a.gpkg", "a.shp", "a.geojson", "a.fgb", "a.sqlite", "a.gml"])
def test_what_is_written_is_read(tmp_path: Path, name: str) -> None:
    x, y = save(tmp_path / name, 1000)
    layer = VectorLayer(str(tmp_path / name))
    assert (layer.name, layer.geometry, layer.count) == ("a", "point", 1000)
    assert layer.reference.same_as(reference())
    parts = chunks(layer, "class", "share", "name", chunk=300)
    order = np.argsort(np.concatenate([part.columns[1] for part in parts]))  # FlatGeobuf sorts by place
    assert np.allclose(np.concatenate([part.x for part in parts])[order], x, atol=1e-6)
    assert np.allclose(np.concatenate([part.y for part in parts])[order], y, atol=1e-6)
    classes = np.ma.concatenate([part.columns[0] for part in parts])[order]
    number = np.arange(1000)
    assert np.ma.getmaskarray(classes).tolist() == (number % 4 == 3).tolist()
    assert (classes == number % 5).all()
    assert np.concatenate([part.columns[2] for part in parts])[order].tolist() == [f"é{n}" for n in number]


def answer(dataset: gdal.Dataset, query: str) -> Any:
    rows = dataset.ExecuteSQL(query)
    value = rows.GetNextFeature().GetField(0)
    dataset.ReleaseResultSet(rows)
    return value


@pytest.mark.parametrize("count", [0, 1, 51, 52, 2601, 2602, 30000])
def test_the_index_of_a_geopackage_is_sound(tmp_path: Path, count: int) -> None:
    x, y = save(tmp_path / "a.gpkg", count)
    dataset = gdal.OpenEx(str(tmp_path / "a.gpkg"), gdal.OF_VECTOR | gdal.OF_UPDATE)
    # By GDAL's SQLite: once TensorFlow is loaded, Python's may be that inside it, which has no R-trees.
    assert answer(dataset, "SELECT rtreecheck('rtree_a_geom')") == "ok"
    assert answer(dataset, "SELECT count(*) FROM rtree_a_geom") == count
    assert answer(dataset, "SELECT feature_count FROM gpkg_ogr_contents") == count
    layer = dataset.GetLayer(0)
    layer.SetSpatialFilterRect(303000, 4002000, 304000, 4005000)
    inside = (x >= 303000) & (x <= 304000) & (y >= 4002000) & (y <= 4005000)
    assert layer.GetFeatureCount() == inside.sum()
    layer.SetSpatialFilter(None)
    feature = ogr.Feature(layer.GetLayerDefn())  # and OGR goes on where we stopped
    feature.SetGeometry(ogr.CreateGeometryFromWkt("POINT(1 2)"))
    assert layer.CreateFeature(feature) == 0
    layer.SetSpatialFilterRect(0, 0, 5, 5)
    assert layer.GetFeatureCount() == 1


def test_long_field_names_are_shortened_with_a_word(tmp_path: Path) -> None:
    log = Log()
    fields = [Field("a_rather_long_name", INTEGER), Field("a_rather_long_one", INTEGER)]
    with vector_staging(str(tmp_path / "a.shp"), log) as place, OutputVector(place, fields, reference(), log) as out:
        out.write([np.array([1]), np.array([2])], np.array([3e5]), np.array([4e6]))
        out.close()
        place.commit()
    assert len(set(out.names)) == 2
    assert "a_rather_long_name as " in log.warnings[0]
    assert (tmp_path / "a.qix").exists()


def test_a_table_has_no_geometry(tmp_path: Path) -> None:
    path = str(tmp_path / "t.gpkg")
    log = Log()
    with vector_staging(path, log) as place, OutputVector(place, FIELDS[:1], NOWHERE, log, geometry=NO_GEOMETRY) as out:
        out.write([np.arange(3)])
        out.close()
        place.commit()
    layer = VectorLayer(path)
    assert (layer.geometry, layer.count) == ("none", 3)
    with pytest.raises(VectorError, match="points are needed"):
        chunks(layer, "class")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("memory:a", "must be a file"),
        ("postgres://a", "must be a file"),
        ("a.gpkg|layername=b", "must be a file"),
        ("a", "extension names no format"),
        ("a.xyz", "writes no vector format"),
        ("missing/a.gpkg", "does not exist"),
    ],
)
def test_an_output_that_is_no_file_is_refused(tmp_path: Path, name: str, message: str) -> None:
    path = name if ":" in name else str(tmp_path / name)
    with pytest.raises(OtbtfError, match=message):
        check_vector_output(path)


@pytest.mark.parametrize("name", ["a.ods", "a.gpx", "a.dxf"])
def test_a_format_that_cannot_hold_the_layer_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(VectorError, match=r"GeoPackage \(.gpkg\) holds any layer"):
        save(tmp_path / name, 3)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.gpkg", "a.geojson"])
def test_a_full_disk_is_not_cured_by_a_geopackage(tmp_path: Path, name: str) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # Python ignores the signal, so that writing fails
    try:
        with pytest.raises(VectorError, match="Free some space") as caught:
            save(tmp_path / name, 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert "holds any layer" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_locked_output_is_told_and_left(tmp_path: Path) -> None:
    save(tmp_path / "a.gpkg", 3)
    before = (tmp_path / "a.gpkg").read_bytes()
    database = sqlite3.connect(tmp_path / "a.gpkg", isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    with pytest.raises(VectorError, match="locked by another program"):
        save(tmp_path / "a.gpkg", 5)
    database.execute("ROLLBACK")
    database.close()
    assert (tmp_path / "a.gpkg").read_bytes() == before
    save(tmp_path / "a.gpkg", 5)
    assert VectorLayer(str(tmp_path / "a.gpkg")).count == 5


def test_an_error_leaves_the_older_output_and_nothing_else(tmp_path: Path) -> None:
    save(tmp_path / "a.gpkg", 3)
    path, log = str(tmp_path / "a.gpkg"), Log()
    with (
        pytest.raises(ZeroDivisionError),
        vector_staging(path, log) as place,
        OutputVector(place, FIELDS[:1], reference(), log) as out,
    ):
        out.write([np.arange(2)], np.zeros(2), np.zeros(2))
        raise ZeroDivisionError
    assert hidden(tmp_path) == []
    assert VectorLayer(str(tmp_path / "a.gpkg")).count == 3


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson"])
def test_odd_features_are_passed_over_or_told(tmp_path: Path, suffix: str) -> None:
    places = [(1.0, 2.0), (3.0, 4.0), None, "POINT EMPTY", "MULTIPOINT((5 6))", "POINT Z(7 8 9)"]
    layer = VectorLayer(write_points(tmp_path / f"a{suffix}", places, n=[1, None, 3, 4, 5, 6]))
    parts = chunks(layer, "n", chunk=2)
    assert np.concatenate([part.x for part in parts]).tolist() == [1, 3, 5, 7]
    assert sum(part.without for part in parts) == 2
    assert np.ma.concatenate([part.columns[0] for part in parts]).tolist() == [1, None, 5, 6]
    layer = VectorLayer(write_points(tmp_path / f"b{suffix}", [(1.0, 2.0), "LINESTRING(0 0, 1 1)"], n=[1, 2]))
    with pytest.raises(VectorError, match="Feature .* is a LINESTRING.*SampleSelection"):
        chunks(layer, "n")
    layer = VectorLayer(write_points(tmp_path / f"c{suffix}", ["MULTIPOINT((5 6), (7 8))"], n=[1]))
    with pytest.raises(VectorError, match="has 2 points.*Multipart"):
        chunks(layer, "n")


def test_the_feature_id_is_a_field(tmp_path: Path) -> None:
    save(tmp_path / "a.gpkg", 3)
    layer = VectorLayer(str(tmp_path / "a.gpkg"))
    (part,) = chunks(layer, "fid")
    assert part.columns[0].tolist() == part.fids.tolist() == [1, 2, 3]


def test_an_unknown_field_or_layer_is_told_with_a_hint(tmp_path: Path) -> None:
    save(tmp_path / "a.gpkg", 3)
    layer = VectorLayer(str(tmp_path / "a.gpkg"))
    assert layer.field("CLASS").name == "class"
    with pytest.raises(VectorError, match="no field 'clas'. Did you mean class?"):
        layer.field("clas")
    with pytest.raises(VectorError, match="no layer 'b'. Its layers are: a"):
        VectorLayer(f"{tmp_path}/a.gpkg|layername=b")
    with pytest.raises(VectorError, match="Cannot open the layer"):
        VectorLayer(str(tmp_path / "none.gpkg"))


def test_x_comes_first_whatever_the_authority_says() -> None:
    way = Transformation(reference(4326), reference(32654))
    x, y = way.points(np.array([141.0, 141.0]), np.array([0.0, 36.0]))
    assert np.allclose(x, 500000) and y[0] == pytest.approx(0) and y[1] == pytest.approx(3983948, abs=1)
    assert Transformation(reference(), reference()).transform is None
    assert not np.isfinite(
        Transformation(reference(4326), reference(3857)).points(np.array([0.0]), np.array([95.0]))[1]
    )


def test_reading_points_needs_no_order_of_gdal_exceptions(tmp_path: Path) -> None:
    save(tmp_path / "a.gpkg", 30)
    before = gdal.GetUseExceptions()
    results = []
    try:
        for switch in (gdal.UseExceptions, gdal.DontUseExceptions):
            switch()
            results.append(read_points(tmp_path / "a.gpkg", "share").tolist())
            with pytest.raises(VectorError):
                VectorLayer(str(tmp_path / "none.gpkg"))
            assert len(chunks(VectorLayer(str(tmp_path / "a.gpkg")), "class")[0]) == 30
    finally:
        gdal.UseExceptions() if before else gdal.DontUseExceptions()
    assert results[0] == results[1]


def test_a_geopackage_is_written_where_tensorflow_was_imported_first(tmp_path: Path) -> None:
    """As scripts of OTBTF do: TensorFlow's own SQLite then serves GDAL, and has no R-trees."""
    pytest.importorskip("tensorflow")
    code = (
        "import sys, tensorflow\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from polygon_scene import box, layer, raster\n"
        "import pathlib, numpy\n"
        "from osgeo import ogr\n"
        "from otbtf_qgis import core\n"
        "folder = pathlib.Path(sys.argv[2])\n"
        "image = raster(folder / 'i.tif', numpy.arange(48).reshape(4, 12))\n"
        "shapes = layer(folder / 'v.shp', [(1, box(0, 0, 3, 4)), (2, box(4, 0, 6, 4))], driver='ESRI Shapefile')\n"
        "values = {'in': image, 'vec': shapes, 'field': 'class', 'strategy': 'all', 'out': str(folder / 's.gpkg')}\n"
        "core.run('SampleSelection', values)\n"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parents[1] / "support"), str(tmp_path)]
    variables = {**os.environ, "PYTHONPATH": str(Path(otbtf_qgis.__file__).absolute().parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=variables, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = ogr.Open(str(tmp_path / "s.gpkg"))
    assert sorted(feature["class"] for feature in made.GetLayer(0)) == [1] * 12 + [2] * 8
