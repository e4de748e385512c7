"""What must be the same for all runs that apply a model in parts of one output."""

from __future__ import annotations

from typing import Any

from ..errors import ParameterError, field
from ..models.identity import fingerprint
from ..models.modelfiles import is_onnx, model_place
from ..parameters.averaging import Averaging
from ..parameters.servedmodel import ServedModel
from ..parts.partidentity import images_identity, parameters_identity, plain, versions_identity
from ..samples.mapmask import MapMask, PolygonMask, RasterMask
from .openmodel import OpenModel

OF_THE_MASK = ("mask", "mask_vector")
"""Fields that `mask_identity` compares."""


def mask_identity(parameters: Any, mask: MapMask | None) -> dict[str, str]:
    """Return what tells a mask from others: of a raster its file, of polygons their outlines."""
    if isinstance(mask, RasterMask):
        return {"mask": images_identity(mask.stack, [parameters.mask], field("mask"))}
    return {"mask_vector": mask.digest} if isinstance(mask, PolygonMask) else {}


def packages_of(parameters: ServedModel) -> tuple[str, ...]:
    """Return the packages that decide the values of models: workers of one run need the same versions."""
    return packages_of_models(*_models(parameters))


def packages_of_models(*paths: str) -> tuple[str, ...]:
    """Return the same for models."""
    return "tensorflow", "keras", *(["onnxruntime"] if any(map(is_onnx, map(model_place, paths))) else [])


def models_identity(*paths: str) -> dict[str, str]:
    """Return what must be the same of models, under words that name it."""
    runtime = ["ONNX Runtime"] if "onnxruntime" in packages_of_models(*paths) else []
    found = versions_identity("TensorFlow", "Keras", *runtime)
    return {**found, "the model": " ".join(map(fingerprint, paths))}


def check_shared_images(pixel_size: str) -> None:
    """Raise ParameterError where images are resampled in the memory of this process; takes IMAGES_PIXELSIZE."""
    if pixel_size == "resample":
        raise ParameterError(
            "{images_pixelsize} is resample, but the parts of an output can only share images that are files: resample them "
            "first (Raster > Projections > Warp), and set it to check.",
            images_pixelsize=field("images_pixelsize"),
        )


def _models(parameters: ServedModel) -> tuple[str, ...]:
    """Return the paths of all models that are applied."""
    return (parameters.model_dir, *(parameters.model_more if isinstance(parameters, Averaging) else ()))


def model_identity(
    parameters: ServedModel, opened: OpenModel, parts_are_kept: bool, but: tuple[str, ...] = ()
) -> dict[str, str]:
    """Return what must be the same, as texts; under the fields of parameters, or under words for the rest.

    Args:
        parameters: of the operation.
        opened: its model and sources.
        parts_are_kept: whether the output refers to the parts.
        but: fields that the operation compares itself.

    Raises:
        ParameterError: an input lies in the memory of this process, or is resampled there.
    """
    check_shared_images(parameters.images_pixelsize)
    found = models_identity(*_models(parameters))
    found.update(
        parameters_identity(parameters, ("model_dir", "model_more", "sources", *OF_THE_MASK, *but), parts_are_kept)
    )
    found.update(mask_identity(parameters, opened.mask))
    for source, given in zip(opened.sources, parameters.sources):
        for name, value in vars(given).items():
            mention = field(name, "sources", source.number)
            found[f"sources[{source.number}].{name}"] = (
                images_identity(source.stack, source.settings.rasters, mention) if name == "il" else plain(value)
            )
    return found
