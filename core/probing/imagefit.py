"""Whether images fit a model, as far as the model's description tells: no model is loaded, and no pixel computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..base.progress import Progress
from ..errors import ModelError, OtbtfError
from ..models.modelinterface import TensorInfo, plain_name
from ..models.modelsummary import ModelSummary
from ..models.sidecar import Geometry
from ..rasters.alpha import decide
from ..rasters.narrowing import Narrowing
from ..rasters.rasterreference import check_references
from ..rasters.rasterstack import Stack
from .feeding import described, inputs_by_bands

_SAME = 0.01
"""By how much pixel sizes may differ that count as the same, relative to them."""


@dataclass(frozen=True)
class GivenImages:
    """The images of one source: its number, what GDAL opens, and the input that they are said to feed, if any."""

    number: int
    images: tuple[Any, ...]
    placeholder: str = ""


@dataclass(frozen=True)
class Fit:
    """What was found, in texts that mention parameters (`core.errors.field`).

    Attributes:
        images: what each source holds.
        misfits: what keeps the images from the model; empty where they fit.
        remarks: what the user should know, though it keeps nothing.
        fed: by the number of a source the name of the input that it feeds, where that is known.
    """

    images: tuple[str, ...] = ()
    misfits: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    fed: tuple[tuple[int, str], ...] = ()


def fit_of_images(
    summary: ModelSummary, output: str, sources: Sequence[GivenImages], alpha: str, progress: Progress
) -> Fit:
    """Say whether images fit a model that is applied to them.

    Args:
        summary: of the model.
        output: the output to compute.
        sources: at least one, in the order of their numbers.
        alpha: what bands are that are marked as alpha; see `core.rasters.alpha.decide`.
        progress: asked to cancel between images.

    Raises:
        Cancelled: `progress` asked to stop.
    """
    stacks, misfits = _opened(sources, progress)
    if misfits:
        return Fit(_listed(stacks), tuple(misfits))
    try:
        check_references([(stack.names[0], stack.reference) for stack in stacks.values()])
        fed = _fed(summary, output, sources, [stack.bands for stack in stacks.values()])
        for source, info in zip(sources, fed):
            known = summary.described.alpha.get(info.name, "")
            decide(stacks[source.number], alpha, progress, info.size(3), known)
    except OtbtfError as error:
        return Fit(_listed(stacks), (error.message,))
    remarks = []
    for source, info in zip(sources, fed):
        stack = stacks[source.number]
        misfits += [*_misfit_of_bands(source, info, stack), *_misfit_of_type(source, info, stack)]
        remarks += _narrowed(source, info, stack)
    geometry = summary.geometry(output)
    if geometry is not None:
        remarks += _too_small(geometry, stacks[sources[0].number])
        remarks += _other_pixel_sizes(geometry, fed, stacks)
    lacking = [info for info in summary.image_inputs(output) if info not in fed]
    if lacking:
        remarks.append(f"The model also takes {described(lacking)}: give images for that as a further source.")
    feeds = tuple((source.number, info.name) for source, info in zip(sources, fed))
    return Fit(_listed(stacks), tuple(misfits), tuple(remarks), feeds)


def fit_of_patches(summary: ModelSummary, sources: Sequence[GivenImages], progress: Progress) -> Fit:
    """Say whether patches images fit the inputs of a model that they train; those of targets are not looked at.

    Args:
        summary: of the model.
        sources: each names its input.
        progress: asked to cancel between images.

    Raises:
        Cancelled: `progress` asked to stop.
    """
    inputs = {info.name: info for info in summary.inputs}
    sources = [source for source in sources if plain_name(source.placeholder) in inputs]
    stacks, misfits = _opened(sources, progress)
    remarks = []
    for source in sources:
        stack, info = stacks.get(source.number), inputs[plain_name(source.placeholder)]
        if stack is None:
            continue
        misfits += [*_misfit_of_bands(source, info, stack), *_misfit_of_type(source, info, stack)]
        remarks += _narrowed(source, info, stack)
        wanted = info.size(2)
        if wanted is not None and wanted != stack.grid.width:
            misfits.append(
                f"Source {source.number} has patches of {stack.grid.width} pixels, but {info.name} takes {wanted}."
            )
    return Fit(_listed(stacks), tuple(misfits), tuple(remarks))


def _opened(sources: Sequence[GivenImages], progress: Progress) -> tuple[dict[int, Stack], list[str]]:
    """Open the images of each source; return them by its number, and why some could not be opened."""
    stacks, misfits = {}, []
    for source in sources:
        progress.check()
        try:
            stacks[source.number] = Stack(source.images, placed=False, takes_complex=True)
        except OtbtfError as error:
            misfits.append(error.message)
    return stacks, misfits


def _listed(stacks: Mapping[int, Stack]) -> tuple[str, ...]:
    return tuple(
        f"Source {number}: {_bands(stack.bands)}, {stack.dtype.name}, {stack.grid.width} x {stack.grid.height} pixels of "
        f"{stack.grid.x.spacing:g} x {stack.grid.y.spacing:g}, {_system(stack)}"
        for number, stack in stacks.items()
    )


def _system(stack: Stack) -> str:
    return stack.reference.describe() if stack.reference.wkt else "no CRS"


def _bands(number: int) -> str:
    return f"{number} band{'' if number == 1 else 's'}"


def _fed(
    summary: ModelSummary, output: str, sources: Sequence[GivenImages], bands: Sequence[int]
) -> Sequence[TensorInfo]:
    """Return the input that each source feeds.

    Raises:
        ModelError: an input does not exist, or there are more sources than inputs.
    """
    known, images = {info.name: info for info in summary.inputs}, summary.image_inputs(output)
    named: dict[int, TensorInfo] = {}
    for place, source in enumerate(sources):
        name = plain_name(source.placeholder)
        if name and name not in known:
            raise ModelError(f"The model has no input {name!r}; it has {', '.join(known)}.")
        if name:
            named[place] = known[name]
    free = [info for info in images if info not in named.values()]
    if len(sources) - len(named) > len(free):
        raise ModelError(f"The model takes {described(images) or 'no images'}, but {len(sources)} sources are given.")
    return inputs_by_bands(free, named, bands)


def _misfit_of_bands(source: GivenImages, info: TensorInfo, stack: Stack) -> list[str]:
    wanted = info.size(3)
    if wanted in (None, stack.bands):
        return []
    return [f"Source {source.number} has {_bands(stack.bands)}, but {info.name} takes {wanted}."]


def _misfit_of_type(source: GivenImages, info: TensorInfo, stack: Stack) -> list[str]:
    if stack.dtype.kind != "c" or not info.dtype or info.dtype.startswith("complex"):
        return []
    return [f"Source {source.number} holds complex numbers, but {info.name} takes {info.dtype}."]


def _narrowed(source: GivenImages, info: TensorInfo, stack: Stack) -> list[str]:
    narrowing = Narrowing(stack.dtype, info.dtype)
    if not narrowing.whole:
        return []
    return [
        f"Source {source.number} holds {stack.dtype.name}, but {info.name} takes {info.dtype} ({narrowing.range}): other "
        "values become the nearest of these."
    ]


def _too_small(geometry: Geometry, first: Stack) -> list[str]:
    size = (geometry.x.rfield, geometry.y.rfield) if geometry.x and geometry.y else geometry.patch
    if size is None or (first.grid.width >= size[0] and first.grid.height >= size[1]):
        return []
    return [
        f"Source 1 has {first.grid.width} x {first.grid.height} pixels, but the model sees {size[0]} x {size[1]} at a time: "
        "without padding there is no output."
    ]


def _other_pixel_sizes(geometry: Geometry, fed: Sequence[TensorInfo], stacks: Mapping[int, Stack]) -> list[str]:
    """Say which sources have other pixel sizes, relative to the first, than the model was described with."""
    ratios = dict(zip(geometry.inputs, geometry.ratios))
    if any(info.name not in ratios for info in fed):
        return []
    numbered = list(stacks.items())
    first, remarks = numbered[0][1], []
    for (number, stack), info in zip(numbered[1:], fed[1:]):
        wanted: Fraction = ratios[info.name] / ratios[fed[0].name]
        spacing = first.grid.x.spacing / float(wanted)
        if abs(stack.grid.x.spacing - spacing) > _SAME * spacing:
            remarks.append(
                f"Source {number} has pixels of {stack.grid.x.spacing:g}, but {info.name} was described with {spacing:g} "
                f"where source 1 has {first.grid.x.spacing:g}: Run looks at the model again, and may refuse it."
            )
    return remarks
