"""What workflows that train a model and map an image with it have in common: outputs, working folder, serving."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from ..base.progress import Progress, Quiet
from ..errors import ParameterError, field
from ..files.staging import Staging, check_file, check_writable
from ..geometry.grid import TOLERANCE
from ..parameters.certaintyoutputs import asked_certainty
from ..parameters.rasteroutputs import output_paths, results_of
from ..phrases import Phrase
from ..probing.exportrun import check_replaceable
from ..rasters.rasteroutput import OutputRaster, driver_for
from ..rasters.rasterstack import Stack
from .missingdata import filling_words
from .nestedruns import run_nested

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..operations.landcovermap import LandCoverMap
    from ..operations.regressionmap import RegressionMap
    from .scenes import Scene

    MapParameters = Union[LandCoverMap, RegressionMap]


def check_outputs(parameters: MapParameters) -> None:
    """Raise ParameterError where an output cannot be written; makes nothing."""
    rasters = output_paths(parameters)
    for path in rasters.values():
        driver_for(path)
    for name in (*rasters, "out_keras", "out_report"):
        if path := getattr(parameters, name):
            check_file(path, field(name))
    if parameters.model_saveto:
        check_replaceable(Path(parameters.model_saveto), field("model_saveto"))
    if parameters.keep:
        check_writable(parameters.keep, field("keep"))
        if os.path.isfile(parameters.keep):
            raise ParameterError(
                "{keep} is {parameters_keep}, which is a file: name a folder.",
                keep=field("keep"),
                parameters_keep=parameters.keep,
            )


def work_folder(parameters: MapParameters, stack: ExitStack, progress: Progress) -> Path:
    """Return the folder for the files of the steps: the one to keep, or one that goes when `stack` is left."""
    if parameters.keep:
        folder = Path(parameters.keep)
        folder.mkdir(exist_ok=True)
        return folder
    return stack.enter_context(Staging(parameters.out, progress)).folder


def serve_map(parameters: MapParameters, model: str, progress: Progress) -> dict[str, Any]:
    """Serve the trained model on the image, by its serving defaults; return the results of TensorflowModelServe."""
    values: dict[str, Any] = {
        "source1.il": parameters.image,
        "alpha": parameters.alpha,
        "model.dir": model,
        "memory": parameters.memory,
        "device": parameters.device,
        "mask": parameters.mask,
        "mask.vector": parameters.mask_vector,
        "augment.serve": parameters.augment_serve,
        **results_of(parameters),  # its outputs have the same keys
    }
    words = {
        "source1.il": field("image"),
        "source1.nodata": field("nodata"),
        **filling_words(),
        "alpha": field("alpha"),
        "memory": field("memory"),
        "device": field("device"),
        "mask": field("mask"),
        "mask.vector": field("mask_vector"),
        "augment.serve": field("augment_serve"),
        **{key: field(name) for key, name in zip(results_of(parameters), output_paths(parameters))},
    }
    progress.info("Mapping the image.")
    served = run_nested("TensorflowModelServe", values, words, Quiet(progress))
    progress.info(
        Phrase(
            "{without_data} of {area} pixels of the map are no-data.",
            without_data=served["pixels_nodata"],
            area=served["width"] * served["height"],
        )
    )
    return served


def check_turns(parameters: MapParameters, image: Stack) -> None:
    """Raise ParameterError where pixels cannot be turned, before a model is trained."""
    width, height = image.grid.x.spacing, image.grid.y.spacing
    if parameters.augment_serve == "flips_turns" and abs(width - height) > TOLERANCE * width:
        raise ParameterError(
            "{turned} is flips_turns, but {name} has pixels of {width:g} x {height:g}; quarter turns need square pixels: set "
            "{turned}=flips.",
            turned=field("augment_serve"),
            name=image.names[0],
            width=width,
            height=height,
        )


def between(start: float, end: float, place: int, count: int) -> tuple[float, float]:
    """Return from where to where the part number `place` (from 0) of `count` equal ones of a step reaches."""
    each = (end - start) / count
    return start + place * each, start + (place + 1) * each


def maps_of(scenes: Sequence[Scene[Any]]) -> list[dict[str, Any]]:
    """Return name, use and outputs of each scene, as results tell them."""
    return [
        {
            "scene": scene.name,
            "held_back": scene.held_back,
            **results_of(scene.parameters),
            **_polygons(scene.parameters),
        }
        for scene in scenes
    ]


def _polygons(parameters: Any) -> dict[str, str]:
    path = getattr(parameters, "out_polygons", None)
    return {"out.polygons": path} if path else {}


def try_certainty(parameters: MapParameters, image: Stack, classes: int, progress: Progress) -> None:
    """Raise RasterError where a format does not hold what tells how sure the map is, before a model is trained for it."""
    for name in asked_certainty(parameters):
        path = getattr(parameters, name)
        with Staging(path, progress, field(name)) as staging:
            bands = classes if name == "out_probabilities" else 1
            dtype, driver = np.dtype("float32"), driver_for(path)
            OutputRaster.try_out(staging, image.grid, bands, dtype, image.reference, driver, nodata=np.nan)
