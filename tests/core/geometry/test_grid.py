"""Laws of grids: where the pixels of a raster lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
