"""The run of LandCoverMap: samples, training and serving, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
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
from ..rasters.outputtrial import Content
from ..rasters.rasteroutput import OutputRaster, driver_for
from ..rasters.rasterstack import Stack
from ..samples.mapmask import open_mask
from ..vectors.vectoroutput import check_vector_output
from . import stepfiles
from .baselines import fill_as_network, forest_class_scores
from .furthertrained import check_trains_classes
from .landcoverlabels import Labels, RasterLabels, open_raster, open_vector, parse_legend, smallest_type
from .landcoverreport import add_forest, add_scenes
from .landcoversamples import LandCoverSamples, prepare_samples
from .missingdata import decide_missing_data, filling_words
from .nestedruns import run_nested
from .scenes import Scene, check_dates, holds_back, open_scenes
from .trainedmaps import between, check_outputs, check_turns, maps_of, serve_map, try_certainty, work_folder
from .trainingplan import TrainingPlan

_COVERED = 0.5  # of the image, from which labels are dense
_TILE = 64  # pixels
_PATIENCE = 15  # epochs without progress, after which training ends


def make_map(parameters: LandCoverMap, progress: Progress) -> dict[str, Any]:
    """Make the map, or those of all scenes.

    A model that was trained stays where it is asked for, with its report and the maps before, should a map fail after it.

    Returns:
        The outputs' paths by key; `mode`, `patches` or `dense`; `kappa`, `overall_accuracy` and `f1_macro` of the samples
        held back (of those for training where there are none), left out where they are not defined; `samples_training`
        and `samples_validation`, their numbers; `epochs_run`; `baseline_kappa` of the random forest on the same samples as
        `kappa`, if asked for; `pixels_nodata` of all maps; `classes`, value, name and color of each; with several scenes
        `maps`, name and outputs of each.

    Raises:
        ParameterError, RasterError, VectorError, ModelError: bad input, as far as possible before work starts.
        TrainingError: the network did not learn.
        Cancelled: `progress` asked to stop.
    """
    names = parse_legend(parameters.legend)
    if parameters.model_dir:
        check_trains_classes(parameters.model_dir)
    scenes = open_scenes(parameters, progress)
    if parameters.calibrate:
        _check_calibration(parameters, scenes)
    labels = [_prepared(scene, progress) for scene in scenes]
    parameters = scenes[0].parameters
    plan = _plan(scenes, labels, progress)
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
        samples = prepare_samples(scenes, labels, names, plan, folder, Part(progress, 0.0, 0.1))
        for scene in scenes:
            with scene.told():
                _try_format(scene.parameters, plan, scene.image, samples, progress)
        trained = _train(parameters, plan, samples, folder, Part(progress, 0.1, 0.8))
        for model in (trained["out.keras"], trained.get("model.saveto")):
            if model:
                _set_serving_defaults(parameters, plan, samples, model)
        if parameters.out_report and len(scenes) > 1:  # it tells of whom the accuracy is, should a map fail
            add_scenes(parameters.out_report, scenes, samples.counts, progress)
        end = 0.9 if parameters.baseline else 1.0
        maps = [
            _make_one(scene, trained["out.keras"], Part(progress, *between(0.8, end, place, len(scenes))))
            for place, scene in enumerate(scenes)
        ]
        forest = _compare_with_forest(parameters, plan, samples, trained, progress) if parameters.baseline else {}
    passed_on = ["model.saveto", "out.report", "kappa", "overall_accuracy", "f1_macro", "epochs_run"]
    passed_on += ["temperature", "calibration_error"]
    told = {"probabilities": maps[0]["probabilities"]} if parameters.out_probabilities else {}
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
        "pixels_nodata": sum(served["pixels_nodata"] for served in maps),
        "mode": "dense" if plan.dense else "patches",
        "samples_training": samples.count(SampleRole.TRAINING),
        "samples_validation": samples.count(SampleRole.VALIDATION),
        "classes": maps[0]["classes"],
        **({"maps": maps_of(scenes)} if len(scenes) > 1 else {}),
    }


def _prepared(scene: Scene[LandCoverMap], progress: Progress) -> Labels:
    """Return the labels of a scene, once sure that its outputs can be written and its mask meets it."""
    parameters, image = scene.parameters, scene.image
    with scene.told():
        check_outputs(parameters)
        if parameters.out_polygons:
            check_vector_output(parameters.out_polygons, field("out_polygons"))
        open_mask(
            parameters, image.grid, image.reference, image.names[0], progress
        )  # refused before a model is trained
        check_turns(parameters, image)
        return _open_labels(parameters, scene.asked_alpha, image, scene.progress(progress))


def _make_one(scene: Scene[LandCoverMap], model: str, progress: Progress) -> dict[str, Any]:
    """Make the map of a scene, and its polygons if they are asked for; return the results of TensorflowModelServe."""
    with scene.told():
        polygons = scene.parameters.out_polygons
        served = serve_map(scene.parameters, model, scene.progress(Part(progress, 0.0, 0.8 if polygons else 1.0)))
        if polygons:
            _make_polygons(scene.parameters, polygons, Part(progress, 0.8, 1.0))
    return served


def _check_calibration(parameters: LandCoverMap, scenes: Sequence[Scene[LandCoverMap]]) -> None:
    """Raise ParameterError where no samples are held back, to which a temperature could be fitted."""
    if not (parameters.validation_share or holds_back(scenes)):
        raise ParameterError(
            "{calibrate} is on, but {validation_share} is 0, so that there are no samples to fit the temperature to: set "
            "{validation_share} to 0.25, or switch {calibrate} off.",
            calibrate=field("calibrate"),
            validation_share=field("validation_share"),
        )


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


def _plan(scenes: Sequence[Scene[LandCoverMap]], labels: Sequence[Labels], progress: Progress) -> TrainingPlan:
    """Decide what is not given, and check that it fits.

    Raises:
        ParameterError: the patch size does not fit the network or an image.
    """
    parameters = scenes[0].parameters
    if parameters.mode != "auto":
        dense = parameters.mode == "dense"
    elif parameters.template != "auto":
        dense = parameters.template in OF_TILES
    else:
        dense = _covered(labels) >= _COVERED
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
    for image in (scene.image for scene in scenes):
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
    missing = decide_missing_data(parameters, model, [scene.image for scene in scenes], progress)
    if missing.dated:
        check_dates(scenes)
    return TrainingPlan(model, dense, pixelwise, size, batch, missing)


def _covered(labels: Sequence[Labels]) -> float:
    """Return the share of the images' pixels that have a label in a raster; 0 where one has other labels."""
    rasters = [own for own in labels if isinstance(own, RasterLabels)]
    if len(rasters) < len(labels):
        return 0.0
    areas = [own.raster.stack.grid.box.area for own in rasters]
    return sum(own.covered * area for own, area in zip(rasters, areas)) / sum(areas)


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
        "out.keras": parameters.out_keras or str(folder / stepfiles.MODEL),
        "out.history": str(folder / stepfiles.HISTORY),
        "out.report": parameters.out_report,
        **plan.missing.training_values(parameters),
    }
    if plan.dense:
        values["ignored_label"] = samples.classes.ignored
    for role, files in samples.files.items():
        values.update({f"{role}.source{number}.il": paths for number, paths in enumerate(files, 1)})
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
