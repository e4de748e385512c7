"""Laws of the geometry, for many rasters and networks: grids, tiles, and the way from outputs to input pixels."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.geometry import tiling
from otbtf_qgis.core.geometry.fields import AxisFields, ServingAxis, Span, serving_axis
from otbtf_qgis.core.geometry.grid import Axis, Box, Grid

SPACINGS = st.sampled_from([0.25, 0.5, 1.0, 1.5, 2.0, 10.0, 30.0])
ORIGINS = st.integers(-4000, 4000).map(lambda eighths: eighths / 8)
SIZES = st.integers(1, 300)
AXES = st.builds(Axis, ORIGINS, SPACINGS, SIZES)
BOXES = st.builds(Box, st.integers(-9, 9), st.integers(-9, 9), st.integers(0, 9), st.integers(0, 9))
SCALES = st.sampled_from([Fraction(1), Fraction(2), Fraction(4), Fraction(5, 2), Fraction(1, 2)])


class TestGrid:
    @given(AXES, AXES, st.booleans())
    def test_a_geotransform_comes_back(self, x: Axis, y: Axis, south_up: bool) -> None:
        top, step = (y.origin, y.spacing) if south_up else (y.end, -y.spacing)
        transform = (x.origin, x.spacing, 0.0, top, 0.0, step)
        grid = Grid.from_geotransform(transform, x.size, y.size)
        assert grid.geotransform() == pytest.approx(transform)
        assert (grid.width, grid.height, grid.south_up) == (x.size, y.size, south_up)

    @given(AXES, st.data())
    def test_a_pixel_holds_its_centre_and_its_first_edge(self, axis: Axis, data: st.DataObject) -> None:
        index = data.draw(st.integers(-10, axis.size + 10))
        assert axis.index(axis.centre(index)) == index
        assert axis.index(axis.origin + index * axis.spacing) == index

    @given(AXES, AXES, st.booleans(), st.data())
    def test_a_part_is_stored_where_its_corner_lies(
        self, x: Axis, y: Axis, south_up: bool, data: st.DataObject
    ) -> None:
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
    def test_boxes(self, one: Box, two: Box) -> None:
        def cells(box: Box) -> set[tuple[int, int]]:
            return {(x, y) for x in range(box.x, box.right) for y in range(box.y, box.bottom)}

        assert cells(one.intersection(two)) == cells(one) & cells(two)
        assert cells(one.hull(two)) >= cells(one) | cells(two)


class TestTiles:
    @given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 70), st.integers(1, 70))
    def test_every_pixel_once_and_rows_in_order(self, width: int, height: int, across: int, down: int) -> None:
        covered = np.zeros((height, width), int)
        previous = (-1, -1)
        for box in tiling.tiles(width, height, across, down):
            covered[box.y : box.bottom, box.x : box.right] += 1
            assert (box.y, box.x) > previous
            previous = box.y, box.x
        assert (covered == 1).all()

    @given(st.integers(1, 9000), st.integers(1, 9000), st.floats(1, 1e9), st.integers(0, 40), st.booleans())
    def test_a_plan_is_within_the_budget(
        self, width: int, height: int, budget: float, margin: int, strips: bool
    ) -> None:
        def cost(across: int, down: int) -> float:
            return float((across + margin) * (down + margin))

        across, down = tiling.plan(width, height, cost, budget, strips)
        assert 1 <= across <= width and 1 <= down <= height
        assert cost(across, down) <= budget or (across, down) == (1, 1)
        for side, limit in ((across, width), (down, height)):
            assert side == limit or side % tiling.BLOCK == 0 or tiling.BLOCK % side == 0

    def test_strips_are_as_wide_as_the_output(self) -> None:
        assert tiling.plan(8000, 8000, lambda x, y: x * y, 8000 * 600, strips=True) == (8000, 512)
        assert tiling.plan(8000, 8000, lambda x, y: x * y, 8000 * 600, strips=False) == (2048, 2048)


def axis_or_none(axes: list[Axis], fields: AxisFields) -> ServingAxis | None:
    try:
        return serving_axis(axes, fields, "x")
    except ParameterError:
        return None


class TestPatches:
    @given(st.lists(st.tuples(AXES, st.integers(1, 20)), min_size=1, max_size=3), SCALES)
    def test_all_that_fit_and_no_more(self, sources: list[tuple[Axis, int]], scale: Fraction) -> None:
        axes, rfields = [axis for axis, _ in sources], tuple(rfield for _, rfield in sources)
        found = axis_or_none(axes, AxisFields(rfields, 1, scale, fullyconv=False))
        assume(found is not None)

        def inside(index: int) -> bool:
            starts = [found.patch_start(k, index) for k in range(len(axes))]
            return all(0 <= start <= axis.size - rfield for start, axis, rfield in zip(starts, axes, rfields))

        assert all(inside(index) for index in range(found.size))
        assert not inside(-1) or scale < 1  # half pixels begin in the middle of the first
        assert not inside(found.size)

    @given(st.integers(1, 300), st.integers(1, 30), st.integers(1, 8))
    def test_how_many_of_one_source(self, size: int, rfield: int, scale: int) -> None:
        assume(rfield <= size)
        found = serving_axis([Axis(0, 1, size)], AxisFields((rfield,), 1, Fraction(scale), fullyconv=False), "x")
        starts = [found.patch_start(0, index) for index in range(found.size)]
        assert starts == list(range(0, size - rfield + 1, scale))

    @given(st.integers(1, 200), st.integers(1, 30), SCALES)
    def test_padding_covers_the_image(self, size: int, rfield: int, scale: Fraction) -> None:
        fields = AxisFields((rfield,), 1, scale, fullyconv=False, padded=True)
        found = serving_axis([Axis(5.0, 2.0, size)], fields, "x")
        assert found.out.origin <= 5.0 + 1e-9 and found.out.end >= 5.0 + 2.0 * size - 1e-9
        assert found.out.end - found.out.spacing < 5.0 + 2.0 * size


@st.composite
def regions(draw: st.DrawFn, fixed: bool = False) -> ServingAxis:
    """One source and a network that takes regions."""
    scale = draw(st.sampled_from([Fraction(1), Fraction(2), Fraction(4), Fraction(1, 2)]))
    efield = draw(st.integers(1, 40))
    rfield = int(efield * scale) + draw(st.integers(0, 20)) if (efield * scale).denominator == 1 else 0
    stride = draw(st.sampled_from([1, 2, 4, 8])) * max(1, scale.numerator)
    lattice = draw(st.sampled_from([1, 2, 4, stride]))
    margin = (draw(st.integers(0, 9)), draw(st.integers(0, 9)))
    fields = AxisFields((rfield,), efield, scale, stride=stride, lattice=lattice, margin=margin, fixed=fixed)
    found = axis_or_none([Axis(100.0, 10.0, draw(st.integers(1, 400)))], fields) if rfield else None
    assume(found is not None)
    return found


class TestRegions:
    @given(regions(), st.data())
    def test_computable(self, axis: ServingAxis, data: st.DataObject) -> None:
        start = data.draw(st.integers(0, axis.size - 1))
        wanted = Span(start, data.draw(st.integers(1, axis.size - start)))
        found, (before, behind), fields = axis.computable(wanted), axis.fields.margin, axis.fields
        assert 0 <= found.start <= wanted.start and wanted.end <= found.end <= axis.whole
        assert found.size >= fields.efield
        assert found.start == 0 or found.start <= wanted.start - before
        assert found.end == axis.whole or found.end >= wanted.end + behind
        # The network sees the same pairs of pixels, and a size that it takes.
        whole, region = axis.region(0, Span(0, axis.whole)), axis.region(0, found)
        assert (region.start - whole.start) % fields.stride == 0
        assert (whole.end - region.end) % fields.stride == 0
        assert (region.size - fields.rfields[0]) % fields.lattice == 0
        assert whole.start <= region.start and region.end <= whole.end

    @given(regions())
    def test_the_region_of_all_outputs_is_the_image(self, axis: ServingAxis) -> None:
        """But for what is too little for a step of the lattice, or completes one."""
        assert axis.computable(Span(0, axis.whole)) == Span(0, axis.whole)
        region, fields = axis.region(0, Span(0, axis.whole)), axis.fields
        lacking = axis.axes[0].size - region.size
        assert region.start == 0
        assert lacking < max(1, fields.scale)
        if axis.axes[0].size >= fields.rfields[0]:
            assert lacking > -max(fields.lattice, fields.scale)

    @given(st.integers(1, 800), st.integers(1, 80), st.integers(2, 40), st.sampled_from([1, 2, 4]))
    def test_how_many_outputs(self, size: int, rfield: int, efield: int, scale: int) -> None:
        assume(efield * scale <= rfield <= size)
        found = serving_axis([Axis(0, 1, size)], AxisFields((rfield,), efield, Fraction(scale)), "x")
        assert found.size == (size - rfield) // scale + efield

    @given(regions(fixed=True), st.data())
    def test_cells_of_a_model_of_one_size(self, axis: ServingAxis, data: st.DataObject) -> None:
        assume(axis.meets)
        start = data.draw(st.integers(0, axis.size - 1))
        wanted = Span(start, data.draw(st.integers(1, axis.size - start)))
        covered: list[int] = []
        for cell in axis.cells(wanted):
            region = axis.computable(cell)
            assert region.size == axis.fields.efield
            assert region.start <= cell.start and cell.end <= region.end
            covered += range(cell.start, cell.end)
        assert covered == list(range(wanted.start, wanted.end))
