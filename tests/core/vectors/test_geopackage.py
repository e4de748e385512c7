"""A GeoPackage whose rows and index are written in one go is the file that OGR writes feature by feature."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, ogr, osr

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.rasters.rasterreference import Reference
from otbtf_qgis.core.vectors.vectorlayer import INTEGER, REAL, TEXT, Field
from otbtf_qgis.core.vectors.vectoroutput import OutputVector, vector_staging

FIELDS = (Field("class", INTEGER), Field("share", REAL), Field("name", TEXT))
OGR_TYPES = (ogr.OFTInteger64, ogr.OFTReal, ogr.OFTString)
COUNTS = (0, 1, 2, 51, 52, 2601, 2602, 5000)  # a node of the index holds 51 entries
BOXES = 25


def points(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates on both sides of 0 that float32, the type of the index, does not hold; some of them twice."""
    random = np.random.default_rng(count)
    x, y = random.uniform(-7e5, 9e5, count), random.uniform(-4e6, 5e6, count)
    x[count // 2 :], y[count // 2 :] = x[: count - count // 2].copy(), y[: count - count // 2].copy()
    if count > 4:
        y[:4] += [0.0, 1e-9, 1.0, 0.0]
    return x, y


def columns(count: int) -> list[Any]:
    number = np.arange(count)
    return [
        np.ma.MaskedArray(number % 5 - 2**40, number % 4 == 3),
        np.ma.MaskedArray(number / 8, number % 7 == 2),
        np.array([f"é'\"{n}" for n in number], object),
    ]


def system() -> osr.SpatialReference:
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(32654)
    reference.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return reference


def ours(path: Path, count: int) -> None:
    x, y = points(count)
    reference, progress, parts = Reference(system().ExportToWkt(), True), Progress(), (0, count // 3, count)
    with vector_staging(str(path), progress) as place, OutputVector(place, FIELDS, reference, progress) as out:
        for start, stop in zip(parts, parts[1:]):
            part = slice(start, stop)
            out.write([column[part] for column in columns(count)], x[part], y[part])
        out.close()
        place.commit()


def ogrs(path: Path, count: int) -> None:
    dataset = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    layer = dataset.CreateLayer(path.stem, system(), ogr.wkbPoint, ["SPATIAL_INDEX=YES"])
    for field, kind in zip(FIELDS, OGR_TYPES):
        layer.CreateField(ogr.FieldDefn(field.name, kind))
    layer.StartTransaction()
    for x, y, *row in zip(*points(count), *(column.tolist() for column in columns(count))):
        feature = ogr.Feature(layer.GetLayerDefn())
        point = ogr.Geometry(ogr.wkbPoint)
        point.SetPoint_2D(0, x, y)
        feature.SetGeometry(point)
        for index, value in enumerate(row):
            feature.SetField(index, value) if value is not None else feature.SetFieldNull(index)
        assert layer.CreateFeature(feature) == 0
    layer.CommitTransaction()


@pytest.fixture(scope="module", params=COUNTS)
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, int]:
    """The file that we write, the one that OGR writes, and the number of their points."""
    folder = tmp_path_factory.mktemp("files")
    for name in ("ours", "ogrs"):
        (folder / name).mkdir()
    made = folder / "ours" / "a.gpkg", folder / "ogrs" / "a.gpkg"
    ours(made[0], request.param)
    ogrs(made[1], request.param)
    return (*made, request.param)


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    """Ask the plain tables."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


def indexed(path: Path) -> list[tuple[Any, ...]]:
    """Return the entries of the index, as GDAL's SQLite reads them: that inside TensorFlow has no R-trees."""
    dataset = gdal.OpenEx(str(path), gdal.OF_VECTOR)
    found = dataset.ExecuteSQL("SELECT id, minx, maxx, miny, maxy FROM rtree_a_geom ORDER BY id")
    entries = [] if found is None else [tuple(feature[index] for index in range(5)) for feature in found]
    dataset.ReleaseResultSet(found)
    return entries


def within(path: Path, box: tuple[float, float, float, float]) -> list[int]:
    dataset = gdal.OpenEx(str(path), gdal.OF_VECTOR)
    layer = dataset.GetLayer(0)
    layer.SetSpatialFilterRect(*box)
    return sorted(feature.GetFID() for feature in layer)  # GetFeatureCount asks the index alone, which is rounded


@pytest.mark.parametrize(
    "query",
    [
        "SELECT fid, geom, class, share, name FROM a ORDER BY rowid",
        "SELECT table_name, data_type, identifier, description, srs_id FROM gpkg_contents",
        "SELECT * FROM gpkg_geometry_columns",
        "SELECT * FROM gpkg_extensions",
        "SELECT table_name, coalesce(feature_count, 0) FROM gpkg_ogr_contents",
        "SELECT srs_id, organization, organization_coordsys_id, definition FROM gpkg_spatial_ref_sys ORDER BY srs_id",
        "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name",
    ],
)
def test_every_row_is_that_of_ogr(files: tuple[Path, Path, int], query: str) -> None:
    mine, theirs, _ = files
    assert rows(mine, query) == rows(theirs, query)


def test_the_extent_is_that_of_the_points(files: tuple[Path, Path, int]) -> None:
    mine, theirs, count = files
    (told,), (by_ogr,) = (rows(path, "SELECT min_x, max_x, min_y, max_y FROM gpkg_contents") for path in (mine, theirs))
    if not count:
        assert told == by_ogr == (None,) * 4
        return
    x, y = points(count)
    assert told == (x.min(), x.max(), y.min(), y.max())
    assert by_ogr == pytest.approx(told, rel=1e-14)  # OGR writes and reads 15 digits
    dataset = gdal.OpenEx(str(mine), gdal.OF_VECTOR)
    assert dataset.GetLayer(0).GetExtent(0) == pytest.approx(told, rel=1e-14)


def test_every_entry_of_the_index_is_that_of_ogr_or_tighter(files: tuple[Path, Path, int]) -> None:
    mine, theirs, count = files
    entries, by_ogr = (np.array(indexed(path)).reshape(-1, 5) for path in (mine, theirs))
    assert entries[:, 0].tolist() == by_ogr[:, 0].tolist() == list(range(1, count + 1))
    for low, high, values in zip((1, 3), (2, 4), points(count)):
        # SQLite moves both ends by up to two numbers of float32, and we only the one that has to move.
        assert (by_ogr[:, low] <= entries[:, low]).all() and (entries[:, low] <= values).all()
        assert (values <= entries[:, high]).all() and (entries[:, high] <= by_ogr[:, high]).all()
        assert np.allclose(entries[:, (low, high)], by_ogr[:, (low, high)], rtol=3e-7, atol=0)


def test_boxes_find_what_they_find_in_the_file_of_ogr(files: tuple[Path, Path, int]) -> None:
    mine, theirs, count = files
    x, y = points(count)
    random = np.random.default_rng(count + 1)
    ends = np.sort(random.uniform(-8e5, 1e6, (BOXES, 2))), np.sort(random.uniform(-5e6, 6e6, (BOXES, 2)))
    boxes = [(x0, y0, x1, y1) for (x0, x1), (y0, y1) in zip(*(axis.tolist() for axis in ends))]
    chosen = random.choice(count, min(count, BOXES), replace=False) if count else []
    boxes += [(float(x[n]), float(y[n]), float(x[n]), float(y[n])) for n in chosen]  # a point's own place
    for x0, y0, x1, y1 in boxes:
        inside = np.flatnonzero((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)) + 1
        assert within(mine, (x0, y0, x1, y1)) == within(theirs, (x0, y0, x1, y1)) == inside.tolist()
