"""How a model is applied: the user's settings, completed by what probing finds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from ..errors import ModelError, ParameterError, field
from ..geometry.fields import AxisFields, ServingAxis, Span, serving_axis
from ..geometry.grid import Box, Grid
from ..phrases import Phrase
from .sizelaw import AxisSizeLaw, SizeLaw
from .sources import OpenSource
from .tilemargins import TileMargins
from .usersettings import AxisSettings, GeometrySettings

WHOLE = 1 << 40
"""A margin larger than any image: every output depends on all of it."""

_MODE, _SCALE = field("model_fullyconv"), field("output_spcscale")


@dataclass(frozen=True)
class Fields:
    """How a model is applied along both axes; see `core.geometry.fields`."""

    x: AxisFields
    y: AxisFields

    @property
    def fullyconv(self) -> bool:
        """True where regions are computed, False for patches."""
        return self.x.fullyconv

    @property
    def fixed(self) -> bool:
        """True where the model takes regions of one size only."""
        return self.x.fixed or self.y.fixed

    @property
    def windowed(self) -> bool:
        """True where regions are blended from windows of a fixed context."""
        return self.x.windowed

    @property
    def pixelwise(self) -> bool:
        """True where an output depends on one pixel of each source."""
        return all(set(f.rfields) == {1} and f.efield == 1 and f.margin == (0, 0) for f in (self.x, self.y))

    def rfield(self, source: int) -> tuple[int, int]:
        """Return width and height of a source's receptive field."""
        return self.x.rfields[source], self.y.rfields[source]

    def within(self, found: TileMargins) -> Fields:
        """Return the fields with stride and margins that were found."""
        margins = [(WHOLE, WHOLE)] * 2 if found.whole else [found.margin_x, found.margin_y]
        x, y = (replace(axis, stride=found.stride, margin=margin) for axis, margin in zip((self.x, self.y), margins))
        return Fields(x, y)

    def side_by_side(self) -> Fields:
        """Return the fields with regions that do not overlap, for a model of one size that needs the whole of it."""
        x, y = (replace(axis, stride=math.lcm(axis.stride, _pixels(axis)), margin=(0, 0)) for axis in (self.x, self.y))
        return Fields(x, y)

    def as_parameters(self) -> str:
        """Return the fields as parameters that can be copied, with mentions for their names."""
        words = []
        for number, (x, y) in enumerate(zip(self.x.rfields, self.y.rfields), 1):
            words += [f"{_rfield('x', number)}={x}", f"{_rfield('y', number)}={y}"]
        words += [f"{_efield('x')}={self.x.efield}", f"{_efield('y')}={self.y.efield}"]
        words += [f"{_SCALE}={float(self.x.scale):g}", f"{_MODE}={'on' if self.fullyconv else 'off'}"]
        return " ".join(words)


def _rfield(axis: str, number: int = 1) -> str:
    """Return a mention of the receptive field of a source along an axis."""
    return field(f"rfield{axis}", of="sources", number=number)


def _efield(axis: str) -> str:
    """Return a mention of the expression field along an axis."""
    return field(f"output_efield{axis}")


def _pixels(axis: AxisFields) -> int:
    """Return the smallest whole distance, in pixels of the first source, of outputs that do not overlap."""
    return (axis.efield * axis.scale).numerator


def choose_fields(given: GeometrySettings, law: SizeLaw | None, ratios: Sequence[Fraction]) -> Fields:
    """Return how the model is applied: the user's settings, checked against the size law and completed by it.

    Args:
        given: what the user gives.
        law: what the model does to sizes; None where it takes none that was tried.
        ratios: pixels of each source per pixel of the first.

    Raises:
        ParameterError: a value cannot be right, or is missing and could not be determined.
        ModelError: a model of patches in fully convolutional mode.
    """
    grows = law is not None and law.x is not None and law.y is not None
    if given.mode == "on" and law is not None and not grows:
        size = (
            Phrase("of {patch} x {law_patch} pixels", patch=law.patch[0], law_patch=law.patch[1])
            if law.patch
            else Phrase("of any size")
        )
        raise ModelError(
            "The model returns one output for a patch {size}, so it is not fully convolutional: set {mode}=off.",
            size=size,
            mode=_MODE,
        )
    if given.mode == "off" or (given.mode == "auto" and not grows):
        x, y = (_patch_axis(axis, law, index, ratios) for index, axis in enumerate(given.axes))
        return Fields(x, y)
    laws = (None, None) if law is None else (law.x, law.y)
    offsets = law.offsets if law else ()
    x, y = (_region_axis(axis, axis_law, offsets, ratios) for axis, axis_law in zip(given.axes, laws))
    if x.scale != y.scale:
        raise ModelError(
            "The model has a spacing scale of {scale:g} along x and {float_scale:g} along y, but only equal scales "
            "are supported: use a model with equal scales.",
            scale=float(x.scale),
            float_scale=float(y.scale),
        )
    return Fields(x, y)


def _patch_axis(given: AxisSettings, law: SizeLaw | None, index: int, ratios: Sequence[Fraction]) -> AxisFields:
    axis_law = None if law is None else (law.x, law.y)[index]
    if given.efield not in (None, 1):
        raise ParameterError(
            "{efield} is {given_efield}, but a model that is applied to patches returns one output pixel: leave it "
            "out, or set {mode}=on.",
            efield=_efield(given.name),
            given_efield=given.efield,
            mode=_MODE,
        )
    patch = law.patch[index] if law is not None and law.patch else None
    single = axis_law is not None and axis_law.efield == 1
    rfields = []
    for number, own in enumerate(given.rfields, 1):
        known = None
        if law is not None and (patch or single):
            first = patch or (axis_law.rfield if axis_law else 1)
            known = int(first * ratios[number - 1]) + law.offsets[number - 1]
        name = _rfield(given.name, number)
        if own is None and known is None:
            raise ParameterError(
                Phrase("{name} is missing and could not be determined from the model: ", name=name)
                + (
                    Phrase("it returns several outputs for a patch. Set {mode}=on.", mode=_MODE)
                    if axis_law is not None
                    else Phrase("it accepts patches of any size. Enter the size of the patches that it was trained on.")
                )
            )
        if own is not None and patch and known is not None and own != known:
            raise ParameterError(
                "{name} is {own}, but the model accepts patches of {known} pixels: set {name}={known}.",
                name=name,
                own=own,
                known=known,
            )
        rfields.append(own or known or 1)
    scale = given.scale
    if scale is None:
        scale = axis_law.scale if axis_law is not None and single and None in given.rfields else Fraction(1)
    return AxisFields(tuple(rfields), 1, scale, fullyconv=False, padded=given.padded)


def _region_axis(
    given: AxisSettings, law: AxisSizeLaw | None, offsets: Sequence[int], ratios: Sequence[Fraction]
) -> AxisFields:
    if law is None:
        if not given.complete:
            raise ParameterError(
                "The geometry of the model could not be determined: set the receptive field of each source "
                "({rfield}, ...), the expression field ({efield}, {efield_y}) and {scale}.",
                rfield=_rfield("x"),
                efield=_efield("x"),
                efield_y=_efield("y"),
                scale=_SCALE,
            )
        fields = tuple(own or 1 for own in given.rfields)
        return AxisFields(fields, given.efield or 1, given.scale or Fraction(1), padded=given.padded)
    first = given.rfields[0]
    if given.scale is not None and given.scale != law.scale and not law.fixed:
        raise ParameterError(
            Phrase(
                "{scale} is {float_scale:g}, but the model's outputs are {scale2:g} pixels of the first source apart: "
                "set {scale}={scale2:g}, or leave it out",
                scale=_SCALE,
                float_scale=float(given.scale),
                scale2=float(law.scale),
            )
            + (
                Phrase(", or set {mode}=off to compute patches at any distance.", mode=_MODE)
                if law.efield == 1
                else "."
            )
        )
    scale = given.scale if given.scale is not None and law.fixed else law.scale
    crop = law.rfield - law.efield * scale
    if first is None and given.efield is None:
        rfield = law.rfield if law.fixed else _centred(law, offsets, ratios)
        efield = int((rfield - crop) / scale)
    elif first is None:
        efield = given.efield or 1
        rfield = int(crop + efield * scale)
    else:
        rfield = first
        efield = given.efield if given.efield is not None else int((first - crop) / scale)
    step = 1 if law.fixed else math.lcm(law.lattice, scale.numerator)
    if rfield - efield * scale != crop or efield < 1 or (rfield - law.rfield) % step:
        raise ParameterError(
            "{rfield} = {rfield2} and {efield} = {efield2} do not fit the model, which returns {law_efield} outputs "
            "for {law_rfield} pixels: set {rfield}={law_rfield} and {efield}={law_efield}, or leave them out.",
            rfield=_rfield(given.name),
            rfield2=rfield,
            efield=_efield(given.name),
            efield2=efield,
            law_efield=law.efield,
            law_rfield=law.rfield,
        )
    rfields = [rfield]
    for number, (ratio, offset) in enumerate(zip(ratios[1:], offsets[1:]), 2):
        expected, own = rfield * ratio + offset, given.rfields[number - 1]
        if own is not None and own != expected:
            raise ParameterError(
                "{rfield} is {own}, but with {rfield2} pixels of source 1 the model needs {expected:g} of source "
                "{number}: set {rfield}={expected:g}.",
                rfield=_rfield(given.name, number),
                own=own,
                rfield2=rfield,
                expected=float(expected),
                number=number,
            )
        if expected.denominator != 1:
            raise ParameterError(
                "{rfield} is {rfield2}, which is {expected:g} pixels of source {number}: choose a multiple of "
                "{denominator}.",
                rfield=_rfield(given.name),
                rfield2=rfield,
                expected=float(expected),
                number=number,
                denominator=expected.denominator,
            )
        rfields.append(int(expected))
    return AxisFields(
        tuple(rfields), efield, scale, lattice=law.lattice if not law.fixed else 1, fixed=law.fixed, padded=given.padded
    )


def _centred(law: AxisSizeLaw, offsets: Sequence[int], ratios: Sequence[Fraction]) -> int:
    """Return the smallest receptive field of the first source with which the regions of all sources start together.

    They are laid by their middle pixels, which for odd and even fields are not at the same place of the ground.
    """
    jump = math.lcm(law.lattice, law.scale.numerator)
    for rfield in range(law.rfield, law.rfield + 8 * jump, jump):
        starts = {Fraction(int(rfield * r + o) // 2) / r - Fraction(o, 2) / r for r, o in zip(ratios, offsets)}
        if len(starts) == 1:
            return rfield
    return law.rfield


@dataclass(frozen=True)
class ServingGeometry:
    """The geometry of a run in two dimensions."""

    x: ServingAxis
    y: ServingAxis
    grid: Grid
    fields: Fields

    def computable(self, box: Box) -> Box:
        """Return the smallest box of outputs around `box` that the model computes in one go."""
        x, y = self.x.computable(Span(box.x, box.width)), self.y.computable(Span(box.y, box.height))
        return Box(x.start, y.start, x.size, y.size)

    def region(self, source: int, outputs: Box) -> Box:
        """Return the pixels of a source from which `outputs` are computed, in either mode."""
        if self.fields.fullyconv:
            x = self.x.region(source, Span(outputs.x, outputs.width))
            y = self.y.region(source, Span(outputs.y, outputs.height))
            return Box(x.start, y.start, x.size, y.size)
        left, top = self.x.patch_start(source, outputs.x), self.y.patch_start(source, outputs.y)
        width, height = self.fields.rfield(source)
        right = self.x.patch_start(source, outputs.right - 1) + width
        bottom = self.y.patch_start(source, outputs.bottom - 1) + height
        return Box(left, top, right - left, bottom - top)


def serving_geometry(sources: Sequence[OpenSource], fields: Fields) -> ServingGeometry:
    """Return the geometry of a run over these sources.

    Raises:
        ParameterError: a receptive field does not fit, or the sources do not overlap.
    """
    grids = [source.stack.grid for source in sources]
    x = serving_axis([grid.x for grid in grids], fields.x, "x")
    y = serving_axis([grid.y for grid in grids], fields.y, "y")
    return ServingGeometry(x, y, Grid(x.out, y.out, grids[0].south_up), fields)
