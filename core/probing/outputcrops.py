"""Outputs that are one map with several crops: the choice of the one to serve, where the user names none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.progress import Progress
from ..errors import ModelError, field
from ..models.modelinterface import Model, TensorInfo
from ..phrases import Phrase
from .geometryresolver import GeometryResolver
from .outputlayout import as_map
from .sizelaw import AxisSizeLaw, Call, SizeLaw
from .tilemargins import TOLERANCE, accepted_size, relative_difference
from .trialpixels import KINDS
from .usersettings import AxisSettings, GeometrySettings

SIDES = (128, 256, 512)
"""Sides in pixels of the images on which outputs are compared, until none is cropped away."""

MOST = 32
"""Largest number of outputs that are compared."""

SCALE_TOLERANCE = 1e-3
"""Relative difference up to which one output is a multiple of another, which may be rounded."""

LEAST_ROUNDED = 100
"""Least largest value of whole numbers that are taken for rounded multiples of others."""


@dataclass(frozen=True)
class Kin:
    """An output that is a multiple of another, but for its crop.

    Attributes:
        name: of the output.
        crop: outputs that it has less on each side; negative where it has more.
        factor: how many times the other's values it has.
    """

    name: str
    crop: int
    factor: float


@dataclass(frozen=True)
class _Choice:
    name: str
    told: str


_choices: dict[Any, _Choice] = {}


def smallest_exact_crop(
    model: Model,
    name: str,
    resolver_of: Callable[[str], GeometryResolver],
    given: GeometrySettings,
    progress: Progress,
) -> str:
    """Return the output to serve where the model offers `name` with crops of several sizes (`name_crop16`, ...).

    That is the smallest crop behind which no output depends on what lies outside; the largest where
    none is; the one that is not cropped where the model needs the whole image, and `name` where it offers no crops.
    Receptive and expression fields that the user gives tell which crop is meant. Outputs on another scale are told.

    Args:
        model: the model.
        name: of the output that is served where no crop is chosen.
        resolver_of: returns what probes the model for an output, on the sources of the run.
        given: what the user gives.
        progress: is told.
    """
    resolver = resolver_of(name)
    fed = {*(info.name for info in resolver.inputs.images), *resolver.inputs.constants}
    others = [other for other in model.outputs if other != name and fed >= set(model.needed_inputs([other]))]
    bands = model.output(name).size(-1)
    others = [other for other in others if bands is None or model.output(other).size(-1) in (None, bands)]
    others = [other for other in others if _is_real_map(model.output(other))][: MOST - 1]
    if not others or not _is_real_map(model.output(name)):
        return name
    key = resolver.key, given.axes
    if key not in _choices:
        _choices[key] = _chosen(name, others, resolver, resolver_of, given)
    choice = _choices[key]
    if choice.told:
        progress.info(choice.told)
    return choice.name


def _is_real_map(info: TensorInfo) -> bool:
    return info.holds_numbers and "complex" not in info.dtype


def _chosen(
    name: str,
    others: Sequence[str],
    resolver: GeometryResolver,
    resolver_of: Callable[[str], GeometryResolver],
    given: GeometrySettings,
) -> _Choice:
    try:
        kin = _kin(resolver, resolver.size_law(), [name, *others])
    except ModelError:
        return _Choice(name, "")
    told = _scales_told(name, [each for each in kin if each.factor != 1])
    crops = sorted((each.crop, each.name != name, each.name) for each in kin if each.factor == 1)
    if len(crops) < 2:
        return _Choice(name, told)
    least, _, base = crops[0]
    whole = resolver_of(base)
    try:
        meant = _of_given_fields(whole.size_law().x, given.x, [(crop - least, each) for crop, _, each in crops])
        if meant:
            return _Choice(meant, told)
        margins = whole.tile_margins(lambda side: side <= SIDES[-1], (SIDES[-1],) * 2)
    except ModelError:
        return _Choice(name, told)
    if margins.whole:
        return _Choice(base, told)
    needed = max(*margins.margin_x, *margins.margin_y)
    return _Choice(next((other for crop, _, other in crops if crop - least >= needed), crops[-1][2]), told)


def _of_given_fields(law: AxisSizeLaw | None, given: AxisSettings, crops: Sequence[tuple[int, str]]) -> str | None:
    """Return the output for which the receptive and expression fields are right that the user gives, if both are."""
    if law is None or given.rfields[0] is None or given.efield is None:
        return None
    missing = given.rfields[0] - given.efield * law.scale
    return next((name for crop, name in crops if law.crop + 2 * crop * law.scale == missing), None)


def _scales_told(name: str, kin: Sequence[Kin]) -> str:
    if not kin:
        return ""
    listed = Phrase(", ").join(
        Phrase("{each} ({factor:g} times)", each=each.name, factor=float(f"{each.factor:.3g}")) for each in kin
    )
    return Phrase(
        "The model also has {name} on another scale: {listed}. To write one of these, name it in {output_names}.",
        name=name,
        listed=listed,
        output_names=field("output_names"),
    )


def _kin(resolver: GeometryResolver, law: SizeLaw, names: Sequence[str]) -> list[Kin]:
    """Return the outputs that are multiples of the first but for their crop, the first among them."""
    call = resolver.computes(names).one
    size = _telling_size(resolver, law, call)
    if size is None:
        return []

    def tried(kind: str) -> list[np.ndarray]:
        return call([image[None] for image in resolver.probe.images(size, kind=kind)])

    first, *kinds = KINDS
    drawn = tried(first)
    found = [_related(name, drawn[0], other) for name, other in zip(names[1:], drawn[1:])]
    if any(each and each.factor == 1 for each in found):
        for arrays in map(tried, kinds):  # where a model is saturated, two maps may be alike by chance
            same = [_related(name, arrays[0], other) for name, other in zip(names[1:], arrays[1:])]
            found = [one if one and (one.factor != 1 or one == two) else None for one, two in zip(found, same)]
    return [Kin(names[0], 0, 1), *(each for each in found if each)]


def _telling_size(resolver: GeometryResolver, law: SizeLaw, call: Call) -> tuple[int, int] | None:
    """Return width and height of images that are large enough for all or most outputs; None for a model of patches."""
    if law.x is None or law.y is None:
        return None
    if law.x.fixed or law.y.fixed:
        return law.x.rfield, law.y.rfield
    found = None
    for side in (*resolver.probe.small_sides, *SIDES):
        pixels = accepted_size(resolver.probe, law.x, side)
        if pixels is None:
            break
        found = pixels, pixels
        if all(array.size for array in call([image[None] for image in resolver.probe.images(pixels)])):
            break
    return found


def _related(name: str, first: np.ndarray, second: np.ndarray) -> Kin | None:
    """Return the relation of the second output to the first, from their values for an image; None if there is none."""
    try:
        one, two = as_map(first, name), as_map(second, name)
    except ModelError:
        return None
    down, across = (one.shape[axis] - two.shape[axis] for axis in (0, 1))
    if not two.size or down % 2 or down != across or one.shape[2] != two.shape[2]:
        return None
    crop = down // 2
    one, two = (_inner(array.astype("float64"), most) for array, most in ((one, max(0, crop)), (two, max(0, -crop))))
    if not (np.isfinite(one).all() and np.isfinite(two).all()) or (one == one[:1, :1]).all() or not two.any():
        return None
    if relative_difference(one, two) <= TOLERANCE:
        return Kin(name, crop, 1)
    factor = float((one * two).sum() / (one * one).sum())
    rounding = 1.0 if second.dtype.kind in "iu" and np.abs(two).max() >= LEAST_ROUNDED else 0.0
    if np.abs(two - factor * one).max() <= SCALE_TOLERANCE * np.abs(two).max() + rounding:
        return Kin(name, crop, factor)
    return None


def _inner(array: np.ndarray, crop: int) -> np.ndarray:
    return array[crop : array.shape[0] - crop, crop : array.shape[1] - crop]
