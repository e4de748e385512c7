"""Samples of several scenes: as many of each as possible, divided between training and validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..parameters.sampleroles import SampleRole
from ..phrases import Phrase
from ..rasters.rasterstack import Stack
from ..samples.allocation import even_shares
from ..vectors.transformation import Transformation
from .samplesplit import LocatedSamples, held_back, near, split_samples
from .scenes import Scene, holds_back

Parts = dict[SampleRole, np.ndarray]
"""By role, the numbers of the samples that have it, in ascending order; a role without samples is left out."""

_TOUCHING = 1e-6
"""Pixels by which patches must overlap to have ground in common."""


def balanced(
    scenes: Sequence[Scene], classes: Sequence[np.ndarray], most: int, random: np.random.Generator
) -> list[np.ndarray]:
    """Return which samples of each scene are used, as boolean arrays: of each class `most`, the same number in each scene.

    Scenes for training and those held back each have this number.

    Args:
        scenes: the scenes.
        classes: of the samples of each scene, whole numbers, shape (n,).
        most: number of samples of a class.
        random: draws them.
    """
    chosen = [np.ones(len(own), bool) for own in classes]
    if len(scenes) == 1:
        return chosen
    for held in (False, True):
        group = [place for place, scene in enumerate(scenes) if scene.held_back == held]
        for class_ in sorted({int(own) for place in group for own in np.unique(classes[place])}):
            members = [np.flatnonzero(classes[place] == class_) for place in group]
            for place, own, share in zip(group, members, even_shares(most, [len(own) for own in members])):
                chosen[place][random.permutation(own)[share:]] = False
    return chosen


def split_scenes(
    scenes: Sequence[Scene], samples: Sequence[LocatedSamples], share: float, seed: int, progress: Progress
) -> list[Parts]:
    """Divide the samples of each scene between training and validation.

    Where scenes are held back, their samples are for validation and all others for training. Elsewhere `share` of each scene
    is held back, in other places; no sample for training has ground in common with one for validation, of any scene.

    Args:
        scenes: the scenes.
        samples: of each.
        share: for validation, from 0 to below 1.
        seed: random seed; the same seed reproduces the split.
        progress: is told how many are left out, and warned of scenes held back that show the ground of others.

    Raises:
        ParameterError: nothing can be held back.
    """
    if holds_back(scenes):
        split = [
            (np.full(len(own.places), not scene.held_back), np.full(len(own.places), scene.held_back))
            for scene, own in zip(scenes, samples)
        ]
        _warn_of_known_ground(scenes, samples, progress)
    elif len(scenes) == 1:
        split = [split_samples(samples[0], share, seed)]
    else:
        split = _split_each(scenes, samples, share, seed, progress)
    left = sum(int((~training & ~validation).sum()) for training, validation in split)
    if left:
        progress.info(
            Phrase(
                "{left} {left:sample is|samples are} left out, because patches would share pixels with "
                "validation patches.",
                left=left,
            )
        )
    return [
        {
            role: np.flatnonzero(part)
            for role, part in zip((SampleRole.TRAINING, SampleRole.VALIDATION), pair)
            if part.any()
        }
        for pair in split
    ]


def _split_each(
    scenes: Sequence[Scene], samples: Sequence[LocatedSamples], share: float, seed: int, progress: Progress
) -> list[tuple[np.ndarray, np.ndarray]]:
    split = [held_back(own, share, seed) for own in samples]
    if share and not any(validation.any() for _, validation in split):
        raise ParameterError(
            "{validation_share} is {share:g}, but the labels of each scene lie so near each other that none can be held back "
            "without sharing pixels with training: give labels in more places, hold back a scene, or set {validation_share} "
            "to 0 and assess the maps with other data.",
            validation_share=field("validation_share"),
            share=share,
        )
    if share:
        for scene, (_, validation) in zip(scenes, split):
            if not validation.any():
                progress.warning(
                    Phrase(
                        "The scene {scene} is not validated: its labels lie so near each other that none can be held back.",
                        scene=scene.name,
                    )
                )
    held = [validation for _, validation in split]
    for place, (training, _) in enumerate(split):
        for other, validation in enumerate(held):
            if other != place:
                training &= ~_on_ground_of(scenes, samples, place, other, validation)
    return split


def _warn_of_known_ground(scenes: Sequence[Scene], samples: Sequence[LocatedSamples], progress: Progress) -> None:
    """Warn of scenes held back whose samples lie where others are learned from."""
    for place, scene in enumerate(scenes):
        for other, learned in enumerate(scenes):
            if not scene.held_back or learned.held_back:
                continue
            everything = np.ones(len(samples[other].places), bool)
            shared = int(_on_ground_of(scenes, samples, place, other, everything).sum())
            if shared:
                progress.warning(
                    Phrase(
                        "{shared} of {count} samples of the scene {scene}, which is held back, lie on ground that is learned "
                        "from in {learned}: the accuracy is that on another image of known places, not on other ground.",
                        shared=shared,
                        count=len(samples[place].places),
                        scene=scene.name,
                        learned=learned.name,
                    )
                )


def _on_ground_of(
    scenes: Sequence[Scene], samples: Sequence[LocatedSamples], place: int, other: int, chosen: np.ndarray
) -> np.ndarray:
    """Return which samples of the scene `place` have ground in common with the chosen ones of `other`, bool, shape (n,)."""
    own, there = samples[place], samples[other]
    grid = scenes[place].image.grid
    middles = _middles(there)[chosen]
    found = _moved(middles, scenes[other].image, scenes[place].image)
    corners = [
        _moved(middles + [across, down], scenes[other].image, scenes[place].image)
        for across in (-there.patch / 2, there.patch / 2)
        for down in (-there.patch / 2, there.patch / 2)
    ]
    around = np.isfinite([found, *corners]).all(axis=(0, 2))
    found = found[around]
    if not len(found):
        return np.zeros(len(own.places), bool)
    # Pixels of the other scene may be larger, or turned against those of this one.
    reach = own.patch / 2 + max(float(abs(corner[around] - found).max()) for corner in corners)
    close = ((found > -reach) & (found < [grid.width + reach, grid.height + reach])).all(axis=1)
    return near(_middles(own), found[close], reach - _TOUCHING)


def _middles(samples: LocatedSamples) -> np.ndarray:
    """Return columns and rows of the middles of patches, from the corner of the image; float64, shape (n, 2)."""
    return samples.places - samples.patch // 2 + samples.patch / 2


def _moved(places: np.ndarray, image: Stack, to: Stack) -> np.ndarray:
    """Return where places of an image, as columns and rows, shape (n, 2), lie in another one."""
    x = image.grid.x.origin + places[:, 0] * image.grid.x.spacing
    y = -(image.grid.y.origin + places[:, 1] * image.grid.y.spacing)
    x, y = Transformation(image.reference, to.reference).points(x, y)
    columns, rows = (x - to.grid.x.origin) / to.grid.x.spacing, (-y - to.grid.y.origin) / to.grid.y.spacing
    return np.stack([columns, rows], axis=1)
