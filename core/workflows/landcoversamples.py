"""Samples for training and for validation: patches with their labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.progress import Part, Progress, Quiet
from ..classes.legend import as_rows, write_legend
from ..errors import field
from ..parameters.sampleroles import SampleRole
from ..phrases import Phrase
from ..rasters.rasterstack import Stack
from ..vectors.vectorlayer import INTEGER, Field
from ..vectors.vectoroutput import OutputVector, vector_staging
from .landcoverlabels import Labels, MapClasses, Names
from .landcoverpatches import choose_patches
from .landcovertiles import choose_tiles
from .missingdata import filling_words
from .nestedruns import run_nested
from .patchlocations import PatchLocations
from .samplesplit import split_samples
from .trainingplan import TrainingPlan

if TYPE_CHECKING:
    from ..operations.landcovermap import LandCoverMap


@dataclass(frozen=True)
class LandCoverSamples:
    """Patches and labels.

    Attributes:
        files: patches image and labels image for training and, where something is held back, for validation.
        counts: how many patches each has.
        classes: of the labels.
    """

    files: dict[SampleRole, tuple[str, str]]
    counts: dict[SampleRole, int]
    classes: MapClasses


def prepare_samples(
    parameters: LandCoverMap,
    image: Stack,
    labels: Labels,
    names: Names,
    plan: TrainingPlan,
    folder: Path,
    progress: Progress,
) -> LandCoverSamples:
    """Choose the places of patches, split them between training and validation, and cut the patches.

    Args:
        parameters: of the operation.
        image: the image.
        labels: on it.
        names: names and colours that the user gives.
        plan: tells what patches are, and what becomes of missing values.
        folder: for the files.
        progress: receives progress and warnings.

    Raises:
        ParameterError, RasterError, VectorError: something does not fit.
        Cancelled: `progress` asked to stop.
    """
    step, size = Part(progress, 0.0, 0.5), plan.size
    if plan.dense:
        locations = choose_tiles(parameters, image, labels, names, plan, folder, step)
    else:
        locations = choose_patches(parameters, image, labels, names, plan, folder, step)
    training, validation = split_samples(
        locations.located_on(image, size), parameters.validation_share, parameters.seed
    )
    left = int((~training & ~validation).sum())
    if left:
        progress.info(
            Phrase(
                "{left} {left:sample is|samples are} left out, because patches would share pixels with "
                "validation patches.",
                left=left,
            )
        )
    parts = {SampleRole.TRAINING: np.flatnonzero(training), SampleRole.VALIDATION: np.flatnonzero(validation)}
    parts = {role: part for role, part in parts.items() if len(part)}
    if plan.dense:
        parts = _limit_tiles(parts, parameters.samples, parameters.seed)
    _log_classes(locations, parts, progress)
    files, counts = {}, {}
    for number, (role, part) in enumerate(parts.items()):
        points = _write_points(folder, role, locations, part, image, progress)
        step = Part(progress, 0.5 + 0.5 * number / len(parts), 0.5 + 0.5 * (number + 1) / len(parts))
        files[role], counts[role] = _extract(parameters, folder, role, points, locations.label_raster, plan, step)
    return LandCoverSamples(files, counts, locations.classes)


def _limit_tiles(parts: dict[SampleRole, np.ndarray], most: int, seed: int) -> dict[SampleRole, np.ndarray]:
    """Draw at most this number of tiles, the same share of each part."""
    share = min(1.0, most / sum(map(len, parts.values())))
    random = np.random.default_rng(seed)
    return {role: np.sort(random.permutation(part)[: max(1, round(share * len(part)))]) for role, part in parts.items()}


def _log_classes(locations: PatchLocations, parts: dict[SampleRole, np.ndarray], progress: Progress) -> None:
    """Log how many samples, or labelled pixels, each class has; warn of classes without validation samples."""
    what = Phrase("labelled pixels") if locations.label_raster else Phrase("samples")
    for place, row in enumerate(as_rows(locations.classes.values, locations.classes.legend)):
        called = row.get("name") or str(row["value"])
        sums = {role: int(locations.counts[part, place].sum()) for role, part in parts.items()}
        shown = Phrase(", ").join(
            (Phrase("{number} {what} for {role}", number=number, what=what, role=role) for role, number in sums.items())
        )
        progress.info(Phrase("Class {called}: {shown}.", called=called, shown=shown))
        if not sums.get(SampleRole.VALIDATION, 1):
            progress.warning(
                Phrase(
                    "Class {called} is not validated, because all its labels lie in one place: add labels in "
                    "another place.",
                    called=called,
                )
            )


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
