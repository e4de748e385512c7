"""Laws of the way from outputs to input pixels, for many rasters and networks."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.geometry.fields import AxisFields, ServingAxis, Span, serving_axis
from otbtf_qgis.core.geometry.grid import Axis

SPACINGS = st.sampled_from([0.25, 0.5, 1.0, 1.5, 2.0, 10.0, 30.0])
ORIGINS = st.integers(-4000, 4000).map(lambda eighths: eighths / 8)
SIZES = st.integers(1, 300)
AXES = st.builds(Axis, ORIGINS, SPACINGS, SIZES)
SCALES = st.sampled_from([Fraction(1), Fraction(2), Fraction(4), Fraction(5, 2), Fraction(1, 2)])


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
