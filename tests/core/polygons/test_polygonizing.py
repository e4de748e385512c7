"""Polygons strip by strip: those that GDAL makes of the whole map, whatever the strips."""

from __future__ import annotations

from typing import Any

import gdal_polygons
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from osgeo import ogr

from otbtf_qgis.core.polygons import polygonizing
from otbtf_qgis.core.polygons.borders import lines_of
from otbtf_qgis.core.polygons.components import components_of
from otbtf_qgis.core.polygons.polygonizing import Polygon, Strip, polygons_of
from otbtf_qgis.core.polygons.rings import rings_of
from otbtf_qgis.core.polygons.wkb import polygon_wkb

PIXELS = (0, 1, 0, 0, 0, 1)


def polygonized(codes: np.ndarray, rows: int, values: np.ndarray | None = None) -> list[Polygon]:
    strips = [
        Strip(codes[top : top + rows], None if values is None else values[top : top + rows])
        for top in range(0, len(codes), rows)
    ]
    return [polygon for done in polygons_of(strips, codes.shape[1], lambda arcs: None) for polygon in done]


def outlines(polygons: list[Polygon]) -> list[tuple[int, Any]]:
    return [
        (polygon.code, ogr.CreateGeometryFromWkb(polygon_wkb(rings_of(polygon.sides), PIXELS))) for polygon in polygons
    ]


@st.composite
def maps(draw: st.DrawFn) -> np.ndarray:
    rows, columns, classes = draw(st.integers(1, 12)), draw(st.integers(1, 12)), draw(st.integers(1, 3))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    return random.integers(-1, classes, (rows, columns)).astype("int32")


@settings(max_examples=40, deadline=None)
@given(codes=maps(), rows=st.integers(1, 13))
def test_equals_gdals_polygonize_of_the_whole(codes: np.ndarray, rows: int) -> None:
    gdal_polygons.assert_same(outlines(polygonized(codes, rows)), gdal_polygons.polygonized(codes))


@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_a_spiral_is_one_polygon(rows: int) -> None:
    """Its arms meet again only rows later: several components of a strip are one polygon."""
    codes = np.array(
        [
            [0, 0, 0, 0, 0, 0, 0],
            [0, 1, 1, 1, 1, 1, 0],
            [0, 1, 0, 0, 0, 1, 0],
            [0, 1, 0, 1, 0, 1, 0],
            [0, 1, 0, 1, 1, 1, 0],
            [0, 1, 0, 0, 0, 0, 0],
            [0, 1, 1, 1, 1, 1, 1],
        ],
        "int32",
    )
    polygons = polygonized(codes, rows)
    assert sorted((polygon.code, polygon.pixels) for polygon in polygons) == [(0, 28), (1, 21)]


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_a_hole_and_an_island_in_it(rows: int) -> None:
    codes = np.zeros((5, 5), "int32")
    codes[1:4, 1:4], codes[2, 2] = 1, 0
    found = {(polygon.pixels, len(rings_of(polygon.sides))) for polygon in polygonized(codes, rows)}
    assert found == {(16, 2), (8, 2), (1, 1)}


def test_where_a_polygon_touches_itself_it_has_a_hole() -> None:
    """A ring that touched itself would be invalid: the hole touches the outer ring in one point."""
    codes = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 1]], "int32")
    ((_, outline),) = [item for item in outlines(polygonized(codes, 1)) if item[0] == 0]
    assert outline.IsValid()
    assert outline.GetGeometryCount() == 2
    assert outline.Area() == 7


def test_neighbours_share_the_vertices_of_their_border() -> None:
    """Three polygons meet at (1, 1): the one that passes straight through has a vertex there too."""
    polygons = outlines(polygonized(np.array([[0, 1], [2, 2]], "int32"), 2))
    points = {code: set(outline.GetGeometryRef(0).GetPoints()) for code, outline in polygons}
    assert all((1.0, 1.0) in corners for corners in points.values())


@pytest.mark.parametrize("rows", [1, 2, 4])
def test_values_are_summed_where_there_are_any(rows: int) -> None:
    codes = np.array([[0, 1], [0, 1], [1, 1], [1, 0]], "int32")
    values = np.array([[1.0, 2.0], [np.nan, 3.0], [4.0, 5.0], [6.0, np.nan]])
    found = sorted((polygon.pixels, polygon.sums) for polygon in polygonized(codes, rows, values))
    assert found == [(1, (0.0, 0.0)), (2, (1.0, 1.0)), (5, (20.0, 5.0))]


def test_a_finished_polygon_is_handed_on_at_once() -> None:
    codes = np.repeat(np.arange(6, dtype="int32")[:, None], 3, axis=1)
    done = [len(polygons) for polygons in polygons_of([Strip(row[None]) for row in codes], 3, lambda arcs: None)]
    assert done == [0, 1, 1, 1, 1, 1, 1]


def test_a_strip_of_very_many_runs_is_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a whole, the polygons of noise would take many times the memory of its pixels."""
    codes = np.random.default_rng(4).integers(-1, 3, (12, 20)).astype("int32")
    values = codes.astype("float64")
    monkeypatch.setattr(polygonizing, "_MOST_RUNS", 40)  # about 15 in a row
    done = list(polygons_of([Strip(codes, values)], 20, lambda arcs: None))
    assert len(done) > 3
    polygons = [polygon for some in done for polygon in some]
    gdal_polygons.assert_same(outlines(polygons), gdal_polygons.polygonized(codes))
    assert all(polygon.sums == (polygon.code * polygon.pixels, polygon.pixels) for polygon in polygons)


def test_a_line_that_goes_on_keeps_no_other_vertices_in_memory() -> None:
    """A view of the strip's vertices would keep them all, strip after strip, until the line ends."""
    codes = np.random.default_rng(4).integers(0, 3, (8, 20)).astype("int32")
    lines = list(lines_of(codes, components_of(codes).labels, 0))
    assert any(line.end for line in lines)
    assert all(line.points.base is None for line in lines)
