"""Laws of the way from outputs to input pixels, for many rasters and networks."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.geometry.fields import AxisFields, ServingAxis, Span, corner, serving_axis
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


@pytest.mark.parametrize(
    ("rfield", "efield", "scale", "expected"),
    [
        (5, 1, 1, 2),
        (6, 1, 1, 3),
        (5, 1, 2, Fraction(3, 2)),  # two pixels wide, about the centre of pixel 2
        (6, 1, 2, Fraction(5, 2)),
        (5, 1, Fraction(1, 2), Fraction(9, 4)),
        (6, 2, 2, 1),
        (16, 8, 1, 4),
        (17, 8, 1, 5),  # on the grid of the source
        (16, 4, 2, 4),
        (15, 4, 2, Fraction(7, 2)),
        (16, 4, Fraction(1, 2), 7),
    ],
)
def test_where_the_first_output_lies_in_its_region(
    rfield: int, efield: int, scale: Fraction, expected: Fraction
) -> None:
    scale = Fraction(scale)
    assert corner(rfield, efield, scale) == expected
    found = serving_axis([Axis(100.0, 10.0, 60)], AxisFields((rfield,), efield, scale), "x")
    assert found.region(0, Span(0, efield)) == Span(0, rfield)
    assert found.out.origin == pytest.approx(100 + 10 * float(expected))
    assert found.out.spacing == 10 * scale


class TestSeveralSources:
    @given(
        st.sampled_from([Fraction(1), Fraction(2), Fraction(1, 2), Fraction(3, 2)]),
        st.sampled_from([Fraction(1), Fraction(2), Fraction(1, 2), Fraction(4)]),
        st.integers(1, 12),
        st.tuples(st.integers(0, 9), st.integers(0, 9)),
        st.data(),
    )
    def test_their_regions_lie_on_the_same_ground(
        self, ratio: Fraction, scale: Fraction, efield: int, more: tuple[int, int], data: st.DataObject
    ) -> None:
        covered = [efield * scale, efield * scale * ratio]
        assume(all(pixels.denominator == 1 for pixels in covered))
        rfields = tuple(int(pixels) + added for pixels, added in zip(covered, more))
        axes = [Axis(300.0, 12.0, 120), Axis(300.0, float(12 / ratio), int(120 * ratio))]
        found = axis_or_none(axes, AxisFields(rfields, efield, scale))
        assume(found is not None)
        start = data.draw(st.integers(0, found.size - 1))
        outputs = found.computable(Span(start, data.draw(st.integers(1, found.size - start))))
        for source, (axis, rfield) in enumerate(zip(axes, rfields)):
            region = found.region(source, outputs)
            middle = axis.origin + (region.start + rfield // 2) * axis.spacing
            assert middle == pytest.approx(found.low + outputs.start * float(scale) * 12)
            assert (region.size - rfield) * axis.spacing == pytest.approx((outputs.size - efield) * float(scale) * 12)

    @pytest.mark.parametrize(
        ("spacing", "scale", "step"),
        [(10, 1, 1), (20, 1, 2), (5, 1, 1), (20, 2, 1), (5, Fraction(1, 2), 2), (20, Fraction(1, 2), 4), (15, 1, 3)],
    )
    def test_regions_start_at_whole_pixels_of_all(self, spacing: float, scale: Fraction, step: int) -> None:
        axes = [Axis(0.0, 10.0, 240), Axis(0.0, float(spacing), 2400 // spacing)]
        fields = AxisFields((24, 240 // spacing), int(24 / scale), Fraction(scale))
        assert serving_axis(axes, fields, "x").step == step

    def test_spacings_without_a_common_step_are_refused(self) -> None:
        """By a tenth of a pixel at the far end, or more."""
        fields = AxisFields((8, 8), 8)
        with pytest.raises(ParameterError, match=r"10 and 10\.0001 .* no common multiple"):
            serving_axis([Axis(0.0, 10.0, 12_000), Axis(0.0, 10.0001, 9_000)], fields, "x")
        with pytest.raises(ParameterError, match="no common multiple"):
            serving_axis([Axis(0.0, 10.0, 9_000), Axis(0.0, 10.0001, 12_000)], fields, "x")
        assert serving_axis([Axis(0.0, 10.0, 9_000), Axis(0.0, 10.0001, 9_000)], fields, "x").step == 1

    def test_sources_that_do_not_overlap_are_refused(self) -> None:
        axes = [Axis(0.0, 1.0, 10), Axis(50.0, 1.0, 10)]
        for name, sign in (("x", r"map units\)"), ("y", r"map units, sign changed\)")):
            with pytest.raises(
                ParameterError, match=f"Along {name}, .*source 1: 0 to 10; source 2: 50 to 60, in {sign}"
            ):
                serving_axis(axes, AxisFields((3, 3), fullyconv=False), name)


class TestSmallImages:
    """An image smaller than the receptive field is completed only where outputs cover their region."""

    @pytest.mark.parametrize(("rfield", "efield", "scale"), [(16, 16, 1), (16, 8, 2), (16, 32, Fraction(1, 2))])
    def test_are_completed(self, rfield: int, efield: int, scale: Fraction) -> None:
        found = serving_axis([Axis(0.0, 10.0, 12)], AxisFields((rfield,), efield, Fraction(scale)), "x")
        assert found.whole == efield
        assert found.size == 12 / scale
        assert found.region(0, Span(0, efield)) == Span(0, rfield)

    @pytest.mark.parametrize(
        "fields",
        [AxisFields((16,), 8), AxisFields((16,), 14, Fraction(2)), AxisFields((16,), 1, Fraction(16))]
        + [AxisFields((16,), 16, fullyconv=False)],
    )
    def test_are_refused(self, fields: AxisFields) -> None:
        with pytest.raises(ParameterError, match="source 1 is 16 pixels along x, but the image has only 12"):
            serving_axis([Axis(0.0, 10.0, 12)], fields, "x")


class TestFootprint:
    @given(AXES, AXES, st.data())
    def test_pixels_whose_centres_lie_in_the_output(self, source: Axis, out: Axis, data: st.DataObject) -> None:
        size = min(out.size, 6)
        start = data.draw(st.integers(0, out.size - size))
        axis = ServingAxis((source,), AxisFields((1,)), 0.0, out.size, out.size, out, 1)
        expected = []
        for index in range(start, start + size):
            left, right = out.origin + index * out.spacing, out.origin + (index + 1) * out.spacing
            inside = [pixel for pixel in range(source.size) if left <= source.centre(pixel) < right]
            if not inside:  # the one that holds the centre, or the next one to it
                holding = math.floor((out.centre(index) - source.origin) / source.spacing)
                inside = [min(max(holding, 0), source.size - 1)]
            expected.append((inside[0], inside[-1] + 1))
        assert list(zip(*axis.footprint(0, Span(start, size)))) == expected


class TestModelsOfOneSize:
    @pytest.mark.parametrize(
        ("efield", "margin", "expected"), [(8, (0, 0), True), (8, (2, 2), True), (8, (4, 4), False)]
    )
    def test_whether_regions_meet(self, efield: int, margin: tuple[int, int], expected: bool) -> None:
        fields = AxisFields((8,), efield, stride=4, margin=margin, fixed=True)
        assert serving_axis([Axis(0.0, 1.0, 80)], fields, "x").meets == expected

    def test_the_last_region_ends_with_the_image(self) -> None:
        axis = serving_axis([Axis(0.0, 1.0, 20)], AxisFields((8,), 8, margin=(1, 1), fixed=True), "x")
        assert axis.whole == 20
        assert axis.computable(Span(19, 1)) == Span(12, 8)
        assert list(axis.cells(Span(0, 20))) == [Span(0, 7), Span(7, 6), Span(13, 7)]
