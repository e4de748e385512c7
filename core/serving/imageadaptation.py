"""Images as the model's training had them: their pixel values, and the size of their pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from osgeo import gdal

from ..base.progress import Progress
from ..errors import ModelError, ParameterError, RasterError, field
from ..files.gdalcalls import collected_errors
from ..geometry.grid import TOLERANCE
from ..models.detectorhead import recognised_head
from ..models.inputscaling import InputScaling
from ..models.modelfiles import is_onnx, model_place
from ..models.modelinterface import Model
from ..models.onnxmetadata import metadata_of
from ..models.servingdefaults import ServingDefaults
from ..parameters.rastersource import RasterSource, described
from ..phrases import Phrase
from ..probing.imagefit import not_square
from ..probing.sources import OpenSource, open_sources
from ..probing.usersettings import ModelSettings, SourceSettings
from ..rasters.inmemory import Opened
from .defaultsapplied import serving_defaults_of
from .servesettings import ServeSettings

_PIXEL_SIZE, _SCALING = field("images_pixelsize"), field("images_scaling")


def adapted(
    settings: ServeSettings, sources: list[OpenSource], progress: Progress
) -> tuple[ServeSettings, list[OpenSource]]:
    """Return settings and sources with the scaling and the pixel size that the models ask for.

    Args:
        settings: of the run.
        sources: as they are.
        progress: told what is done, and warned of what is not.

    Raises:
        ParameterError: a model asks for a pixel size in metres, but the images have none; or models that are averaged ask
            for different ones, to which images cannot both be resampled.
        RasterError: an image cannot be resampled.
    """
    paths = dict.fromkeys((settings.model.path, *settings.averaging.model_more))
    models = {path: serving_defaults_of(path) or ServingDefaults() for path in paths}
    scalings = [_scaling(settings.scaling, path, model.scaling, sources, progress) for path, model in models.items()]
    settings = replace(settings, model=replace(settings.model, scaling=scalings[0]))
    sized = {path: model for path, model in models.items() if model.pixel_size is not None}
    if not sized or settings.pixel_size == "ignore":
        return settings, sources
    found = _pixel_size(sources[0], sized)
    oblong = not_square(sources[0].stack)
    if oblong is not None:
        progress.warning(oblong)
    if settings.pixel_size == "check":
        _check_pixel_size(sources[0], found, sized, progress)
        return settings, sources
    wanted = _common_pixel_size(sized)
    if all(model.takes_pixels(found) for model in sized.values()):
        return settings, sources
    progress.info(
        Phrase(
            "The images are resampled from {found:g} m to {wanted:g} m, the pixel size that the model was trained on.",
            found=found,
            wanted=wanted,
        )
    )
    resampled = [_resampled(source, wanted / found) for source in sources]
    settings = replace(settings, sources=replace(settings.sources, sources=tuple(resampled)))
    return settings, open_sources(settings.sources)


def _check_pixel_size(
    source: OpenSource, found: float, models: Mapping[str, ServingDefaults], progress: Progress
) -> None:
    """Warn of each model, by its path, that was trained on pixels of another size than those found, in metres."""
    for path, model in models.items():
        if not model.takes_pixels(found):
            progress.warning(
                Phrase(
                    "The pixels of {name} are {found:g} m wide, but the model {path} was trained on {wanted:g} m: its "
                    "results may be wrong. To resample the images, set {pixel_size} to resample.",
                    name=source.stack.names[0],
                    found=found,
                    path=path,
                    wanted=model.pixel_size,
                    pixel_size=_PIXEL_SIZE,
                )
            )


def _common_pixel_size(models: Mapping[str, ServingDefaults]) -> float:
    """Return the pixel size that all models, by their paths, were trained on.

    Raises:
        ParameterError: it is not the same.
    """
    first, *others = ((path, float(model.pixel_size or 0)) for path, model in models.items())
    for path, size in others:
        if not models[path].takes_pixels(first[1]):
            raise ParameterError(
                "{pixel_size} is resample, but the models were trained on pixels of different sizes: {first} on {wanted:g} m, "
                "{path} on {size:g} m. Average models of one pixel size, or set {pixel_size} to ignore.",
                pixel_size=_PIXEL_SIZE,
                first=first[0],
                wanted=first[1],
                path=path,
                size=size,
            )
    return first[1]


def other_model(settings: ServeSettings, path: str, sources: Sequence[OpenSource]) -> ModelSettings:
    """Return how another model is loaded on the same images: with the scaling of its own training."""
    defaults = serving_defaults_of(path) or ServingDefaults()
    applied = None if _unscaled(settings.scaling, sources) else defaults.scaling
    return replace(settings.model, path=path, scaling=applied)


def scaling_mode(settings: ServeSettings, sources: Sequence[OpenSource]) -> str:
    """Return IMAGES_SCALING with which another run scales images as this one: on, off, or empty where nothing is scaled."""
    defaults = serving_defaults_of(settings.model.path)
    if defaults is None or defaults.scaling is None:
        return ""
    return "off" if _unscaled(settings.scaling, sources) else "on"


def _unscaled(mode: str, sources: Sequence[OpenSource]) -> bool:
    """Return whether images are used as they are, whatever the model says."""
    return mode == "off" or (mode == "auto" and _no_bytes(sources) is not None)


def _no_bytes(sources: Sequence[OpenSource]) -> OpenSource | None:
    """Return the first source that holds anything but bytes."""
    return next((source for source in sources if source.stack.dtype.name != "uint8"), None)


def _scaling(
    mode: str, path: str, scaling: InputScaling | None, sources: Sequence[OpenSource], progress: Progress
) -> InputScaling | None:
    """Return the scaling that is applied for a model; say so."""
    if scaling is None or mode == "off":
        return None
    other = _no_bytes(sources)
    if mode == "on" or other is None:
        progress.info(
            Phrase(
                "Pixel values are scaled as in the training of the model {path}: {scaling}.",
                path=path,
                scaling=scaling.describe(),
            )
        )
        return scaling
    progress.warning(
        Phrase(
            "The model {path} was trained on bytes scaled as {scaling}, but {name} holds {dtype}: its pixel values are used "
            "as they are. Check that they have the range of the training, or set {images_scaling}.",
            path=path,
            scaling=scaling.describe(),
            name=other.stack.names[0],
            dtype=other.stack.dtype.name,
            images_scaling=_SCALING,
        )
    )
    return None


def _pixel_size(source: OpenSource, models: Mapping[str, ServingDefaults]) -> float:
    """Return the width of the pixels in metres, that the models ask for.

    Raises:
        ParameterError: they have none.
    """
    reference = source.stack.reference
    if reference.metres is None:
        path, model = next(iter(models.items()))
        raise ParameterError(
            "The model {path} was trained on pixels of {wanted:g} m, but those of {name} are measured in {unit}: reproject "
            "the image to a coordinate system in metres (Raster > Projections > Warp), or set {pixel_size} to ignore.",
            path=path,
            wanted=model.pixel_size,
            name=source.stack.names[0],
            unit=Phrase("degrees") if reference.angles else Phrase("no known unit"),
            pixel_size=_PIXEL_SIZE,
        )
    return float(abs(source.stack.grid.x.spacing) * reference.metres)


def _resampled(source: OpenSource, factor: float) -> SourceSettings:
    """Return a source with pixels that are exactly `factor` times as wide, computed on reading.

    Averages where pixels become larger, else bilinear, as the images of a training are made. Sources keep the ratios of their
    pixel sizes, so the last pixels may reach beyond the image.
    """
    stack = source.stack
    grid = stack.grid
    method = "average" if factor > 1 else "bilinear"
    width, height = (_resampled_size(axis.size, factor) for axis in (grid.x, grid.y))
    right, bottom = (axis.origin + size * factor * axis.spacing for axis, size in ((grid.x, width), (grid.y, height)))
    bounds = (grid.x.origin, -bottom, right, -grid.y.origin)
    rasters: list[Any] = []
    for name, dataset, given in zip(stack.names, stack.datasets, source.settings.rasters):
        told = described(given)
        told = told if isinstance(told, RasterSource) else getattr(told, "told", None)
        if told is not None and (told.nodata or told.use_source_nodata is not True):
            raise RasterError(
                "{name} has no-data values that its file does not hold (layer properties, Transparency), which resampling "
                "would mix with the others: resample it to a file first (Raster > Projections > Warp).",
                name=name,
            )
        made = None
        with collected_errors() as errors:
            made = gdal.Warp(
                "",
                dataset,
                format="VRT",
                outputBounds=bounds,
                width=width,
                height=height,
                resampleAlg=method,
                srcNodata=source.settings.nodata,
            )
        if made is None:
            raise RasterError("The image {name} cannot be resampled: {errors}.", name=name, errors=str(errors))
        rasters.append(Opened(made, name, told))
    return replace(source.settings, rasters=tuple(rasters))


def _resampled_size(size: int, factor: float) -> int:
    """Return the number of pixels that are `factor` times as wide: averages of a part of them, or with their centre inside."""
    covered = size / factor - TOLERANCE
    return max(1, math.ceil(covered if factor > 1 else covered - 0.5))


def check_maps(model: Model, outputs: Sequence[str]) -> None:
    """Check that outputs are maps or values of patches, and no lists of objects.

    Raises:
        ModelError: they are.
    """
    head = recognised_head(model)
    if head and head.facts.maps and set(outputs) & set(head.outputs):
        raise ModelError(
            "The model {path} is a detector ({head}): its output {output} holds heat maps, sizes and offsets of objects, which "
            "are no map by themselves. Find objects with otbtf:detectobjects.",
            path=model.path,
            head=head.describe(),
            output=model.output(head.outputs[0]).describe(),
        )
    lists = [name for name in outputs if head and (name in head.all_outputs or model.output(name).rank != 4)]
    if head and lists:
        raise ModelError(
            "The model {path} is a detector ({head}): its output {output} is a list of objects, not a map. Find objects with "
            "otbtf:detectobjects, or name a tensor of shape batch x height x width x features in {output_names}.",
            path=model.path,
            head=head.describe(),
            output=model.output(lists[0]).describe(),
            output_names=field("output_names"),
        )
    place = model_place(model.path)
    told = metadata_of(place) if is_onnx(place) else None
    if told is None or not told.lists_objects:
        return
    lists = [name for name in outputs if model.output(name).rank == 3]
    if lists:
        raise ModelError(
            "The output {output} of the model {path} is a list of objects (Ultralytics' task {task}), not a map. Use a model "
            "for semantic segmentation, or name a tensor of shape batch x features x height x width in {output_names}.",
            output=model.output(lists[0]).describe(),
            path=model.path,
            task=told.task,
            output_names=field("output_names"),
        )
