"""Images as the model's training had them: their pixel values, and the size of their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from osgeo import gdal, osr

from ..base.progress import Progress
from ..errors import ModelError, ParameterError, RasterError, field
from ..files.gdalcalls import collected_errors
from ..models.inputscaling import InputScaling
from ..models.modelfiles import is_onnx, model_place
from ..models.modelinterface import Model
from ..models.onnxmetadata import metadata_of
from ..models.servingdefaults import ServingDefaults
from ..parameters.rastersource import RasterSource, described
from ..phrases import Phrase
from ..probing.sources import OpenSource, open_sources
from ..probing.usersettings import ModelSettings, SourceSettings
from ..rasters.inmemory import Opened
from .defaultsapplied import serving_defaults_of
from .servesettings import ServeSettings

SAME = 0.02
"""By how much pixel sizes may differ that count as the same, relative to them."""

_PIXEL_SIZE, _SCALING = field("images_pixelsize"), field("images_scaling")


def adapted(
    settings: ServeSettings, sources: list[OpenSource], progress: Progress
) -> tuple[ServeSettings, list[OpenSource]]:
    """Return settings and sources with the scaling and the pixel size that the model asks for.

    Args:
        settings: of the run.
        sources: as they are.
        progress: told what is done, and warned of what is not.

    Raises:
        ParameterError: the model asks for a pixel size in metres, but the images have none.
        RasterError: an image cannot be resampled.
    """
    defaults = serving_defaults_of(settings.model.path) or ServingDefaults()
    scaling = _scaling(settings.scaling, defaults.scaling, sources, progress)
    settings = replace(settings, model=replace(settings.model, scaling=scaling))
    if defaults.pixel_size is None or settings.pixel_size == "ignore":
        return settings, sources
    factor = defaults.pixel_size / _pixel_size(sources[0], defaults.pixel_size)
    if abs(factor - 1) <= SAME:
        return settings, sources
    if settings.pixel_size == "check":
        progress.warning(
            Phrase(
                "The pixels of {name} are {found:g} m wide, but the model was trained on {wanted:g} m: its results may be "
                "wrong. To resample the images, set {pixel_size} to resample.",
                name=sources[0].stack.names[0],
                found=defaults.pixel_size / factor,
                wanted=defaults.pixel_size,
                pixel_size=_PIXEL_SIZE,
            )
        )
        return settings, sources
    progress.info(
        Phrase(
            "The images are resampled from {found:g} m to {wanted:g} m, the pixel size that the model was trained on.",
            found=defaults.pixel_size / factor,
            wanted=defaults.pixel_size,
        )
    )
    resampled = [_resampled(source, factor) for source in sources]
    settings = replace(settings, sources=replace(settings.sources, sources=tuple(resampled)))
    return settings, open_sources(settings.sources)


def other_model(settings: ServeSettings, path: str, sources: Sequence[OpenSource]) -> ModelSettings:
    """Return how another model is loaded on the same images: with the scaling of its own training."""
    defaults = serving_defaults_of(path) or ServingDefaults()
    applied = None if _unscaled(settings.scaling, sources) else defaults.scaling
    return replace(settings.model, path=path, scaling=applied)


def _unscaled(mode: str, sources: Sequence[OpenSource]) -> bool:
    """Return whether images are used as they are, whatever the model says."""
    return mode == "off" or (mode == "auto" and _no_bytes(sources) is not None)


def _no_bytes(sources: Sequence[OpenSource]) -> OpenSource | None:
    """Return the first source that holds anything but bytes."""
    return next((source for source in sources if source.stack.dtype.name != "uint8"), None)


def _scaling(
    mode: str, scaling: InputScaling | None, sources: Sequence[OpenSource], progress: Progress
) -> InputScaling | None:
    if scaling is None or mode == "off":
        return None
    other = _no_bytes(sources)
    if mode == "on" or other is None:
        progress.info(
            Phrase("Pixel values are scaled as in the model's training: {scaling}.", scaling=scaling.describe())
        )
        return scaling
    progress.warning(
        Phrase(
            "The model was trained on bytes scaled as {scaling}, but {name} holds {dtype}: its pixel values are used as they "
            "are. Check that they have the range of the training, or set {images_scaling}.",
            scaling=scaling.describe(),
            name=other.stack.names[0],
            dtype=other.stack.dtype.name,
            images_scaling=_SCALING,
        )
    )
    return None


def _pixel_size(source: OpenSource, wanted: float) -> float:
    """Return the width of the pixels in metres.

    Raises:
        ParameterError: they have none.
    """
    system = osr.SpatialReference()
    wkt = source.stack.reference.wkt
    if not wkt or system.ImportFromWkt(wkt) or not system.IsProjected():
        raise ParameterError(
            "The model was trained on pixels of {wanted:g} m, but those of {name} are measured in {unit}: reproject the image "
            "to a coordinate system in metres (Raster > Projections > Warp), or set {pixel_size} to ignore.",
            wanted=wanted,
            name=source.stack.names[0],
            unit=Phrase("degrees") if wkt and system.IsGeographic() else Phrase("no known unit"),
            pixel_size=_PIXEL_SIZE,
        )
    return float(abs(source.stack.grid.x.spacing) * system.GetLinearUnits())


def _resampled(source: OpenSource, factor: float) -> SourceSettings:
    """Return a source with pixels that are `factor` times as wide, computed on reading.

    Averages where pixels become larger, else bilinear, as the images of a training are made.
    """
    stack = source.stack
    grid = stack.grid
    size = [max(1, round(axis.size / factor)) for axis in (grid.x, grid.y)]
    bounds = (grid.x.origin, -grid.y.end, grid.x.end, -grid.y.origin)
    method = "average" if factor > 1 else "bilinear"
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
                width=size[0],
                height=size[1],
                resampleAlg=method,
                srcNodata=source.settings.nodata,
            )
        if made is None:
            raise RasterError("The image {name} cannot be resampled: {errors}.", name=name, errors=str(errors))
        rasters.append(Opened(made, name, told))
    return replace(source.settings, rasters=tuple(rasters))


def check_maps(model: Model, outputs: Sequence[str]) -> None:
    """Check that outputs of an ONNX model are maps or values of patches, and no lists of objects.

    Raises:
        ModelError: they are.
    """
    place = model_place(model.path)
    metadata = metadata_of(place) if is_onnx(place) else None
    if metadata is None or not metadata.lists_objects:
        return
    lists = [name for name in outputs if model.output(name).rank == 3]
    if lists:
        raise ModelError(
            "The output {output} of the model {path} is a list of objects (Ultralytics' task {task}), not a map. Use a model "
            "for semantic segmentation, or name a tensor of shape batch x features x height x width in {output_names}.",
            output=model.output(lists[0]).describe(),
            path=model.path,
            task=metadata.task,
            output_names=field("output_names"),
        )
