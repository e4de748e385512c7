"""The objects that geometries stand for, against areas and numbers known by hand."""

from __future__ import annotations

import pytest
from osgeo import ogr

from otbtf_qgis.core.vectors.objectshapes import objects_in, polygons_in, repaired

SQUARE = "POLYGON ((0 0, 2 0, 2 2, 0 2, 0 0))"
OTHER = "POLYGON ((5 0, 6 0, 6 1, 5 1, 5 0))"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("POINT (1 2)", 1),
        ("POINT EMPTY", 0),
        ("MULTIPOINT (1 2, 3 4)", 2),
        ("GEOMETRYCOLLECTION (POINT (1 2), MULTIPOINT (3 4, 5 6))", 3),
        (f"GEOMETRYCOLLECTION ({SQUARE}, {OTHER})", 1),
        ("MULTIPOLYGON EMPTY", 0),
        ("LINESTRING (0 0, 1 1)", 1),
    ],
)
def test_points_are_objects_by_themselves(text: str, count: int) -> None:
    assert len(objects_in(ogr.CreateGeometryFromWkt(text))) == count
    assert objects_in(None) == []


@pytest.mark.parametrize(
    ("text", "area", "kind"),
    [
        (SQUARE, 4, ogr.wkbPolygon),
        ("POLYGON Z ((0 0 7, 2 0 7, 2 2 7, 0 2 7, 0 0 7))", 4, ogr.wkbPolygon),
        (f"GEOMETRYCOLLECTION (POINT (9 9), {SQUARE})", 4, ogr.wkbPolygon),
        (f"GEOMETRYCOLLECTION ({SQUARE}, MULTIPOLYGON (((5 0, 6 0, 6 1, 5 1, 5 0))))", 5, ogr.wkbMultiPolygon),
        ("CURVEPOLYGON (CIRCULARSTRING (0 1, 1 2, 2 1, 1 0, 0 1))", 3.1416, ogr.wkbPolygon),
        ("POLYGON ((0 0, 4 0, 4 4, 0 4, 0 0), (1 1, 2 1, 2 2, 1 2, 1 1))", 15, ogr.wkbPolygon),
    ],
)
def test_polygons_without_curves_and_heights(text: str, area: float, kind: int) -> None:
    found = polygons_in(ogr.CreateGeometryFromWkt(text))
    assert (found.GetArea(), found.GetGeometryType()) == (pytest.approx(area, rel=1e-2), kind)


def test_crossing_borders_are_repaired() -> None:
    hourglass = ogr.CreateGeometryFromWkt("POLYGON ((0 0, 2 2, 2 0, 0 2, 0 0))")
    found = repaired(hourglass)
    assert found.IsValid() and found.GetArea() == pytest.approx(2)
    square = ogr.CreateGeometryFromWkt(SQUARE)
    assert repaired(square) is square
    line = ogr.CreateGeometryFromWkt("POLYGON ((0 0, 2 2, 0 0, 0 0))")
    assert repaired(line) is line  # it encloses nothing
