"""The run of LandCoverMap: samples, training and serving, one after the other."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..accuracy.scores import described, numbers
from ..base.progress import Part, Progress, Quiet
from ..errors import ParameterError, field
from ..files.staging import Staging
from ..models.servingdefaults import ServingDefaults
from ..models.sidecar import change_serving_defaults
from ..operations.landcovermap import OF_PATCHES, OF_PIXELS, OF_TILES, LandCoverMap
from ..parameters.rasteroutputs import results_of
from ..parameters.sampleroles import SampleRole
from ..parameters.templatenames import TEMPLATE_PREFIX, TEMPLATES
from ..phrases import Phrase
from ..rasters.alpha import open_images, said
from ..rasters.outputtrial import Content
from ..rasters.rasteroutput import OutputRaster, driver_for
from ..rasters.rasterstack import Stack
from ..samples.mapmask import open_mask
from ..vectors.vectoroutput import check_vector_output
from .baselines import fill_as_network, forest_class_scores
from .landcoverlabels import Labels, RasterLabels, open_raster, open_vector, parse_legend, smallest_type
from .landcoverreport import add_forest
from .landcoversamples import LandCoverSamples, prepare_samples
from .missingdata import decide_missing_data, filling_words
from .nestedruns import run_nested
from .trainedmaps import check_outputs, serve_map, try_certainty, work_folder
from .trainingplan import TrainingPlan

_COVERED = 0.5  # of the image, from which labels are dense
_TILE = 64  # pixels
_PATIENCE = 15  # epochs without progress, after which training ends


def make_map(parameters: LandCoverMap, progress: Progress) -> dict[str, Any]:
    """Make the map.

    A model that was trained stays where it is asked for, should the map fail after it.

    Returns:
        The outputs' paths by key; `mode`, `patches` or `dense`; `kappa`, `overall_accuracy` and `f1_macro` of the samples
        held back (of those for training where there are none), left out where they are not defined; `samples_training`
        and `samples_validation`, their numbers; `epochs_run`; `baseline_kappa` of the random forest on the same samples as
        `kappa`, if asked for; `pixels_nodata` of the map; `classes`, value, name and color of each.

    Raises:
        ParameterError, RasterError, VectorError, ModelError: bad input, as far as possible before work starts.
        TrainingError: the network did not learn.
        Cancelled: `progress` asked to stop.
    """
    check_outputs(parameters)
    if parameters.out_polygons:
        check_vector_output(parameters.out_polygons, field("out_polygons"))
    names = parse_legend(parameters.legend)
    asked, image = parameters.alpha, open_images(parameters.image, parameters.alpha, progress)
    open_mask(parameters, image.grid, image.reference, image.names[0], progress)  # refused before a model is trained
    parameters = dataclasses.replace(parameters, alpha=said(image) or parameters.alpha)  # for all steps
    labels = _open_labels(parameters, asked, image, progress)
    plan = _plan(parameters, labels, image, progress)
    progress.info(
        Phrase(
            "{tiles} of {size} x {size} pixels for the network {removeprefix}.",
            tiles=Phrase("Tiles") if plan.dense else Phrase("Patches"),
            size=plan.size,
            removeprefix=plan.model.removeprefix(TEMPLATE_PREFIX),
        )
    )
    with ExitStack() as stack:
        folder = work_folder(parameters, stack, progress)
        step = Part(progress, 0.0, 0.1)
        samples = prepare_samples(parameters, image, labels, names, plan, folder, step)
        _try_format(parameters, plan, image, samples, progress)
        trained = _train(parameters, plan, samples, folder, Part(progress, 0.1, 0.8))
        for model in (trained["out.keras"], trained.get("model.saveto")):
            if model:
                _set_serving_defaults(parameters, plan, samples, model)
        end = 0.9 if parameters.baseline else 1.0
        mapped = end - 0.03 if parameters.out_polygons else end
        served = serve_map(parameters, trained["out.keras"], Part(progress, 0.8, mapped))
        if parameters.out_polygons:
            _make_polygons(parameters, parameters.out_polygons, Part(progress, mapped, end))
        forest = _compare_with_forest(parameters, plan, samples, trained, progress) if parameters.baseline else {}
    passed_on = ["model.saveto", "out.report", "kappa", "overall_accuracy", "f1_macro", "epochs_run"]
    passed_on += ["temperature", "calibration_error"]
    told = {"probabilities": served["probabilities"]} if parameters.out_probabilities else {}
    polygons = {"out.polygons": parameters.out_polygons} if parameters.out_polygons else {}
    return {
        **results_of(parameters),
        **told,
        **polygons,
        **{
            key: trained[key]
            for key in [*passed_on, *(["out.keras"] if parameters.out_keras else [])]
            if key in trained
        },
        **forest,
        "pixels_nodata": served["pixels_nodata"],
        "mode": "dense" if plan.dense else "patches",
        "samples_training": samples.counts[SampleRole.TRAINING],
        "samples_validation": samples.counts.get(SampleRole.VALIDATION, 0),
        "classes": served["classes"],
    }


def _make_polygons(parameters: LandCoverMap, out: str, progress: Progress) -> None:
    """Write the finished map as polygons."""
    values = {"in": parameters.out, "probabilities": parameters.out_confidence, "out": out}
    words = {"in": field("out"), "probabilities": field("out_confidence"), "out": field("out_polygons")}
    run_nested("MapToPolygons", values, words, Quiet(progress))


def _compare_with_forest(
    parameters: LandCoverMap, plan: TrainingPlan, samples: LandCoverSamples, trained: dict[str, Any], progress: Progress
) -> dict[str, float]:
    """Train a random forest, add it to the report, and return its result."""
    fill = fill_as_network(trained["out.keras"], samples.files[SampleRole.TRAINING][0])
    ignored = samples.classes.ignored if plan.dense else None
    scores = forest_class_scores(
        samples.files, ignored, samples.classes.legend, fill, parameters.seed, Part(progress, 0.9, 1.0)
    )
    decides = SampleRole.VALIDATION if SampleRole.VALIDATION in scores else SampleRole.TRAINING
    progress.info(
        Phrase(
            "The random forest on the samples for {decides}: {scores}.",
            decides=decides,
            scores=described(scores[decides]),
        )
    )
    if parameters.out_report:
        add_forest(parameters.out_report, trained, scores, decides, progress)
    found = numbers(scores[decides])
    return {"baseline_kappa": found["kappa"]} if "kappa" in found else {}


def _try_format(
    parameters: LandCoverMap, plan: TrainingPlan, image: Stack, samples: LandCoverSamples, progress: Progress
) -> None:
    """Raise RasterError where the format of the map does not hold its classes, before a model is trained for it."""
    values, ignored = samples.classes.values, samples.classes.ignored
    masked = parameters.masked or image.missing(parameters.nodata, rule=plan.missing.for_training).possible
    try_certainty(parameters, image, len(values), progress)
    with Staging(parameters.out, progress) as staging:
        OutputRaster.try_out(
            staging,
            image.grid,
            1,
            smallest_type((*values, *((ignored,) if masked else ()))),
            image.reference,
            driver_for(parameters.out),
            nodata=float(ignored) if masked else None,
            content=Content(True, values),
        )


def _open_labels(parameters: LandCoverMap, alpha: str, image: Stack, progress: Progress) -> Labels:
    if parameters.labels_vector:
        return open_vector(parameters.labels_vector, parameters.labels_field or "", image, progress)
    return open_raster(parameters.labels_raster, parameters.labels_nodata, alpha, image, progress)


def _plan(parameters: LandCoverMap, labels: Labels, image: Stack, progress: Progress) -> TrainingPlan:
    """Decide what is not given, and check that it fits.

    Raises:
        ParameterError: the patch size does not fit the network or the image.
    """
    if parameters.mode != "auto":
        dense = parameters.mode == "dense"
    elif parameters.template != "auto":
        dense = parameters.template in OF_TILES
    else:
        dense = isinstance(labels, RasterLabels) and labels.covered >= _COVERED
    template = parameters.template if parameters.template != "auto" else (OF_TILES if dense else OF_PATCHES)[0]
    step = TEMPLATES[template].geometry.rfields[0]
    pixelwise = template in OF_PIXELS
    size = parameters.patchsize or (_TILE if dense else step)
    fits = size % step == 0 if dense else size == step or "patch" in TEMPLATES[template].takes
    if not parameters.model_dir and not fits:
        wanted = Phrase("a multiple of {step}", step=step) if dense else str(step)
        raise ParameterError(
            "{patchsize} is {size}, but for the network {template} it must be {wanted}.",
            patchsize=field("patchsize"),
            size=size,
            template=template,
            wanted=wanted,
        )
    if size > min(image.grid.width, image.grid.height):
        raise ParameterError(
            "{patchsize} is {size}, but {name} has only {width} x {height} pixels: choose a smaller patch size, or "
            "a larger image.",
            patchsize=field("patchsize"),
            size=size,
            name=image.names[0],
            width=image.grid.width,
            height=image.grid.height,
        )
    batch = parameters.batchsize or (8 if dense else 64)
    model = parameters.model_dir or TEMPLATE_PREFIX + template
    missing = decide_missing_data(parameters, model, image, progress)
    return TrainingPlan(model, dense, pixelwise, size, batch, missing)


def _train(
    parameters: LandCoverMap, plan: TrainingPlan, samples: LandCoverSamples, folder: Path, progress: Progress
) -> dict[str, Any]:
    """Train, and return the results of TensorflowModelTrain."""
    values: dict[str, Any] = {
        "model.dir": plan.model,
        "training.batchsize": plan.batch,
        "training.epochs": parameters.epochs,
        "remap_labels": True,
        "augmentation": "flips_turns",
        "validation.mode": "class",
        "calibrate": parameters.calibrate,
        "schedule": "plateau",
        "patience": _PATIENCE,
        "seed": parameters.seed,
        "device": parameters.device,
        "memory": parameters.memory,
        "model.saveto": parameters.model_saveto,
        "out.keras": parameters.out_keras or str(folder / "model.keras"),
        "out.history": str(folder / "history.csv"),
        "out.report": parameters.out_report,
        **plan.missing.training_values(parameters),
    }
    if plan.dense:
        values["ignored_label"] = samples.classes.ignored
    for role, files in samples.files.items():
        values.update({f"{role}.source{number}.il": [path] for number, path in enumerate(files, 1)})
    cut_from = (field("image"), field("labels_vector" if parameters.labels_vector else "labels_raster"))
    words = {
        **{f"{role}.source{number}.il": cut for role in samples.files for number, cut in enumerate(cut_from, 1)},
        "model.dir": field("model_dir" if parameters.model_dir else "template"),
        "training.batchsize": field("batchsize"),
        "training.epochs": field("epochs"),
        "calibrate": field("calibrate"),
        "seed": field("seed"),
        "device": field("device"),
        "memory": field("memory"),
        "model.saveto": field("model_saveto"),
        "out.keras": field("out_keras"),
        "out.report": field("out_report"),
        **filling_words(),
    }
    try:
        return run_nested("TensorflowModelTrain", values, words, progress)
    except ParameterError as error:
        if not parameters.model_dir:
            raise
        mode = "dense" if plan.dense else "patches"
        raise ParameterError(
            "{reason} {mode} ({mode2} here) and {patchsize} ({size} here) must suit {model_dir}.",
            reason=error.message,
            mode=field("mode"),
            mode2=mode,
            patchsize=field("patchsize"),
            size=plan.size,
            model_dir=field("model_dir"),
        ) from error


def _set_serving_defaults(parameters: LandCoverMap, plan: TrainingPlan, samples: LandCoverSamples, model: str) -> None:
    """Set the serving defaults, so that every later run of Serve applies the model to each pixel of the whole image."""

    def changed(trained: ServingDefaults) -> ServingDefaults:
        regions = plan.dense or plan.pixelwise
        kept = plan.missing.stored_in(trained, parameters.nodata)
        return replace(
            kept,
            fullyconv="" if regions else "off",
            spcscale=None if regions else Fraction(1),
            padding="reflect",
            background=float(samples.classes.ignored),
        )

    change_serving_defaults(model, changed)
