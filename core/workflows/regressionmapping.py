"""The run of RegressionMap: pixels with known values, training and serving, one after the other."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..base.progress import Part, Progress, Quiet
from ..errors import ParameterError, field
from ..files.staging import Staging
from ..models.servingdefaults import ServingDefaults
from ..models.sidecar import change_serving_defaults
from ..operations.regressionmap import RegressionMap
from ..parameters.sampleroles import SampleRole
from ..parameters.templatenames import TEMPLATE_PREFIX
from ..phrases import Phrase
from ..rasters.alpha import open_images, said
from ..rasters.outputtrial import Content
from ..rasters.rasteroutput import OutputRaster, driver_for
from ..rasters.rasterstack import Stack
from ..samples.mapmask import open_mask
from ..vectors.vectorlayer import REAL, Field
from ..vectors.vectoroutput import OutputVector, vector_staging
from .baselines import fill_as_network
from .missingdata import MissingData, decide_missing_data, filling_words
from .nestedruns import run_nested
from .regressionreport import compare, forest_scores, report_of, shown
from .regressionvalues import KnownValues, values_of_points, values_of_raster
from .samplesplit import LocatedSamples, split_samples
from .trainedmaps import check_outputs, serve_map, work_folder

_VALUE = "value"
_PATIENCE = 25  # epochs without progress, after which training ends
_BLOCKS = 8  # along the longer side of the image
_NODATA, _LOWEST = -9999.0, float(np.finfo("float32").min)


@dataclasses.dataclass(frozen=True)
class RegressionSamples:
    """Pixels and values.

    Attributes:
        known: by role, where the quantity is known.
        files: by role, patches image and values image.
        counts: by role, how many pixels these have.
    """

    known: dict[SampleRole, KnownValues]
    files: dict[SampleRole, tuple[list[str], list[str]]]
    counts: dict[SampleRole, int]


def make_map(parameters: RegressionMap, progress: Progress) -> dict[str, Any]:
    """Make the map.

    A model that was trained stays where it is asked for, should the map fail after it.

    Returns:
        The outputs' paths by key; `rmse`, `mae`, `bias` and `r2` of the map against the values held back (those for
        training where there are none), in the unit of the values, left out where they are not defined; `baseline_r2` of
        the random forest, if asked for; `samples_training` and `samples_validation`, their numbers; `epochs_run`;
        `pixels_nodata` of the map.

    Raises:
        ParameterError, RasterError, VectorError, ModelError: bad input, as far as possible before work starts.
        TrainingError: the network did not learn.
        Cancelled: `progress` asked to stop.
    """
    check_outputs(parameters)
    image = open_images(parameters.image, parameters.alpha, progress)
    open_mask(parameters, image.grid, image.reference, image.names[0], progress)  # refused before a model is trained
    known = _known_values(parameters, image, progress)
    parameters = replace(parameters, alpha=said(image) or parameters.alpha)  # for all steps
    nodata = _NODATA if known.values.min() > _NODATA else _LOWEST
    missing = decide_missing_data(parameters, TEMPLATE_PREFIX + parameters.template, [image], progress)
    with ExitStack() as stack:
        folder = work_folder(parameters, stack, progress)
        _try_format(parameters, image, nodata, missing, progress)
        samples = _prepare(parameters, known, image, missing, folder, Part(progress, 0.0, 0.1))
        trained = _train(parameters, samples, missing, folder, Part(progress, 0.1, 0.8))
        for model in (trained["out.keras"], trained.get("model.saveto")):
            if model:
                _set_serving_defaults(parameters, missing, model, nodata)
        served = serve_map(parameters, trained["out.keras"], Part(progress, 0.8, 0.95))
        comparisons = {role: compare(parameters.out, part, nodata, progress) for role, part in samples.known.items()}
        forest = {}
        if parameters.baseline:
            fill = fill_as_network(trained["out.keras"], samples.files[SampleRole.TRAINING][0])
            forest = forest_scores(samples.files, fill, parameters.seed, progress)
        if parameters.out_report:
            page = report_of(parameters, samples.counts, comparisons, forest)
            with Staging.of_file(parameters.out_report, progress, field("out_report")) as place:
                place.path.write_text(page, encoding="utf-8")
                place.commit()
    decides = SampleRole.VALIDATION if SampleRole.VALIDATION in comparisons else SampleRole.TRAINING
    numbers = comparisons[decides].numbers
    progress.info(Phrase("The map against the values for {decides}: {scores}.", decides=decides, scores=shown(numbers)))
    results = {"out": parameters.out, **numbers, "epochs_run": trained["epochs_run"]}
    if decides in forest and "r2" in forest[decides]:
        results["baseline_r2"] = forest[decides]["r2"]
    for key in ("model.saveto", *(["out.keras"] if parameters.out_keras else [])):
        if key in trained:
            results[key] = trained[key]
    if parameters.out_report:
        results["out.report"] = parameters.out_report
    return {
        **results,
        "pixels_nodata": served["pixels_nodata"],
        "samples_training": samples.counts[SampleRole.TRAINING],
        "samples_validation": samples.counts.get(SampleRole.VALIDATION, 0),
    }


def _known_values(parameters: RegressionMap, image: Stack, progress: Progress) -> KnownValues:
    most, seed = parameters.samples, parameters.seed
    if parameters.values_vector:
        name = parameters.values_field or ""
        found = values_of_points(parameters.values_vector, name, image, most, seed, progress)
        given = field("values_field")
    else:
        source, nodata = parameters.values_raster, parameters.values_nodata
        found = values_of_raster(source, nodata, parameters.alpha, image, most, seed, progress)
        given = field("values_raster")
    low, high = float(found.values.min()), float(found.values.max())
    if low == high:
        raise ParameterError(
            "{given} has one value only on the image, {low:g}, from which nothing can be learned: give values that "
            "differ.",
            given=given,
            low=low,
        )
    progress.info(Phrase("{count} known values, from {low:.6g} to {high:.6g}.", count=len(found), low=low, high=high))
    return found


def _try_format(
    parameters: RegressionMap, image: Stack, nodata: float, missing: MissingData, progress: Progress
) -> None:
    """Raise RasterError where the format of the map does not hold its values, before a model is trained for it."""
    masked = parameters.masked or image.missing(parameters.nodata, rule=missing.for_training).possible
    with Staging(parameters.out, progress) as staging:
        OutputRaster.try_out(
            staging,
            image.grid,
            1,
            np.dtype("float32"),
            image.reference,
            driver_for(parameters.out),
            nodata=nodata if masked else None,
            content=Content(False),
        )


def _prepare(
    parameters: RegressionMap, known: KnownValues, image: Stack, missing: MissingData, folder: Path, progress: Progress
) -> RegressionSamples:
    """Split the places between training and validation, and cut their pixels."""
    grid = image.grid
    side = parameters.validation_blocksize or max(1, max(grid.width, grid.height) // _BLOCKS)
    located = LocatedSamples(known.places(grid), np.ones((len(known), 1)), None, 1, side)
    training, validation = split_samples(located, parameters.validation_share, parameters.seed)
    parts = {SampleRole.TRAINING: known.of(training), SampleRole.VALIDATION: known.of(validation)}
    parts = {role: part for role, part in parts.items() if len(part)}
    if SampleRole.VALIDATION in parts:
        progress.info(Phrase("Blocks of {side} x {side} pixels are held back for validation.", side=side))
    files, counts = {}, {}
    for number, (role, part) in enumerate(parts.items()):
        step = Part(progress, number / len(parts), (number + 1) / len(parts))
        files[role], counts[role] = _extract(parameters, role, part, image, missing, folder, step)
        progress.info(Phrase("{count} {count:pixel|pixels} for {role}.", count=counts[role], role=role))
    return RegressionSamples(parts, files, counts)


def _extract(
    parameters: RegressionMap,
    role: SampleRole,
    part: KnownValues,
    image: Stack,
    missing: MissingData,
    folder: Path,
    progress: Progress,
) -> tuple[tuple[list[str], list[str]], int]:
    """Write the points, and cut their pixels; return both paths, and the number of pixels."""
    points = str(folder / f"values_{role}.gpkg")
    with vector_staging(points, progress) as staging:
        with OutputVector(staging, (Field(_VALUE, REAL),), image.reference, progress) as out:
            out.write([part.values], part.x, part.y)
            out.close()
        staging.commit()
    pixels, values = str(folder / f"pixels_{role}.tif"), str(folder / f"values_{role}.tif")
    given: dict[str, Any] = {
        "source1.il": parameters.image,
        "source1.patchsizex": 1,
        "source1.patchsizey": 1,
        "source1.nodata": parameters.nodata,
        **missing.extraction_values(),
        "alpha": parameters.alpha,
        "source1.out": pixels,
        "vec": points,
        "field": _VALUE,
        "outlabels": values,
        "outlabels.pixeltype": "float",
        "memory": parameters.memory,
    }
    words = {
        "source1.il": field("image"),
        "source1.nodata": field("nodata"),
        **filling_words(),
        "alpha": field("alpha"),
        "memory": field("memory"),
    }
    return ([pixels], [values]), run_nested("PatchesExtraction", given, words, Quiet(progress))["patches"]


def _train(
    parameters: RegressionMap, samples: RegressionSamples, missing: MissingData, folder: Path, progress: Progress
) -> dict[str, Any]:
    """Train, and return the results of TensorflowModelTrain."""
    values: dict[str, Any] = {
        "model.dir": TEMPLATE_PREFIX + parameters.template,
        "training.batchsize": parameters.batchsize,
        "training.epochs": parameters.epochs,
        "validation.mode": "rmse",
        "schedule": "plateau",
        "patience": _PATIENCE,
        "seed": parameters.seed,
        "device": parameters.device,
        "memory": parameters.memory,
        "model.saveto": parameters.model_saveto,
        "out.keras": parameters.out_keras or str(folder / "model.keras"),
        "out.history": str(folder / "history.csv"),
        **missing.training_values(parameters),
    }
    for role, files in samples.files.items():
        values.update({f"{role}.source{number}.il": paths for number, paths in enumerate(files, 1)})
    cut_from = (field("image"), field("values_vector" if parameters.values_vector else "values_raster"))
    words = {
        **{f"{role}.source{number}.il": cut for role in samples.files for number, cut in enumerate(cut_from, 1)},
        "model.dir": field("template"),
        "training.batchsize": field("batchsize"),
        "training.epochs": field("epochs"),
        "seed": field("seed"),
        "device": field("device"),
        "memory": field("memory"),
        "model.saveto": field("model_saveto"),
        "out.keras": field("out_keras"),
        **filling_words(),
    }
    return run_nested("TensorflowModelTrain", values, words, progress)


def _set_serving_defaults(parameters: RegressionMap, missing: MissingData, model: str, nodata: float) -> None:
    """Set the serving defaults, so that every later run of Serve treats missing pixels alike."""

    def changed(trained: ServingDefaults) -> ServingDefaults:
        return replace(missing.stored_in(trained, parameters.nodata), background=nodata)

    change_serving_defaults(model, changed)
