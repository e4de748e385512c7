"""Samples for training and for validation: patches with their labels, of one scene or of several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.progress import Part, Progress, Quiet
from ..classes.legend import as_rows, write_legend
from ..errors import ParameterError, field
from ..parameters.sampleroles import SampleRole
from ..phrases import Phrase
from ..rasters.rasterstack import Stack
from ..samples.allocation import even_shares
from ..vectors.vectorlayer import INTEGER, Field
from ..vectors.vectoroutput import OutputVector, vector_staging
from .landcoverlabels import Labels, MapClasses, Names, joint_classes
from .landcoverpatches import choose_patches
from .landcovertiles import count_tiles
from .missingdata import filling_words
from .nestedruns import run_nested
from .patchlocations import PatchLocations
from .scenes import Scene, check_values, holds_back
from .scenesplit import Parts, balanced, split_scenes
from .trainingplan import TrainingPlan

if TYPE_CHECKING:
    from ..operations.landcovermap import LandCoverMap

SampleFiles = dict[SampleRole, tuple[list[str], list[str]]]
"""By role, patches images and the labels images that go with them, one of each for a scene."""


@dataclass(frozen=True)
class LandCoverSamples:
    """Patches and labels.

    Attributes:
        files: patches images and labels images for training and, where something is held back, for validation.
        counts: how many patches each role has in each scene, by the scene's name.
        classes: of the labels.
    """

    files: SampleFiles
    counts: dict[SampleRole, dict[str, int]]
    classes: MapClasses

    def count(self, role: SampleRole) -> int:
        """Return how many patches a role has."""
        return sum(self.counts.get(role, {}).values())


def prepare_samples(
    scenes: Sequence[Scene[LandCoverMap]],
    labels: Sequence[Labels],
    names: Names,
    plan: TrainingPlan,
    folder: Path,
    progress: Progress,
) -> LandCoverSamples:
    """Choose the places of patches, split them between training and validation, and cut the patches.

    Args:
        scenes: the scenes.
        labels: on each of them.
        names: names and colours that the user gives.
        plan: tells what patches are, and what becomes of missing values.
        folder: for the files.
        progress: receives progress and warnings.

    Raises:
        ParameterError, RasterError, VectorError: something does not fit.
        Cancelled: `progress` asked to stop.
    """
    parameters = scenes[0].parameters
    classes, locations = _locate(scenes, labels, names, plan, folder, Part(progress, 0.0, 0.5))
    if not plan.dense:
        of_classes = [own.counts.argmax(axis=1) for own in locations]
        chosen = balanced(scenes, of_classes, parameters.samples, np.random.default_rng(parameters.seed))
        locations = [own.of(used) for own, used in zip(locations, chosen)]
    samples = [own.located_on(scene.image, plan.size) for own, scene in zip(locations, scenes)]
    parts = split_scenes(scenes, samples, parameters.validation_share, parameters.seed, progress)
    _check_trained(scenes, locations, parts)
    if plan.dense:
        parts = _limit_tiles(scenes, locations, parts, parameters.samples, parameters.seed)
    _log_classes(scenes, locations, parts, progress)
    return _cut(scenes, classes, locations, parts, plan, folder, Part(progress, 0.5, 1.0))


def _locate(
    scenes: Sequence[Scene[LandCoverMap]],
    labels: Sequence[Labels],
    names: Names,
    plan: TrainingPlan,
    folder: Path,
    progress: Progress,
) -> tuple[MapClasses, list[PatchLocations]]:
    """Return the classes of all scenes, and the places of patches in each."""
    candidates = []
    find = count_tiles if plan.dense else choose_patches
    for number, (scene, own) in enumerate(zip(scenes, labels)):
        step = Part(progress, 0.8 * number / len(scenes), 0.8 * (number + 1) / len(scenes))
        with scene.told():
            place = scene.folder(folder)
            candidates.append(find(scene.parameters, scene.image, own, plan, place, scene.progress(step)))
    found = [(scene.name, own, each.found) for scene, own, each in zip(scenes, labels, candidates)]
    classes = joint_classes(found, names)
    locations = []
    for number, (scene, each) in enumerate(zip(scenes, candidates)):
        step = Part(progress, 0.8 + 0.2 * number / len(scenes), 0.8 + 0.2 * (number + 1) / len(scenes))
        with scene.told():
            locations.append(each.located(classes, step))
    return classes, locations


def _limit_tiles(
    scenes: Sequence[Scene[LandCoverMap]],
    locations: Sequence[PatchLocations],
    parts: Sequence[Parts],
    most: int,
    seed: int,
) -> list[Parts]:
    """Draw at most this number of tiles, the same number in each scene, and the same share of each of its roles.

    Raises:
        ParameterError: there are too few of them for the classes.
    """
    random = np.random.default_rng(seed)
    limited = [dict(own) for own in parts]
    for held in (False, True):
        group = [place for place, scene in enumerate(scenes) if scene.held_back == held]
        totals = [sum(map(len, parts[place].values())) for place in group]
        for place, total, given in zip(group, totals, even_shares(most, totals)):
            for role, part in parts[place].items():
                number = max(1, round(given / total * len(part)))
                limited[place][role] = _drawn(part, locations[place].counts, number, random)
    for place, called in _with_labels(locations):
        if not _sums(locations, limited, place).get(SampleRole.TRAINING):
            raise ParameterError(
                "The class {called} is in none of the tiles for training, because {samples} is {most}, which is too few for "
                "all classes: raise {samples}.",
                called=called,
                samples=field("samples"),
                most=most,
            )
    return limited


def _drawn(part: np.ndarray, counts: np.ndarray, number: int, random: np.random.Generator) -> np.ndarray:
    """Draw tiles of a part; where a class would be missed, a tile of it comes first."""
    order = random.permutation(part)
    held = counts[order] > 0
    first = np.unique(held[:, held.any(axis=0)].argmax(axis=0))
    return np.sort(np.concatenate([order[first], np.delete(order, first)])[:number])


def _with_labels(locations: Sequence[PatchLocations]) -> Iterator[tuple[int, str]]:
    """Yield place and name of the classes that patches hold: tiles may miss one whose labels lie where there is no data."""
    for place, called in enumerate(_called(locations[0].classes)):
        if any(own.counts[:, place].any() for own in locations):
            yield place, called


def _called(classes: MapClasses) -> list[str]:
    """Return what classes are called in messages, in the order of their values."""
    return [row.get("name") or str(row["value"]) for row in as_rows(classes.values, classes.legend)]


def _sums(locations: Sequence[PatchLocations], parts: Sequence[Parts], place: int) -> dict[SampleRole, int]:
    """Return how many labels of a class each role has in all scenes."""
    roles = [role for role in SampleRole if any(role in own for own in parts)]
    return {
        role: int(sum(found.counts[own[role], place].sum() for found, own in zip(locations, parts) if role in own))
        for role in roles
    }


def _check_trained(
    scenes: Sequence[Scene[LandCoverMap]], locations: Sequence[PatchLocations], parts: Sequence[Parts]
) -> None:
    """Raise ParameterError where scenes leave no label of a class for training."""
    for place, called in _with_labels(locations):
        if _sums(locations, parts, place).get(SampleRole.TRAINING):
            continue
        where = ", ".join(scene.name for scene, own in zip(scenes, locations) if own.counts[:, place].any())
        if holds_back(scenes):
            raise ParameterError(
                "Class {called} has labels in {scenes} only, and none of them is for training: give labels of it in another "
                "scene, or train with one of these scenes.",
                called=called,
                scenes=where,
            )
        raise ParameterError(
            "Class {called} has labels in {scenes} only, all of them on ground where another scene is validated: give labels of "
            "it in more places, hold back a scene, or set {validation_share} to 0.",
            called=called,
            scenes=where,
            validation_share=field("validation_share"),
        )


def _log_classes(
    scenes: Sequence[Scene[LandCoverMap]],
    locations: Sequence[PatchLocations],
    parts: Sequence[Parts],
    progress: Progress,
) -> None:
    """Log how many samples, or labelled pixels, each class has, and which scenes lack it; warn of classes not validated."""
    what = Phrase("labelled pixels") if locations[0].label_raster else Phrase("samples")
    for place, called in enumerate(_called(locations[0].classes)):
        lacking = [scene.name for scene, own in zip(scenes, locations) if not own.counts[:, place].any()]
        if len(lacking) == len(scenes):
            progress.warning(
                Phrase(
                    "Class {called} is not learned: every tile that holds a label of it also holds no-data.",
                    called=called,
                )
            )
            continue
        sums = _sums(locations, parts, place)
        shown = Phrase(", ").join(
            (Phrase("{number} {what} for {role}", number=number, what=what, role=role) for role, number in sums.items())
        )
        progress.info(Phrase("Class {called}: {shown}.", called=called, shown=shown))
        if lacking:
            progress.info(
                Phrase("Class {called} has no samples in {scenes}.", called=called, scenes=", ".join(lacking))
            )
        if not sums.get(SampleRole.VALIDATION, 1):
            why = (
                Phrase("because the scenes held back have no label of it: hold back a scene that has some")
                if holds_back(scenes)
                else Phrase("because all its labels lie in one place: add labels in another place")
            )
            progress.warning(Phrase("Class {called} is not validated, {why}.", called=called, why=why))


def _cut(
    scenes: Sequence[Scene[LandCoverMap]],
    classes: MapClasses,
    locations: Sequence[PatchLocations],
    parts: Sequence[Parts],
    plan: TrainingPlan,
    folder: Path,
    progress: Progress,
) -> LandCoverSamples:
    """Cut the patches of all scenes and roles."""
    tasks = [(place, role) for place, own in enumerate(parts) for role in own]
    files: SampleFiles = {}
    counts: dict[SampleRole, dict[str, int]] = {}
    first: dict[str, str] = {}
    for number, (place, role) in enumerate(sorted(tasks, key=lambda task: list(SampleRole).index(task[1]))):
        scene, own, step = (
            scenes[place],
            locations[place],
            Part(progress, number / len(tasks), (number + 1) / len(tasks)),
        )
        with scene.told():
            at, told = scene.folder(folder), scene.progress(step)
            points = _write_points(at, role, own, parts[place][role], scene.image, told)
            pair, count = _extract(scene.parameters, at, role, points, own.label_raster, plan, told)
        for kind, path in zip(files.setdefault(role, ([], [])), pair):
            kind.append(path)
        counts.setdefault(role, {})[scene.name] = count
        first.setdefault(scene.name, pair[0])
    if len(scenes) > 1:
        check_values(scenes, first, progress)
    return LandCoverSamples(files, counts, classes)


def _write_points(
    folder: Path, role: SampleRole, locations: PatchLocations, part: np.ndarray, image: Stack, progress: Progress
) -> str:
    """Write points with the field `class`, and the classes' names beside them; return the path."""
    path = str(folder / f"samples_{role}.gpkg")
    with vector_staging(path, progress) as staging:
        with OutputVector(staging, (Field("class", INTEGER),), image.reference, progress) as out:
            out.write([locations.labels[part]], locations.x[part], locations.y[part])
            out.close()
        classes = locations.classes
        write_legend(staging.folder, staging.final.name, as_rows(classes.values, classes.legend), "class")
        staging.commit()
    return path


def _extract(
    parameters: LandCoverMap,
    folder: Path,
    role: SampleRole,
    points: str,
    label_raster: str,
    plan: TrainingPlan,
    progress: Progress,
) -> tuple[tuple[str, str], int]:
    """Cut patches with their labels; return both paths, and the number of patches."""
    size = plan.size
    patches, labels = str(folder / f"patches_{role}.tif"), str(folder / f"labels_{role}.tif")
    values: dict[str, Any] = {
        "source1.il": parameters.image,
        "source1.patchsizex": size,
        "source1.patchsizey": size,
        "source1.nodata": parameters.nodata,
        **plan.missing.extraction_values(),
        "alpha": parameters.alpha,
        "source1.out": patches,
        "vec": points,
        "field": "class",
        "memory": parameters.memory,
    }
    if label_raster:
        values.update(
            {
                "source2.il": [label_raster],
                "source2.patchsizex": size,
                "source2.patchsizey": size,
                "source2.out": labels,
            }
        )
    else:
        values["outlabels"] = labels
    found = run_nested("PatchesExtraction", values, _WORDS, Quiet(progress))
    if found["rejected"]:
        progress.info(
            Phrase(
                "{rejected} {rejected:sample|samples} for {role} {rejected:is|are} left out, because a patch there "
                "would reach beyond the image or hold no-data.",
                rejected=found["rejected"],
                role=role,
            )
        )
    return (patches, labels), found["patches"]


_WORDS = {
    "source1.il": field("image"),
    "source1.patchsizex": field("patchsize"),
    "source1.patchsizey": field("patchsize"),
    "source1.nodata": field("nodata"),
    **filling_words(),
    "alpha": field("alpha"),
    "memory": field("memory"),
}
"""The keys of PatchesExtraction, in the words of LandCoverMap."""
