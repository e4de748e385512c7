"""Laws of grids: where the pixels of a raster lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otbtf_qgis.core.errors import RasterError
from otbtf_qgis.core.geometry.grid import Axis, Box, Grid

SPACINGS = st.sampled_from([0.25, 0.5, 1.0, 1.5, 2.0, 10.0, 30.0])
ORIGINS = st.integers(-4000, 4000).map(lambda eighths: eighths / 8)
SIZES = st.integers(1, 300)
AXES = st.builds(Axis, ORIGINS, SPACINGS, SIZES)
BOXES = st.builds(Box, st.integers(-9, 9), st.integers(-9, 9), st.integers(0, 9), st.integers(0, 9))


@given(AXES, AXES, st.booleans())
def test_a_geotransform_comes_back(x: Axis, y: Axis, south_up: bool) -> None:
    top, step = (y.origin, y.spacing) if south_up else (y.end, -y.spacing)
    transform = (x.origin, x.spacing, 0.0, top, 0.0, step)
    grid = Grid.from_geotransform(transform, x.size, y.size)
    assert grid.geotransform() == pytest.approx(transform)
    assert (grid.width, grid.height, grid.south_up) == (x.size, y.size, south_up)


@given(AXES, st.data())
def test_a_pixel_holds_its_centre_and_its_first_edge(axis: Axis, data: st.DataObject) -> None:
    index = data.draw(st.integers(-10, axis.size + 10))
    assert axis.index(axis.centre(index)) == index
    assert axis.index(axis.origin + index * axis.spacing) == index


@given(AXES, AXES, st.booleans(), st.data())
def test_a_part_is_stored_where_its_corner_lies(x: Axis, y: Axis, south_up: bool, data: st.DataObject) -> None:
    grid = Grid(x, y, south_up)
    left, top = data.draw(st.integers(0, x.size - 1)), data.draw(st.integers(0, y.size - 1))
    box = Box(left, top, data.draw(st.integers(1, x.size - left)), data.draw(st.integers(1, y.size - top)))
    stored = grid.stored(box)
    assert stored.intersection(grid.box) == stored
    assert grid.stored(stored) == box
    whole, part = grid.geotransform(), grid.part(box).geotransform()
    assert part[0] == pytest.approx(whole[0] + stored.x * whole[1])
    assert part[3] == pytest.approx(whole[3] + stored.y * whole[5])


@given(BOXES, BOXES)
def test_boxes(one: Box, two: Box) -> None:
    def cells(box: Box) -> set[tuple[int, int]]:
        return {(x, y) for x in range(box.x, box.right) for y in range(box.y, box.bottom)}

    assert cells(one.intersection(two)) == cells(one) & cells(two)
    assert cells(one.hull(two)) >= cells(one) | cells(two)


def test_a_box_of_nothing_shared_is_empty() -> None:
    shared = Box(0, 0, 4, 5).intersection(Box(6, 8, 4, 5))
    assert (shared.width, shared.height, shared.area) == (0, 0, 0)
    assert Box(3, 4, 5, 6).area == 30
    assert Box(0, 0, 4, 5).hull(Box(6, 8, 4, 5)) == Box(0, 0, 10, 13)


def test_a_raster_without_georeference_lies_in_its_pixels() -> None:
    grid = Grid.from_geotransform((0.0, 1.0, 0.0, 0.0, 0.0, 1.0), 7, 5)
    assert (grid.x, grid.y, grid.south_up) == (Axis(0, 1, 7), Axis(0, 1, 5), False)
    assert grid.geotransform(georeferenced=False) == (0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    part = grid.part(Box(2, 3, 4, 2))
    assert part.geotransform(georeferenced=False) == (2.0, 1.0, 0.0, 3.0, 0.0, 1.0)


@pytest.mark.parametrize("terms", [(0.5, 0.0), (0.0, 0.5), (-0.5, 0.0), (0.0, -0.5), (2e-7, 0.0), (0.0, 2e-7)])
@pytest.mark.parametrize("step", [-10.0, 10.0], ids=["north up", "south up"])
def test_a_rotated_raster_is_refused(terms: tuple[float, float], step: float) -> None:
    """Also where it is turned by little, but reaches far."""
    transform = (0.0, 10.0, terms[0], 0.0, terms[1], step)
    with pytest.raises(RasterError, match="rotated"):
        Grid.from_geotransform(transform, 100, 100)


@pytest.mark.parametrize("terms", [(1e-8, 0.0), (0.0, 1e-8), (1e-8, -1e-8)])
def test_a_turn_that_shows_nowhere_is_passed_over(terms: tuple[float, float]) -> None:
    grid = Grid.from_geotransform((0.0, 10.0, terms[0], 0.0, terms[1], -10.0), 100, 100)
    assert grid.geotransform() == (0.0, 10.0, 0.0, 0.0, 0.0, -10.0)


@pytest.mark.parametrize(("across", "down"), [(-10.0, -10.0), (0.0, -10.0), (10.0, 0.0)])
def test_a_mirrored_or_flat_raster_is_refused(across: float, down: float) -> None:
    with pytest.raises(RasterError, match="pixel width of .* warp it first"):
        Grid.from_geotransform((0.0, across, 0.0, 0.0, 0.0, down), 4, 4)


GRID = Grid(Axis(300.0, 10.0, 40), Axis(-900.0, 10.0, 30))


@pytest.mark.parametrize(
    ("x", "same"),
    [
        (Axis(300.09, 10.0, 40), True),
        (Axis(299.91, 10.0, 40), True),
        (Axis(300.0, 10.002, 40), True),
        (Axis(300.11, 10.0, 40), False),
        (Axis(299.89, 10.0, 40), False),
        (Axis(300.0, 10.003, 40), False),
        (Axis(300.0, 9.997, 40), False),
        (Axis(299.8, 10.005, 40), False),  # of the same end
        (Axis(300.0, 10.0, 41), False),
        (Axis(300.0, 20.0, 20), False),  # of the same extent
    ],
)
def test_grids_are_the_same_to_a_hundredth_of_a_pixel(x: Axis, same: bool) -> None:
    assert GRID.same_as(Grid(x, GRID.y)) == same
    turned = Grid(GRID.y, GRID.x)
    assert turned.same_as(Grid(turned.x, x)) == same


def test_the_extent_in_words() -> None:
    assert GRID.describe() == "x 300 to 700, y 600 to 900, pixels of 10 x 10"


@given(AXES, st.data())
def test_a_coordinate_of_no_pixel_by_rounding_alone_belongs_to_the_next(axis: Axis, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, axis.size))
    edge = axis.origin + index * axis.spacing
    assert axis.index(edge - 5e-7 * axis.spacing) == index
    assert axis.index(edge - 5e-6 * axis.spacing) == index - 1
    assert axis.index(edge + 0.999 * axis.spacing) == index
