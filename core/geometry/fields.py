"""From output pixels to input pixels: the geometry of TensorflowModelServe, one axis at a time.

Terms are OTBTF's. A *receptive field* of `rfield` pixels is what the model needs to see of a source;
for it the model returns an *expression field* of `efield` output pixels; the *spacing scale* is the
size of an output pixel in pixels of the first source.

Patch-based: output pixel i has its centre at c(i) = lo + sp/2 + i * sp * scale, and the patch of source
k starts at pixel floor((c - x0_k) / sp_k) - rfield_k // 2, as PatchesExtraction cuts it.

Fully convolutional: `count` outputs from output `start` need one region of each source, of
rfield_k + (count - efield) * scale * sp / sp_k pixels. Three facts about the model make its values
independent of where tiles are cut:

- its *stride*: regions must start, and differ in size, by multiples of it, else pooling sees other pairs;
- its *margin*: so many outputs at the edge of a region depend on what lies outside, so neighbours overlap
  by that much; at the edge of the image the model's own padding stands, as in one untiled run;
- its *lattice*: it takes only sizes in steps of that; the image is completed by reflection up to the next.

Windows of a fixed context: where an output depends on all of what the model is shown, one receptive field is shown at a
time, at every half expression field from the first output on, and what overlaps is blended. Stride, margin and lattice
are then half an expression field each.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..errors import ParameterError, field
from ..phrases import Phrase
from .grid import TOLERANCE, Axis, ceil, floor

LARGEST_DENOMINATOR = 4096


@dataclass(frozen=True)
class Span:
    """A run of pixels along one axis."""

    start: int
    size: int

    @property
    def end(self) -> int:
        """The first pixel after it."""
        return self.start + self.size


@dataclass(frozen=True)
class AxisFields:
    """How a model is applied along one axis.

    Attributes:
        rfields: receptive field of each source, in its own pixels.
        efield: expression field, in output pixels.
        scale: spacing scale.
        fullyconv: True where regions are computed, False for patches.
        stride, lattice: of the model, in pixels of the first source.
        margin: outputs at the start and at the end of a region that depend on what lies outside.
        fixed: True where the model takes regions of one size only, that of one expression field.
        padded: True to complete the image on both sides so that the output covers all of it.
        windowed: True where regions are blended from windows of a fixed context.
    """

    rfields: tuple[int, ...]
    efield: int = 1
    scale: Fraction = Fraction(1)
    fullyconv: bool = True
    stride: int = 1
    lattice: int = 1
    margin: tuple[int, int] = (0, 0)
    fixed: bool = False
    padded: bool = False
    windowed: bool = False


@dataclass(frozen=True)
class ServingAxis:
    """One axis of a run: the sources, the fields and where the outputs lie.

    Attributes:
        axes: the axis of each source.
        fields: how the model is applied.
        low: coordinate of the left edge of the first source's pixel under the first centre.
        size: number of output pixels.
        whole: number of outputs of a region that holds the whole (completed) image.
        out: the output's axis.
        step: outputs between two places where a region may start.
    """

    axes: tuple[Axis, ...]
    fields: AxisFields
    low: float
    size: int
    whole: int
    out: Axis
    step: int

    def patch_start(self, source: int, index: int) -> int:
        """Return the first pixel of the patch of `source` for output pixel `index`; may lie outside if padded."""
        centre = self.low + self.axes[0].spacing * (0.5 + index * float(self.fields.scale))
        return self.axes[source].index(centre) - self.fields.rfields[source] // 2

    def region(self, source: int, outputs: Span) -> Span:
        """Return the pixels of `source` from which the model computes `outputs` in one go.

        `outputs` must come from `computable`; the region may reach beyond the image.
        """
        axis, rfield = self.axes[source], self.fields.rfields[source]
        step = self.fields.scale * _ratio(self.axes[0], axis)
        first = round((self.low - axis.origin) / axis.spacing) - rfield // 2
        start = first + _whole(step * outputs.start)
        return Span(start, rfield + _whole(step * (outputs.size - self.fields.efield)))

    def computable(self, wanted: Span) -> Span:
        """Return the smallest span that the model can compute in one go and in which `wanted` is right.

        Away from the ends of the image it holds `wanted` and the margin around it.
        """
        before, behind = self.fields.margin
        start = max(0, (wanted.start - before) // self.step * self.step)
        if self.fields.fixed:
            start = min(start, self.whole - self.fields.efield)
            return Span(start, self.fields.efield)
        end = self.whole - max(0, (self.whole - wanted.end - behind) // self.step * self.step)
        while end - start < self.fields.efield:
            if end < self.whole:
                end += self.step
            else:
                start -= self.step
        return Span(start, end - start)

    @property
    def meets(self) -> bool:
        """Whether neighbouring regions of a model of one size meet without outputs that depend on what lies outside."""
        return self.fields.efield - sum(self.fields.margin) >= self.step

    def cells(self, wanted: Span) -> Iterator[Span]:
        """Yield the parts of `wanted` that a model of one size computes, each from one region."""
        start = wanted.start
        while start < wanted.end:
            region = self.computable(Span(start, 1))
            right = region.end if region.end == self.whole else region.end - self.fields.margin[1]
            end = min(right, wanted.end)
            yield Span(start, end - start)
            start = end

    def footprint(self, source: int, outputs: Span) -> tuple[list[int], list[int]]:
        """Return first and end pixel of `source` whose centres lie in each output pixel of `outputs`.

        Where no centre does, the one pixel that holds the output's centre. Clipped to the source.
        """
        axis = self.axes[source]
        firsts, ends = [], []
        for index in range(outputs.start, outputs.end):
            left = self.out.origin + index * self.out.spacing
            first = ceil((left - axis.origin) / axis.spacing - 0.5)
            end = ceil((left + self.out.spacing - axis.origin) / axis.spacing - 0.5)
            if end <= first:
                first = axis.index(self.out.centre(index))
                end = first + 1
            firsts.append(min(max(first, 0), axis.size - 1))
            ends.append(max(min(end, axis.size), firsts[-1] + 1))
        return firsts, ends


def serving_axis(axes: Sequence[Axis], fields: AxisFields, name: str) -> ServingAxis:
    """Return the geometry of one axis.

    Args:
        axes: the axis of each source; the first gives the output its spacing.
        fields: how the model is applied.
        name: `x` or `y`, for messages.

    Raises:
        ParameterError: a receptive field does not fit in its source, the sources do not overlap, or the
            spacings have no common step.
    """
    if fields.padded:
        low, size = _padded(axes, fields)
    else:
        low, size = _inside(axes, fields, name)
    if size < 1:
        extents = Phrase("; ").join(
            (
                Phrase("source {k}: {origin:.10g} to {end:.10g}", k=k, origin=a.origin, end=a.end)
                for k, a in enumerate(axes, 1)
            )
        )
        raise ParameterError(
            "Along {name}, the sources overlap by less than the receptive fields {rfields} need ({extents}, in map "
            "units{sign_changed}): choose rasters of the same area.",
            name=name,
            rfields=list(fields.rfields),
            extents=extents,
            sign_changed=Phrase(", sign changed") if name == "y" else "",
        )
    step, whole = 1, size
    if fields.fullyconv:
        lattice = _common_step(axes, fields.scale, fields.lattice)
        step = math.lcm(lattice, _common_step(axes, fields.scale, fields.stride))
        unit = step if fields.fixed else lattice
        whole = fields.efield + -(-(max(size, fields.efield) - fields.efield) // unit) * unit
    spacing = axes[0].spacing
    origin = low + float(corner(fields.rfields[0], fields.efield, fields.scale) - fields.rfields[0] // 2) * spacing
    out = Axis(origin, spacing * float(fields.scale), size)
    return ServingAxis(tuple(axes), fields, low, size, whole, out, step)


def corner(rfield: int, efield: int, scale: Fraction) -> Fraction:
    """Return where the outer edge of the first output lies, in pixels from the start of its region.

    With an expression field of 1 the output pixel is centred where the training patches were; with a
    larger one the outputs are centred in the region, on the grid of the source where the scale is 1.
    """
    if efield == 1:
        return rfield // 2 + (1 - scale) / 2
    if scale == 1:
        return Fraction((rfield - efield + 1) // 2)
    return (rfield - efield * scale) / 2


def as_scale(value: float) -> Fraction:
    """Return a spacing scale as a fraction."""
    return Fraction(value).limit_denominator(LARGEST_DENOMINATOR)


def _inside(axes: Sequence[Axis], fields: AxisFields, name: str) -> tuple[float, int]:
    """Return `low` and the number of outputs for which every source's receptive field lies inside it."""
    low, high = -math.inf, math.inf
    for number, (axis, rfield) in enumerate(zip(axes, fields.rfields), 1):
        if rfield > axis.size and not _uncropped(axes, fields, number - 1):
            raise ParameterError(
                "The receptive field of source {number} is {rfield} pixels along {name}, but the image has only "
                "{size}: use a larger image, set {padding}, or check {name_key}.",
                number=number,
                rfield=rfield,
                name=name,
                size=axis.size,
                padding=field("padding"),
                name_key=field(f"rfield{name}", of="sources", number=number),
            )
        low = max(low, axis.origin + (rfield // 2) * axis.spacing)
        # Patches: the end of the last centre pixel. Regions lie on pixels of all sources: one of the first's behind its start.
        last = axes[0] if fields.fullyconv else axis
        high = min(high, axis.origin + (rfield // 2 + axis.size - rfield) * axis.spacing + last.spacing)
    if fields.fullyconv:
        low = _snapped(axes, low)
    length = (high - low) / axes[0].spacing
    if fields.efield == 1:
        size = ceil((length - 0.5) / float(fields.scale)) if length > TOLERANCE else 0
    else:
        size = floor((length - 1) / float(fields.scale)) + fields.efield
    if fields.fullyconv:  # only sizes that need whole pixels of every source
        common = _common_step(axes, fields.scale, 1)
        size = fields.efield + (size - fields.efield) // common * common
    return low, size


def _uncropped(axes: Sequence[Axis], fields: AxisFields, source: int) -> bool:
    """Return whether outputs cover their whole region, so that a smaller image can be completed to one."""
    covered = fields.efield * float(fields.scale) * axes[0].spacing
    field = fields.rfields[source] * axes[source].spacing
    return fields.fullyconv and fields.efield > 1 and abs(covered - field) <= TOLERANCE * axes[0].spacing


def _padded(axes: Sequence[Axis], fields: AxisFields) -> tuple[float, int]:
    """Return `low` and the number of outputs that cover the first source."""
    first, scale, rfield = axes[0], fields.scale, fields.rfields[0]
    if fields.efield == 1:
        low = first.origin + math.floor((scale - 1) / 2) * first.spacing
    else:
        inset = corner(rfield, fields.efield, scale)
        low = first.origin + (rfield // 2 - math.ceil(inset)) * first.spacing
    if fields.fullyconv:
        low = _snapped(axes, low, outwards=True)
    left = low + float(corner(rfield, fields.efield, scale) - rfield // 2) * first.spacing
    return low, max(1, ceil((first.end - left) / (first.spacing * float(scale))))


def _snapped(axes: Sequence[Axis], low: float, outwards: bool = False) -> float:
    """Move `low` up, or down with `outwards`, until it is an edge of pixels of every source.

    Where there is no such edge, of the first source.
    """
    move = floor if outwards else ceil
    for axis in [*list(axes) * 8, axes[0]]:
        low = axis.origin + move((low - axis.origin) / axis.spacing) * axis.spacing
    return low


def _common_step(axes: Sequence[Axis], scale: Fraction, pixels: int) -> int:
    """Return the fewest outputs that are whole pixels of every source, and a multiple of `pixels` of the first."""
    step = 1
    for axis in axes:
        step = math.lcm(step, (scale * _ratio(axes[0], axis)).denominator)
    of_first = int(scale * step)
    return step * (pixels // math.gcd(pixels, of_first))


def _ratio(first: Axis, other: Axis) -> Fraction:
    ratio = Fraction(first.spacing / other.spacing).limit_denominator(LARGEST_DENOMINATOR)
    if abs(float(ratio) * other.spacing / first.spacing - 1) * max(first.size, other.size) > 0.1:
        raise ParameterError(
            "The pixel spacings {spacing:.10g} and {other_spacing:.10g} of two sources have no common multiple, but "
            "a fully convolutional model needs one: resample one source to the grid of the other.",
            spacing=first.spacing,
            other_spacing=other.spacing,
        )
    return ratio


def _whole(value: Fraction) -> int:
    if value.denominator != 1:
        raise ValueError(f"{value} is not a whole number of pixels")
    return int(value)
