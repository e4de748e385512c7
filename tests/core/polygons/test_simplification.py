"""Simplified borders: neighbours share them, whatever the strips; none crosses another."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from osgeo import ogr

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.polygons.polygonizing import Strip, polygons_of
from otbtf_qgis.core.polygons.polygonshapes import Measuring
from otbtf_qgis.core.polygons.simplification import Simplification
from otbtf_qgis.core.polygons.wkb import polygon_wkb

PIXELS = (0, 1, 0, 0, 0, 1)


def drawn(
    codes: np.ndarray, tolerance: float, rows: int = 100, transform: Any = PIXELS, squares: bool = False
) -> tuple[list[Any], tuple[int, int]]:
    """Code and outline of the polygons, and what `Simplification.decide` tells."""
    strips = [Strip(codes[top : top + rows]) for top in range(0, len(codes), rows)]
    measuring = Measuring(None, transform)
    size = codes.shape[1], codes.shape[0]
    with (
        TemporaryDirectory() as folder,
        Simplification(Path(folder), size, rows, transform, tolerance, squares, measuring) as found,
    ):
        for polygons in polygons_of(strips, codes.shape[1], found.add_arcs):
            found.add_shapes([measuring.shape(polygon) for polygon in polygons])
        told = found.decide(Progress())
        shapes = [shape for some in found.shapes(Progress()) for shape in some]
    outlines = [(shape.code, ogr.CreateGeometryFromWkb(polygon_wkb(shape.rings, transform))) for shape in shapes]
    return outlines, told


def as_set(outlines: list[Any]) -> list[tuple[int, str]]:
    return sorted((code, shape.Normalize().ExportToWkt()) for code, shape in outlines)


def assert_coverage(outlines: list[Any], area: float) -> None:
    """By GEOS: each is valid, none overlaps another, and there is no gap."""
    together = ogr.Geometry(ogr.wkbMultiPolygon)
    for _, shape in outlines:
        assert shape.IsValid(), shape.ExportToWkt()
        assert shape.Area() > 0
        together.AddGeometry(shape)
    assert sum(shape.Area() for _, shape in outlines) == pytest.approx(area, rel=1e-9)
    assert together.UnionCascaded().Area() == pytest.approx(area, rel=1e-9)


def blobs(seed: int, rows: int, columns: int, classes: int, smooth: int) -> np.ndarray:
    """Classes in patches: noise, averaged over squares of 2 smooth + 1 pixels; codes from 0."""
    noise = np.random.default_rng(seed).normal(size=(classes, rows + 2 * smooth, columns + 2 * smooth))
    total = sum(noise[:, y : y + rows, x : x + columns] for y in range(2 * smooth + 1) for x in range(2 * smooth + 1))
    return np.argmax(total, axis=0).astype("int32")


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    size=st.tuples(st.integers(2, 24), st.integers(2, 24)),
    classes=st.integers(2, 4),
    smooth=st.integers(0, 3),
    tolerance=st.sampled_from([0.5, 0.8, 1.0, 1.5, 2.5, 6.0]),
    rows=st.integers(1, 12),
    squares=st.booleans(),
)
def test_a_valid_coverage_whatever_the_strips(
    seed: int, size: tuple[int, int], classes: int, smooth: int, tolerance: float, rows: int, squares: bool
) -> None:
    codes = blobs(seed, *size, classes, smooth)
    whole, told = drawn(codes, tolerance, squares=squares)
    assert_coverage(whole, codes.size)
    strips, told_of_strips = drawn(codes, tolerance, rows, squares=squares)
    assert as_set(strips) == as_set(whole)
    assert told == told_of_strips


def test_nodata_around() -> None:
    codes = blobs(3, 40, 40, 3, 2) - 1
    whole, _ = drawn(codes, 1.5)
    assert_coverage(whole, sum(shape.Area() for _, shape in whole))
    assert as_set(drawn(codes, 1.5, 7)[0]) == as_set(whole)


def test_steps_become_a_straight_line() -> None:
    codes = np.tri(12, dtype="int32")
    outlines, told = drawn(codes, 1.0)
    assert told == (0, 0)
    assert all(shape.GetGeometryRef(0).GetPointCount() <= 6 for _, shape in outlines)


def test_no_vertex_moves_by_more_than_the_tolerance_in_map_units() -> None:
    """Pixels of 10 x 20 in a rotated map: the outlines of its pixels are near the simplified ones, and not nearer."""
    transform = (5000.0, 8.0, 12.0, 3000.0, 6.0, -16.0)
    codes = blobs(1, 40, 40, 2, 3)
    exact, simple = (drawn(codes, tolerance, transform=transform)[0] for tolerance in (1e-6, 25.0))
    before, after = ([shape.Boundary() for _, shape in outlines] for outlines in (exact, simple))
    pairs = list(zip(before, after))
    assert all(one.Difference(other.Buffer(25.001)).IsEmpty() for one, other in pairs)
    assert not all(one.Difference(other.Buffer(12)).IsEmpty() for one, other in pairs)
    assert sum(other.Length() for other in after) < 0.9 * sum(one.Length() for one in before)


def test_a_line_does_not_leap_over_an_island() -> None:
    """The lone pixel lies between the border and its chord; neither crosses it."""
    codes = np.zeros((12, 16), "int32")
    codes[:4] = 1
    codes[4:7, 4:12] = 1
    codes[5, 7] = 2
    outlines, told = drawn(codes, 3.0)
    assert told[0] > 0
    assert_coverage(outlines, codes.size)
    island = next(shape for code, shape in outlines if code == 2)
    around = max((shape for code, shape in outlines if code == 1), key=lambda shape: shape.Area())
    assert around.GetGeometryCount() == 2
    assert island.Area() == 1


def test_small_polygons_do_not_collapse() -> None:
    codes = np.indices((6, 6)).sum(axis=0).astype("int32") % 2
    outlines, _ = drawn(codes, 5.0)
    assert [shape.Area() for _, shape in outlines] == [1.0] * 36


def test_the_edge_of_the_map_stays() -> None:
    codes = np.zeros((9, 9), "int32")
    ((_, shape),) = drawn(codes, 4.4)[0]
    assert shape.Area() == 81


def test_an_empty_map() -> None:
    assert drawn(np.full((5, 5), -1, "int32"), 1.0) == ([], (0, 0))


def buildings(seed: int, count: int) -> np.ndarray:
    """Rectangles of any direction, some on others, some with a yard, in nothing."""
    random = np.random.default_rng(seed)
    y, x = np.indices((60, 60)) + 0.5
    codes = np.full((60, 60), -1, "int32")
    for _ in range(count):
        angle, centre, half = random.uniform(0, np.pi), random.uniform(5, 55, 2), random.uniform(2, 9, 2)
        along = np.cos(angle) * (x - centre[0]) + np.sin(angle) * (y - centre[1])
        across = np.cos(angle) * (y - centre[1]) - np.sin(angle) * (x - centre[0])
        inside = (np.abs(along) < half[0]) & (np.abs(across) < half[1])
        yard = (np.abs(along) < half[0] - 3) & (np.abs(across) < half[1] - 3)
        codes[inside & ~yard] = 0
    return codes


@pytest.mark.parametrize("seed", range(4))
def test_buildings_get_right_angles(seed: int) -> None:
    codes = buildings(seed, 12)
    outlines, (_, squared) = drawn(codes, 1.5, squares=True)
    assert squared >= 3
    assert_coverage(outlines, sum(shape.Area() for _, shape in outlines))
    assert sum(shape.Area() for _, shape in outlines) == pytest.approx((codes == 0).sum(), rel=0.05)
    assert as_set(drawn(codes, 1.5, 9, squares=True)[0]) == as_set(outlines)
    right = 0
    for _, shape in outlines:
        for ring in shape:
            steps = np.diff(np.array(ring.GetPoints())[:, :2], axis=0)
            steps /= np.hypot(*steps.T)[:, None]
            right += bool((np.abs((steps * np.roll(steps, 1, axis=0)).sum(axis=1)) < 5e-3).all())
    assert right >= squared


def test_a_wall_between_two_polygons_is_squared_once() -> None:
    """A building with a yard in a field: the field's hole is the outline of the building, whose hole is the yard."""
    codes = np.where(buildings(1, 1) == 0, 1, 0).astype("int32")
    outlines, told = drawn(codes, 1.5, squares=True)
    assert told == (0, 2)
    assert_coverage(outlines, codes.size)


@pytest.mark.parametrize("notch", [0, 1])
def test_an_outline_does_not_get_right_angles_over_another_polygon(notch: int) -> None:
    """The lone pixel lies in a notch, which the rectangle would cover; without it the notch goes."""
    codes = np.full((30, 40), -1, "int32")
    codes[5:25, 5:35] = 0
    codes[5:8, 18:21] = -1
    if notch:
        codes[6, 19] = 1
    outlines, told = drawn(codes, 3.5, squares=True)
    assert told == (3 * notch, 1 - notch)  # the pixel's two halves, and the notch
    assert_coverage(outlines, 600 - 8 * notch)
