"""Whether images fit a model, as far as the model's description tells: no model is loaded, and no pixel computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..base.progress import Progress
from ..errors import ModelError, OtbtfError, field
from ..models.appliedmodel import applied
from ..models.modelinterface import TensorInfo, plain_name
from ..models.modelsummary import ModelSummary
from ..models.servingdefaults import ServingDefaults
from ..models.sidecar import Geometry
from ..phrases import Phrase
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
        remarks += [*_narrowed(source, info, stack), *_nowhere(source, stack)]
    remarks += _other_than_in_training(summary.described.serving_defaults or ServingDefaults(), list(stacks.items()))
    geometry = summary.geometry(output)
    if geometry is not None:
        remarks += _too_small(geometry, summary.described.serving_defaults, stacks[sources[0].number])
        remarks += _other_pixel_sizes(geometry, fed, stacks)
    lacking = [info for info in summary.image_inputs(output) if info not in fed]
    if lacking:
        remarks.append(
            Phrase(
                "The model also takes {lacking}: give images for that as a further source.", lacking=described(lacking)
            )
        )
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
                Phrase(
                    "Source {number} has patches of {width} pixels, but {info} takes {wanted}.",
                    number=source.number,
                    width=stack.grid.width,
                    info=info.name,
                    wanted=wanted,
                )
            )
    return Fit(_listed(stacks), tuple(misfits), tuple(remarks))


def _opened(sources: Sequence[GivenImages], progress: Progress) -> tuple[dict[int, Stack], list[str]]:
    """Open the images of each source; return them by its number, and why some could not be opened."""
    stacks, misfits = {}, []
    for source in sources:
        try:
            stacks[source.number] = Stack(source.images, placed=False, takes_complex=True, progress=progress)
        except OtbtfError as error:
            misfits.append(error.message)
    return stacks, misfits


def _listed(stacks: Mapping[int, Stack]) -> tuple[str, ...]:
    return tuple(
        Phrase(
            "Source {number}: {bands}, {dtype}, {width} x {height} pixels of {spacing:g} x {y_spacing:g}, {system}",
            number=number,
            bands=_bands(stack.bands),
            dtype=stack.dtype.name,
            width=stack.grid.width,
            height=stack.grid.height,
            spacing=stack.grid.x.spacing,
            y_spacing=stack.grid.y.spacing,
            system=_system(stack),
        )
        for number, stack in stacks.items()
    )


def _system(stack: Stack) -> str:
    return stack.reference.describe() if stack.reference.wkt else Phrase("no CRS")


def _bands(number: int) -> str:
    return Phrase("1 band") if number == 1 else Phrase("{number} bands", number=number)


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
            raise ModelError("The model has no input {name!r}; it has {known}.", name=name, known=", ".join(known))
        if name:
            named[place] = known[name]
    free = [info for info in images if info not in named.values()]
    if not images:
        raise ModelError("The output {output} of the model takes no images: choose another one.", output=output)
    if len(sources) - len(named) > len(free):
        raise ModelError(
            "The model takes {images} only, but images are given for {count} {count:source|sources}: remove the surplus.",
            images=described(images),
            count=len(sources),
        )
    return inputs_by_bands(free, named, bands)


def _misfit_of_bands(source: GivenImages, info: TensorInfo, stack: Stack) -> list[str]:
    wanted = info.size(3)
    if wanted in (None, stack.bands):
        return []
    return [
        Phrase(
            "Source {number} has {bands}, but {info} takes {wanted}.",
            number=source.number,
            bands=_bands(stack.bands),
            info=info.name,
            wanted=wanted,
        )
    ]


def _misfit_of_type(source: GivenImages, info: TensorInfo, stack: Stack) -> list[str]:
    if stack.dtype.kind != "c" or not info.dtype or info.dtype.startswith("complex"):
        return []
    return [
        Phrase(
            "Source {number} holds complex numbers, but {info} takes {dtype}.",
            number=source.number,
            info=info.name,
            dtype=info.dtype,
        )
    ]


def _narrowed(source: GivenImages, info: TensorInfo, stack: Stack) -> list[str]:
    narrowing = Narrowing(stack.dtype, info.dtype)
    if not narrowing.whole:
        return []
    return [
        Phrase(
            "Source {number} holds {dtype}, but {info} takes {info_dtype} ({range}): other values become the nearest of "
            "these.",
            number=source.number,
            dtype=stack.dtype.name,
            info=info.name,
            info_dtype=info.dtype,
            range=narrowing.range,
        )
    ]


def _nowhere(source: GivenImages, stack: Stack) -> list[str]:
    if stack.reference.wkt or stack.reference.georeferenced or stack.reference.placement:
        return []
    return [
        Phrase(
            "Source {number} has neither a coordinate system nor a geotransform: the output will have none either, and QGIS "
            "shows it by its pixels.",
            number=source.number,
        )
    ]


def not_square(stack: Stack) -> str | None:
    """Say where the pixels of an image, in metres, are not as high as wide; None where they are.

    The pixel size that a model was trained on is that of square ones.
    """
    metres = stack.reference.metres
    if metres is None:
        return None
    width, height = (abs(axis.spacing) * metres for axis in (stack.grid.x, stack.grid.y))
    if abs(height - width) <= _SAME * width:
        return None
    return Phrase(
        "The pixels of {name} are {width:g} m wide and {height:g} m high, but the model was trained on square ones: its "
        "results may be wrong. Warp the image to square pixels (Raster > Projections > Warp).",
        name=stack.names[0],
        width=width,
        height=height,
    )


def _other_than_in_training(defaults: ServingDefaults, stacks: Sequence[tuple[int, Stack]]) -> list[str]:
    """Say where images have other pixel values, or pixels of another size, than those that the model was trained on."""
    remarks: list[str] = []
    others = [(number, stack) for number, stack in stacks if stack.dtype.name != "uint8"]
    if defaults.scaling and others:
        number, stack = others[0]
        remarks.append(
            Phrase(
                "The model was trained on bytes scaled as {scaling}, but source {number} holds {dtype}: {images_scaling} says "
                "whether its pixel values are scaled.",
                scaling=defaults.scaling.describe(),
                number=number,
                dtype=stack.dtype.name,
                images_scaling=field("images_scaling"),
            )
        )
    number, first = stacks[0]
    metres = first.reference.metres
    told = {"number": number, "wanted": defaults.pixel_size, "pixel_size": field("images_pixelsize")}
    if defaults.pixel_size is not None and metres is None:
        remarks.append(
            Phrase(
                "The model was trained on pixels of {wanted:g} m, but those of source {number} are not measured in metres: "
                "reproject it to a coordinate system in metres, or set {pixel_size} to ignore.",
                **told,
            )
        )
    elif metres is not None and not defaults.takes_pixels(first.grid.x.spacing * metres):
        remarks.append(
            Phrase(
                "Source {number} has pixels of {found:g} m, but the model was trained on {wanted:g} m: {pixel_size} says "
                "whether it is resampled.",
                found=first.grid.x.spacing * metres,
                **told,
            )
        )
    oblong = not_square(first) if defaults.pixel_size is not None else None
    return [*remarks, oblong] if oblong is not None else remarks


def _too_small(geometry: Geometry, defaults: ServingDefaults | None, first: Stack) -> list[str]:
    alone = (geometry.x.rfield, geometry.y.rfield) if geometry.x and geometry.y else geometry.patch
    size = applied(geometry, defaults).patch or alone
    if size is None or (first.grid.width >= size[0] and first.grid.height >= size[1]):
        return []
    return [
        Phrase(
            "Source 1 has {width} x {height} pixels, but the model sees {size} x {size2} at a time: without padding "
            "there is no output.",
            width=first.grid.width,
            height=first.grid.height,
            size=size[0],
            size2=size[1],
        )
    ]


def _other_pixel_sizes(geometry: Geometry, fed: Sequence[TensorInfo], stacks: Mapping[int, Stack]) -> list[str]:
    """Say which sources have other pixel sizes, relative to the first, than the model was described with."""
    ratios = dict(zip(geometry.inputs, geometry.ratios))
    if any(info.name not in ratios for info in fed):
        return []
    numbered = list(stacks.items())
    first = numbered[0][1]
    remarks: list[str] = []
    for (number, stack), info in zip(numbered[1:], fed[1:]):
        wanted: Fraction = ratios[info.name] / ratios[fed[0].name]
        spacing = first.grid.x.spacing / float(wanted)
        if abs(stack.grid.x.spacing - spacing) > _SAME * spacing:
            remarks.append(
                Phrase(
                    "Source {number} has pixels of {spacing:g}, but {info} was described with {spacing2:g} where source "
                    "1 has {x_spacing:g}: Run looks at the model again, and may refuse it.",
                    number=number,
                    spacing=stack.grid.x.spacing,
                    info=info.name,
                    spacing2=spacing,
                    x_spacing=first.grid.x.spacing,
                )
            )
    return remarks
