"""The run of RegressionMap: pixels with known values, training and serving, one after the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
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
from ..rasters.outputtrial import Content
from ..rasters.rasteroutput import OutputRaster, driver_for
from ..rasters.rasterstack import Stack
from ..samples.mapmask import open_mask
from ..vectors.vectorlayer import REAL, Field
from ..vectors.vectoroutput import OutputVector, vector_staging
from . import stepfiles
from .baselines import fill_as_network
from .missingdata import MissingData, decide_missing_data, filling_words
from .nestedruns import run_nested
from .regressionreport import Comparisons, compare, forest_scores, joined, report_of, shown
from .regressionvalues import KnownValues, values_of_points, values_of_raster
from .samplesplit import LocatedSamples
from .scenes import Scene, check_dates, check_values, holds_back, open_scenes
from .scenesplit import balanced, split_scenes
from .trainedmaps import between, check_outputs, check_turns, maps_of, serve_map, work_folder

_VALUE = "value"
_PATIENCE = 25  # epochs without progress, after which training ends
_BLOCKS = 8  # along the longer side of the image
_NODATA, _LOWEST = -9999.0, float(np.finfo("float32").min)


@dataclasses.dataclass(frozen=True)
class RegressionSamples:
    """Pixels and values.

    Attributes:
        known: by scene and role, where the quantity is known.
        files: by role, patches images and values images, one of each for a scene.
        counts: by role and the scene's name, how many pixels these have.
    """

    known: list[dict[SampleRole, KnownValues]]
    files: dict[SampleRole, tuple[list[str], list[str]]]
    counts: dict[SampleRole, dict[str, int]]

    def count(self, role: SampleRole) -> int:
        """Return how many pixels a role has."""
        return sum(self.counts.get(role, {}).values())


def make_map(parameters: RegressionMap, progress: Progress) -> dict[str, Any]:
    """Make the map, or those of all scenes.

    A model that was trained stays where it is asked for, should the map fail after it.

    Returns:
        The outputs' paths by key; `rmse`, `mae`, `bias` and `r2` of the map against the values held back (those for
        training where there are none), in the unit of the values, left out where they are not defined; `baseline_r2` of
        the random forest, if asked for; `samples_training` and `samples_validation`, their numbers; `epochs_run`;
        `pixels_nodata` of all maps; with several scenes `maps`, name and outputs of each.

    Raises:
        ParameterError, RasterError, VectorError, ModelError: bad input, as far as possible before work starts.
        TrainingError: the network did not learn.
        Cancelled: `progress` asked to stop.
    """
    scenes = open_scenes(parameters, progress)
    known = _all_values(scenes, progress)
    parameters = scenes[0].parameters
    nodata = _NODATA if min(own.values.min() for own in known) > _NODATA else _LOWEST
    images = [scene.image for scene in scenes]
    missing = decide_missing_data(parameters, TEMPLATE_PREFIX + parameters.template, images, progress)
    if missing.dated:
        check_dates(scenes)
    with ExitStack() as stack:
        folder = work_folder(parameters, stack, progress)
        for scene in scenes:
            with scene.told():
                _try_format(scene.parameters, scene.image, nodata, missing, progress)
        samples = _prepare(scenes, known, missing, folder, Part(progress, 0.0, 0.1))
        trained = _train(parameters, samples, missing, folder, Part(progress, 0.1, 0.8))
        for place in (trained["out.keras"], trained.get("model.saveto")):
            if place:
                _set_serving_defaults(parameters, missing, place, nodata)
        model = trained["out.keras"]
        without_data, by_scene = _make_maps(scenes, samples, model, nodata, Part(progress, 0.8, 0.95))
        comparisons = joined(by_scene)
        forest = {}
        if parameters.baseline:
            fill = fill_as_network(trained["out.keras"], samples.files[SampleRole.TRAINING][0])
            forest = forest_scores(samples.files, fill, parameters.seed, progress)
        if parameters.out_report:
            page = report_of(parameters, scenes, samples.counts, by_scene, forest)
            with Staging.of_file(parameters.out_report, progress, field("out_report")) as file:
                file.path.write_text(page, encoding="utf-8")
                file.commit()
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
        "pixels_nodata": without_data,
        "samples_training": samples.count(SampleRole.TRAINING),
        "samples_validation": samples.count(SampleRole.VALIDATION),
        **({"maps": maps_of(scenes)} if len(scenes) > 1 else {}),
    }


def _make_maps(
    scenes: Sequence[Scene[RegressionMap]], samples: RegressionSamples, model: str, nodata: float, progress: Progress
) -> tuple[int, list[Comparisons]]:
    """Make the maps; return how many of their pixels are no-data, and each map against its known values."""
    without_data = 0
    found: list[Comparisons] = []
    for place, scene in enumerate(scenes):
        with scene.told():
            step = Part(progress, *between(0.0, 1.0, place, len(scenes)))
            without_data += serve_map(scene.parameters, model, scene.progress(step))["pixels_nodata"]
            out, parts = scene.parameters.out, samples.known[place]
            found.append({role: compare(out, part, nodata, progress) for role, part in parts.items()})
    return without_data, found


def _all_values(scenes: Sequence[Scene[RegressionMap]], progress: Progress) -> list[KnownValues]:
    """Return the known values of each scene, once sure that its map can be written and its mask meets it.

    Of several scenes, each gives the same number as far as it has them.
    """
    parameters, known = scenes[0].parameters, []
    for scene in scenes:
        own, image = scene.parameters, scene.image
        with scene.told():
            check_outputs(own)
            open_mask(own, image.grid, image.reference, image.names[0], progress)  # refused before a model is trained
            check_turns(own, image)
            asked = replace(own, alpha=scene.asked_alpha)  # the values' raster has alpha bands of its own
            known.append(_known_values(asked, image, scene.progress(progress)))
    low, high = (float(value) for value in (min(k.values.min() for k in known), max(k.values.max() for k in known)))
    if low == high:
        raise ParameterError(
            "{given} has one value only on the image, {low:g}, from which nothing can be learned: give values that "
            "differ.",
            given=field("values_field" if parameters.values_vector else "values_raster"),
            low=low,
        )
    random, alike = np.random.default_rng(parameters.seed), [np.zeros(len(own), "int64") for own in known]
    known = [own.of(used) for own, used in zip(known, balanced(scenes, alike, parameters.samples, random))]
    count = sum(map(len, known))
    progress.info(Phrase("{count} known values, from {low:.6g} to {high:.6g}.", count=count, low=low, high=high))
    return known


def _known_values(parameters: RegressionMap, image: Stack, progress: Progress) -> KnownValues:
    most, seed = parameters.samples, parameters.seed
    if parameters.values_vector:
        name = parameters.values_field or ""
        return values_of_points(parameters.values_vector, name, image, most, seed, progress)
    source, nodata = parameters.values_raster, parameters.values_nodata
    return values_of_raster(source, nodata, parameters.alpha, image, most, seed, progress)


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
    scenes: Sequence[Scene[RegressionMap]],
    known: Sequence[KnownValues],
    missing: MissingData,
    folder: Path,
    progress: Progress,
) -> RegressionSamples:
    """Split the places between training and validation, and cut their pixels."""
    parameters = scenes[0].parameters
    in_blocks = parameters.validation_share > 0 and not holds_back(scenes)
    located = [_located(scene, own, in_blocks, progress) for scene, own in zip(scenes, known)]
    parts = split_scenes(scenes, located, parameters.validation_share, parameters.seed, progress)
    by_role = [{role: own.of(part) for role, part in chosen.items()} for own, chosen in zip(known, parts)]
    tasks = [(place, role) for role in SampleRole for place, chosen in enumerate(parts) if role in chosen]
    found = RegressionSamples(by_role, {}, {})
    first: dict[str, str] = {}
    for number, (place, role) in enumerate(tasks):
        scene, step = scenes[place], Part(progress, *between(0.0, 1.0, number, len(tasks)))
        with scene.told():
            at = scene.folder(folder)
            pair, count = _extract(scene.parameters, role, by_role[place][role], scene.image, missing, at, step)
            scene.progress(progress).info(Phrase("{count} {count:pixel|pixels} for {role}.", count=count, role=role))
        for kind, path in zip(found.files.setdefault(role, ([], [])), pair):
            kind.append(path)
        found.counts.setdefault(role, {})[scene.name] = count
        first.setdefault(scene.name, pair[0])
    if len(scenes) > 1:
        check_values(scenes, first, progress)
    return found


def _located(scene: Scene[RegressionMap], known: KnownValues, in_blocks: bool, progress: Progress) -> LocatedSamples:
    """Return the places of known values; `in_blocks` tells that blocks of them are held back."""
    parameters, grid = scene.parameters, scene.image.grid
    side = parameters.validation_blocksize or max(1, max(grid.width, grid.height) // _BLOCKS)
    if in_blocks:
        scene.progress(progress).info(
            Phrase("Blocks of {side} x {side} pixels are held back for validation.", side=side)
        )
    return LocatedSamples(known.places(grid), np.ones((len(known), 1)), None, 1, side)


def _extract(
    parameters: RegressionMap,
    role: SampleRole,
    part: KnownValues,
    image: Stack,
    missing: MissingData,
    folder: Path,
    progress: Progress,
) -> tuple[tuple[str, str], int]:
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
    return (pixels, values), run_nested("PatchesExtraction", given, words, Quiet(progress))["patches"]


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
        "out.keras": parameters.out_keras or str(folder / stepfiles.MODEL),
        "out.history": str(folder / stepfiles.HISTORY),
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
