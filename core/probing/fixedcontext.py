"""A context of fixed size: how a model is applied whose outputs depend on all of what it is shown.

Each output of such a model depends on the size of the image itself, so it is shown windows of one size, that of the
patches on which it was trained. Windows lie on a grid anchored to the first output, at every half expression field.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from ..errors import ModelError, ParameterError, field
from ..geometry.fields import AxisFields
from ..geometry.grid import Box
from ..models.servingdefaults import ServingDefaults
from ..models.sidecar import Geometry
from ..phrases import Phrase
from .appliedgeometry import Fields, ServingGeometry, choose_fields
from .probedsidecar import size_law_of
from .sizelaw import AxisSizeLaw, SizeLaw
from .sources import OpenSource
from .usersettings import GeometrySettings

_KEY = field("model_context")
_FARTHEST = 4096
"""Distance in pixels up to which another size is sought that can be used."""


@dataclass(frozen=True)
class Windows:
    """The windows of a fixed context.

    Attributes:
        outputs: width and height in outputs; both are even.
        fields: width and height in pixels of each source.
        steps: from window to window, the pixels of each source across and down.
    """

    outputs: tuple[int, int]
    fields: tuple[tuple[int, int], ...]
    steps: tuple[tuple[int, int], ...]


def windows_of(geometry: ServingGeometry) -> Windows:
    """Return the windows of a run."""
    fields = geometry.fields
    width, height = fields.x.efield, fields.y.efield
    sources = range(len(fields.x.rfields))
    here = [geometry.region(number, Box(0, 0, width, height)) for number in sources]
    next_one = [geometry.region(number, Box(width // 2, height // 2, width, height)) for number in sources]
    steps = tuple((two.x - one.x, two.y - one.y) for one, two in zip(here, next_one))
    return Windows((width, height), tuple(fields.rfield(number) for number in sources), steps)


def context_fields(side: int, given: GeometrySettings, law: SizeLaw, ratios: Sequence[Fraction]) -> Fields:
    """Return how a model is applied in windows of a fixed context.

    Args:
        side: of the windows, in pixels of the first source.
        given: what the user gives.
        law: what the model does to sizes.
        ratios: pixels of each source per pixel of the first.

    Raises:
        ParameterError: the model does not take that size, or half of its outputs are not whole pixels of each source.
        ModelError: the model returns one output for a patch.
    """
    if given.mode == "off" or law.x is None or law.y is None:
        raise ModelError(
            "{context} is {side}, but the model is applied to patches, each of which gives one output: windows are for "
            "models that return maps. Set {context}=0.",
            context=_KEY,
            side=side,
        )
    for axis in given.axes:
        if axis.rfields[0] not in (None, side):
            raise ParameterError(
                "{context} is {side}, but {rfield} is {own}: windows are as large as the receptive field of source 1. "
                "Leave out one of them.",
                context=_KEY,
                side=side,
                rfield=field(f"rfield{axis.name}", of="sources", number=1),
                own=axis.rfields[0],
            )
    _check_size(side, law.x, law.y, ratios)
    x, y = (replace(axis, rfields=(side, *axis.rfields[1:])) for axis in given.axes)
    fields = choose_fields(replace(given, x=x, y=y), law, ratios)
    return Fields(_windowed(fields.x), _windowed(fields.y))


def context_of_patches(geometry: Geometry | None, width: int, height: int) -> int | None:
    """Return the side of the windows in which a model is served; None where it needs none, or none of that size.

    Args:
        geometry: of an output.
        width, height: of the patches that it was trained on, in pixels of the first source.
    """
    around = geometry.surroundings if geometry else None
    if geometry is None or around is None or not around.whole or width != height:
        return None
    law = size_law_of(geometry)
    try:
        context_fields(width, GeometrySettings.open(len(geometry.inputs)), law, geometry.ratios)
    except (ParameterError, ModelError):
        return None
    return width


def given_context(
    side: int | None, geometries: Sequence[Geometry], defaults: ServingDefaults | None
) -> ServingDefaults | None:
    """Return serving defaults with the size of windows that the user gives; as they are where it is None.

    Raises:
        ParameterError, ModelError: no output can be computed in such windows; see `context_fields`.
    """
    if side is None:
        return defaults
    for geometry in geometries if side else ():
        context_fields(side, GeometrySettings.open(len(geometry.inputs)), size_law_of(geometry), geometry.ratios)
    return replace(defaults or ServingDefaults(), context=side or None)


def check_images(sources: Sequence[OpenSource], fields: Fields) -> None:
    """Raise ParameterError where a window is larger than an image."""
    for number, source in enumerate(sources):
        (width, height), grid = fields.rfield(number), source.stack.grid
        if width > grid.width or height > grid.height:
            raise ParameterError(
                "{context} is {side}, so a window has {width} x {height} pixels of source {number}, but the image has only "
                "{columns} x {rows}: choose a larger image, or set {context} to a smaller size that the model was trained "
                "on. {context}=0 computes an image that fits the memory at once.",
                context=_KEY,
                side=fields.x.rfields[0],
                width=width,
                height=height,
                number=number + 1,
                columns=grid.width,
                rows=grid.height,
            )


def _check_size(side: int, x: AxisSizeLaw, y: AxisSizeLaw, ratios: Sequence[Fraction]) -> None:
    if (x.fixed or y.fixed) and (x.rfield, y.rfield) != (side, side):
        taken = x.rfield if x.rfield == y.rfield else 0
        raise ParameterError(
            "{context} is {side}, but the model takes only {width} x {height} pixels: set {context}={taken}.",
            context=_KEY,
            side=side,
            width=x.rfield,
            height=y.rfield,
            taken=taken,
        )
    for law in (x, y):
        if reason := _misfit(side, law, ratios):
            raise ParameterError(
                "{context} is {side}, but {reason}: choose {near}.",
                context=_KEY,
                side=side,
                reason=reason,
                near=_nearest(side, (x, y), ratios),
            )


def _misfit(side: int, law: AxisSizeLaw, ratios: Sequence[Fraction]) -> Phrase | None:
    """Return why windows of a size cannot be used along an axis; None where they can."""
    step = 1 if law.fixed else math.lcm(law.lattice, law.scale.numerator)
    if side < law.rfield or (side - law.rfield) % step:
        return Phrase(
            "the model takes sizes of at least {smallest} pixels, in steps of {step}", smallest=law.rfield, step=step
        )
    half = (side - law.crop) / law.scale / 2
    if half.denominator > 1 or any((half * law.scale * ratio).denominator > 1 for ratio in ratios):
        return Phrase("half a window must be whole outputs and whole pixels of each source")
    return None


def _nearest(side: int, laws: Sequence[AxisSizeLaw], ratios: Sequence[Fraction]) -> str:
    """Return the next smaller and the next larger size that can be used, in words."""

    def first(sizes: range) -> list[str]:
        found = (str(size) for size in sizes if not any(_misfit(size, law, ratios) for law in laws))
        return list(itertools.islice(found, 1))

    near = [*first(range(side - 1, 1, -1)), *first(range(side + 1, side + _FARTHEST))]
    return Phrase(" or ").join(near) if near else Phrase("{context}=0 (no windows)", context=_KEY)


def _windowed(axis: AxisFields) -> AxisFields:
    half = axis.efield // 2
    pixels = int(half * axis.scale)
    return replace(axis, lattice=pixels, stride=pixels, margin=(half, half), fixed=False, windowed=True)
