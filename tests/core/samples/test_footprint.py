"""Which pixels belong to a shape, against GDAL's rasteriser and against rules written out pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from osgeo import gdal, ogr

from otbtf_qgis.core.geometry.grid import Box
from otbtf_qgis.core.samples.footprint import LINE, POINT, POLYGON, Outlines, Runs

WIDTH, HEIGHT = 12, 9
WHOLE = Box(0, 0, WIDTH, HEIGHT)
Place = tuple[float, float]


def outlines(*shapes: tuple[int, list[list[Place]]], limits: Box = WHOLE) -> Outlines:
    """Shapes of one part each, as their kind and paths."""
    paths = [np.array(path, "f8") for _, several in shapes for path in several]
    part_of_path = [number for number, (_, several) in enumerate(shapes) for _ in several]
    lengths = [len(path) for path in paths]
    return Outlines(
        np.vstack(paths),
        np.repeat(np.arange(len(paths)), lengths),
        np.repeat(part_of_path, lengths),
        np.array([kind for kind, _ in shapes]),
        np.arange(len(shapes)),
        np.array([[limits.x, limits.y, limits.right, limits.bottom]] * len(shapes)),
    )


def runs_of(found: Outlines) -> Runs:
    return found.runs(0, len(found.boxes))


def pixels(found: Outlines, shape: int = 0) -> np.ndarray:
    """Return how often each pixel belongs to a shape."""
    runs = runs_of(found)
    flat = runs[runs.shape == shape].flat(WHOLE)
    return np.bincount(flat, minlength=WIDTH * HEIGHT).reshape(HEIGHT, WIDTH)


def closed(ring: list[Place]) -> list[Place]:
    return [*ring, ring[0]]


def burned(ring: list[Place]) -> np.ndarray:
    """Return GDAL's rasterisation of a polygon in pixel coordinates."""
    raster = gdal.GetDriverByName("MEM").Create("", WIDTH, HEIGHT, 1, gdal.GDT_Byte)
    raster.SetGeoTransform((0, 1, 0, 0, 0, 1e-9 + 1))
    source = ogr.GetDriverByName("Memory").CreateDataSource("")
    layer = source.CreateLayer("v")
    feature = ogr.Feature(layer.GetLayerDefn())
    text = ",".join(f"{x!r} {y!r}" for x, y in closed(ring))
    feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POLYGON(({text}))"))
    layer.CreateFeature(feature)
    gdal.RasterizeLayer(raster, [1], layer, burn_values=[1])
    return raster.ReadAsArray()


coordinate = st.floats(-3, 14, width=32)
ring = st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=8)


def nearest_centre(vertices: list[Place]) -> float:
    """Return the least distance, along x, of an edge to a centre of a pixel, where it passes one."""
    path = np.array(closed(vertices))
    least = np.inf
    for (x1, y1), (x2, y2) in zip(path[:-1], path[1:]):
        least = min(least, *(abs(y - np.floor(y) - 0.5) for y in (y1, y2)))
        for row in np.arange(HEIGHT) + 0.5:
            if min(y1, y2) <= row <= max(y1, y2) and y1 != y2:
                x = x1 + (row - y1) / (y2 - y1) * (x2 - x1)
                least = min(least, abs(x - np.floor(x) - 0.5))
    return least


@given(ring)
def test_polygons_are_gdals_where_no_edge_meets_a_centre(vertices: list[Place]) -> None:
    assume(nearest_centre(vertices) > 1e-4)
    np.testing.assert_array_equal(pixels(outlines((POLYGON, [closed(vertices)]))), burned(vertices))


def test_a_centre_on_an_edge_is_inside_in_the_west_and_south_only() -> None:
    square = [(2.5, 3.5), (5.5, 3.5), (5.5, 6.5), (2.5, 6.5)]
    expected = np.zeros((HEIGHT, WIDTH), int)
    expected[4:7, 2:5] = 1
    for vertices in (square, square[::-1]):
        np.testing.assert_array_equal(pixels(outlines((POLYGON, [closed(vertices)]))), expected)


def test_neighbours_share_no_pixel_and_leave_none_out() -> None:
    halves = ([(1.5, 1.5), (8.5, 1.5), (8.5, 7.5)], [(1.5, 1.5), (8.5, 7.5), (1.5, 7.5)])
    whole = [(1.5, 1.5), (8.5, 1.5), (8.5, 7.5), (1.5, 7.5)]
    together = sum(pixels(outlines((POLYGON, [closed(half)]))) for half in halves)
    np.testing.assert_array_equal(together, pixels(outlines((POLYGON, [closed(whole)]))))


def test_a_hole_is_no_part() -> None:
    outer, hole = closed([(0, 0), (9, 0), (9, 9), (0, 9)]), closed([(3, 3), (6, 3), (6, 6), (3, 6)])
    expected = np.zeros((HEIGHT, WIDTH), int)
    expected[:, :9] = 1
    expected[3:6, 3:6] = 0
    np.testing.assert_array_equal(pixels(outlines((POLYGON, [outer, hole]))), expected)


quarter = st.integers(-12, 56).map(lambda value: value / 4)  # exact, often on edges and corners


@given(st.lists(st.tuples(quarter, quarter), min_size=2, max_size=5))
def test_lines_touch_the_pixels_that_meet_their_closed_squares(vertices: list[Place]) -> None:
    geometry = ogr.CreateGeometryFromWkt("LINESTRING(" + ",".join(f"{x} {y}" for x, y in vertices) + ")")
    expected = np.zeros((HEIGHT, WIDTH), int)
    for row in range(HEIGHT):
        for column in range(WIDTH):
            square = (
                f"POLYGON(({column} {row},{column + 1} {row},{column + 1} {row + 1},{column} {row + 1},{column} {row}))"
            )
            expected[row, column] = geometry.Intersects(ogr.CreateGeometryFromWkt(square))
    np.testing.assert_array_equal(pixels(outlines((LINE, [vertices]))), expected)


def test_a_line_keeps_to_its_limits() -> None:
    """Between two columns it touches both, but OTB looks only at the pixels under its bounding box."""
    path = [(4.0, 2.0), (4.0, 5.5)]
    assert pixels(outlines((LINE, [path]), limits=Box(4, 2, 1, 4))).sum() == 4
    assert pixels(outlines((LINE, [path]))).sum() == 10


def test_points_keep_their_place_and_their_order() -> None:
    places = [(3.25, 4.75), (11.0, 0.0), (3.5, 4.5), (12.0, 3.0), (-0.5, 3.0)]
    found = outlines(*((POINT, [[place]]) for place in places))
    runs = runs_of(found)
    assert runs.shape.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(found.places(runs, np.arange(3)), places[:3])


def test_an_empty_answer_is_one() -> None:
    assert len(runs_of(outlines((POLYGON, [closed([(1.1, 1.1), (1.2, 1.1), (1.2, 1.2)])])))) == 0


shapes = st.lists(
    st.one_of(
        ring.map(lambda vertices: (POLYGON, [closed(vertices)])),
        ring.map(lambda vertices: (LINE, [vertices])),
        st.tuples(coordinate, coordinate).map(lambda place: (POINT, [[place]])),
    ),
    min_size=1,
    max_size=6,
)


@given(shapes)
def test_shapes_do_not_disturb_each_other(several: list[tuple[int, list[list[Place]]]]) -> None:
    found = outlines(*several)
    for number, shape in enumerate(several):
        np.testing.assert_array_equal(pixels(found, number), pixels(outlines(shape)))
    assert np.all(np.diff(runs_of(found).shape) >= 0)


@given(shapes, st.integers(1, 40))
def test_slices_and_pieces_hold_all(several: list[tuple[int, list[list[Place]]]], most: int) -> None:
    found = outlines(*several)
    ranges = list(found.slices(most))
    assert [first for first, _ in ranges] == [0, *(behind for _, behind in ranges[:-1])]
    assert ranges[-1][1] == len(several)
    sliced = [found.runs(first, behind) for first, behind in ranges]
    np.testing.assert_array_equal(np.concatenate([runs.row for runs in sliced]), runs_of(found).row)
    pieces = list(runs_of(found).pieces(found.boxes, most))
    assert sum(piece.lengths.sum() for piece in pieces) == runs_of(found).lengths.sum()
    assert all(piece.box.area <= max(most, WIDTH) or piece.box.height == 1 for piece in pieces)
    for number in range(len(several)):  # in order
        rows = np.concatenate([piece.row[piece.shape == number] for piece in pieces] or [[]])
        np.testing.assert_array_equal(rows, runs_of(found).row[runs_of(found).shape == number])


@given(shapes, st.tuples(st.integers(0, 11), st.integers(0, 8), st.integers(1, 12), st.integers(1, 9)))
def test_within_a_window_there_is_what_lies_in_it(
    several: list[tuple[int, list[list[Place]]]], at: tuple[int, ...]
) -> None:
    window = Box(*at).intersection(WHOLE)
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[window.y : window.bottom, window.x : window.right] = True
    found = outlines(*several)
    for number in range(len(several)):
        np.testing.assert_array_equal(
            pixels(found.within(np.array([window.x, window.y, window.right, window.bottom])), number),
            pixels(found, number) * inside,
        )


@pytest.mark.parametrize("kind", [POLYGON, LINE])
def test_pixels_are_numbered_row_by_row(kind: int) -> None:
    found = outlines((kind, [closed([(1, 1), (4, 1), (4, 3), (1, 3)])]))
    runs = runs_of(found)
    places = found.places(runs, np.arange(int(runs.lengths.sum())))
    assert sorted(places.tolist(), key=lambda place: (place[1], place[0])) == places.tolist()
