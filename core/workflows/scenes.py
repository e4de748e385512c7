"""Scenes: images that a workflow learns from and maps together, compared with each other before anything is learned."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from ..base.progress import Progress, Reworded
from ..errors import OtbtfError, ParameterError, field
from ..patches.patchesimage import gap_of, read_description
from ..phrases import Phrase
from ..rasters.alpha import open_images, said
from ..rasters.dates import dated_names
from ..rasters.rasterstack import Stack
from ..rasters.seriesbands import days_of_bands
from ..vectors.transformation import Transformation
from .scenerows import scene_rows

P = TypeVar("P")

_SAME_SIZE = 0.01
"""Relative difference of pixel sizes from which they are other ones."""

_POINTS = 33
"""Points along each side of an image by which it is seen whether it has ground in common with another one."""

_FAR = 10.0
"""Factor between the values of two images from which they are on other scales."""


@dataclass(frozen=True)
class Scene(Generic[P]):
    """A scene of a run.

    Attributes:
        name: what it is called; empty where it is the only one.
        parameters: of the operation, for this scene alone; its alpha bands are decided.
        image: its images, open.
        held_back: whether it is for validation only.
        asked_alpha: what the user says of alpha bands.
    """

    name: str
    parameters: P
    image: Stack
    held_back: bool
    asked_alpha: str

    @property
    def called(self) -> str:
        """What it is called in messages."""
        return self.name or self.image.names[0]

    def folder(self, around: Path) -> Path:
        """Return the folder for its files, which is made: `around` for the only scene of a run."""
        place = around / self.name if self.name else around
        place.mkdir(exist_ok=True)
        return place

    def progress(self, progress: Progress) -> Progress:
        """Return a progress whose lines begin with the scene's name."""
        return named(self.name, progress)

    def told(self) -> AbstractContextManager[None]:
        """Let errors begin with the scene's name."""
        return in_scene(self.name)


def named(scene: str, progress: Progress) -> Progress:
    """Return a progress whose lines begin with the name of a scene; it is empty for the only one."""
    if not scene:
        return progress
    told = Reworded(progress, lambda message: Phrase("{name}: {message}", name=scene, message=message))
    told.keeps_mentions = progress.keeps_mentions
    return told


@contextmanager
def in_scene(scene: str) -> Iterator[None]:
    """Let errors begin with the name of a scene; it is empty for the only one."""
    try:
        yield
    except OtbtfError as error:
        if scene:
            error.args = (Phrase("Scene {scene}: {error}", scene=scene, error=error.message),)
        raise


def open_scenes(parameters: P, progress: Progress) -> list[Scene[P]]:
    """Return the scenes of a run, their images open: the form's first, then those of its table.

    Args:
        parameters: of the operation.
        progress: receives warnings, and may cancel.

    Raises:
        ParameterError, RasterError: see `scene_rows`; an image cannot be opened, or its bands differ from those of the first.
        Cancelled: `progress` asked to stop.
    """
    scenes: list[Scene[P]] = []
    for row in scene_rows(parameters, progress):
        progress.check()
        given: Any = row.parameters
        with in_scene(row.name):
            image = open_images(given.image, given.alpha, progress)
        own = dataclasses.replace(given, alpha=said(image) or given.alpha)  # for all steps
        scenes.append(Scene(row.name, own, image, row.held_back, given.alpha))
    first = scenes[0]
    for scene in scenes[1:]:
        if first.image.bands != scene.image.bands:
            raise ParameterError(
                "The scene {scene} has {bands} {bands:band|bands}, but {first} has {wanted}: give images with the same bands in "
                "the same order.",
                scene=scene.name,
                bands=scene.image.bands,
                first=first.name,
                wanted=first.image.bands,
            )
        compare_images(first.name, first.image, scene.name, scene.image, progress)
    if len(scenes) > 1:
        _tell(scenes, progress)
    return scenes


def holds_back(scenes: Sequence[Scene[P]]) -> bool:
    """Return whether scenes are held back for validation."""
    return any(scene.held_back for scene in scenes)


def held_back_names(scenes: Sequence[Scene[P]]) -> str:
    """Return the names of the scenes that are held back."""
    return ", ".join(scene.name for scene in scenes if scene.held_back)


def _tell(scenes: Sequence[Scene[P]], progress: Progress) -> None:
    learned = ", ".join(scene.name for scene in scenes if not scene.held_back)
    progress.info(Phrase("Scenes to learn from: {learned}.", learned=learned))
    if holds_back(scenes):
        progress.info(
            Phrase(
                "Scenes held back for validation: {held}. No other samples are held back ({validation_share} does not apply).",
                held=held_back_names(scenes),
                validation_share=field("validation_share"),
            )
        )


# -------------------------------------------------------------------- bands


def compare_images(first: str, one: Stack, scene: str, other: Stack, progress: Progress) -> None:
    """Compare the images of a scene with those of the first one, as far as files tell what they hold.

    Args:
        first, one: name and images of the first scene.
        scene, other: name and images of another one.
        progress: warned of pixels of another size.

    Raises:
        ParameterError: the bands are the same in another order.
    """
    names, other_names = one.band_names, other.band_names
    if all(names) and names != other_names and sorted(names) == sorted(other_names):
        raise ParameterError(
            "The bands of the scene {scene} are {names}, those of {first} {wanted}, which is another order: give images with "
            "the same bands in the same order.",
            scene=scene,
            names=", ".join(other_names),
            first=first,
            wanted=", ".join(names),
        )
    (size, unit), (other_size, other_unit) = map(_pixel_size, (one, other))
    if unit == other_unit and abs(other_size - size) > _SAME_SIZE * size:
        progress.warning(
            Phrase(
                "The pixels of the scene {scene} are {other:.6g} {unit} wide, those of {first} {size:.6g} {unit}: patches of "
                "both show objects in different sizes, which the network has to learn. Resample the images to one pixel size "
                "if they should look alike.",
                scene=scene,
                other=other_size,
                unit=unit,
                first=first,
                size=size,
            )
        )


def check_dates(scenes: Sequence[Scene[P]]) -> None:
    """Raise ParameterError where a scene is of other dates than the first, for a network that takes account of dates."""
    first, *others = scenes
    days = days_of_bands(dated_names(first.image))
    for scene in others:
        if days is not None and (found := days_of_bands(dated_names(scene.image))) is not None and found != days:
            band = next(number for number, pair in enumerate(zip(days, found), 1) if pair[0] != pair[1])
            raise ParameterError(
                "The scene {scene} has other dates than {first}, from band {band} on, but the network learns from the dates of "
                "one series: give images of the same dates, or map scenes of other dates in runs of their own.",
                scene=scene.name,
                first=first.name,
                band=band,
            )


def share_ground(one: Stack, other: Stack) -> bool:
    """Return whether two images have ground in common, as far as a coarse grid of points shows it."""
    steps = np.linspace(0.0, 1.0, _POINTS)
    columns, rows = np.tile(steps * one.grid.width, _POINTS), np.repeat(steps * one.grid.height, _POINTS)
    x, y = one.grid.x.origin + columns * one.grid.x.spacing, -(one.grid.y.origin + rows * one.grid.y.spacing)
    x, y = Transformation(one.reference, other.reference).points(x, y)
    axes = ((x, other.grid.x), (-y, other.grid.y))
    inside = [np.isfinite(at) & (at > axis.origin) & (at < axis.end) for at, axis in axes]
    return bool((inside[0] & inside[1]).any())


# ------------------------------------------------------------------- pixels


def _pixel_size(image: Stack) -> tuple[float, str]:
    """Return the width of the pixels, and its unit: metres where it is known."""
    spacing, metres = abs(image.grid.x.spacing), image.reference.metres
    if metres is not None:
        return spacing * metres, "m"
    return spacing, "°" if image.reference.angles else Phrase("units")


def check_values(scenes: Sequence[Scene[P]], patches: Mapping[str, str], progress: Progress) -> None:
    """Compare the pixel values of the scenes' samples with those of the first one.

    Args:
        scenes: the scenes.
        patches: by the name of a scene, a patches image that was cut from it.
        progress: warned of values on another scale.

    Raises:
        ParameterError: missing values are marked differently; or values and pixel types tell of two scales, such as bytes for
            the screen beside reflectances.
    """
    told = [(scene, read_description(patches[scene.name])) for scene in scenes if scene.name in patches]
    first, described = told[0]
    for scene, found in told[1:]:
        gaps = gap_of(described), gap_of(found)
        if gaps[0] == gaps[0] and gaps[1] == gaps[1] and gaps[0] != gaps[1]:
            raise ParameterError(
                "Missing values are {other:g} in the scene {scene}, but {gap:g} in {first}: give the images one no-data value "
                "(otbtf:managenodata).",
                other=gaps[1],
                scene=scene.name,
                gap=gaps[0],
                first=first.name,
            )
        factor = _factor(described, found)
        if not 1 / _FAR < factor < _FAR:
            types = first.image.dtype.name, scene.image.dtype.name
            message: dict[str, Any] = {
                "scene": scene.name,
                "factor": factor,
                "first": first.name,
                "type": types[0],
                "other": types[1],
            }
            if types[0] != types[1]:
                raise ParameterError(
                    "The values of the scene {scene} ({other}) are about {factor:.2g} times those of {first} ({type}) in all "
                    "bands, so they are on another scale, and a network would confuse them: give images in one unit.",
                    **message,
                )
            progress.warning(
                Phrase(
                    "The values of the scene {scene} are about {factor:.2g} times those of {first} in all bands: are both in one "
                    "unit?",
                    **message,
                )
            )


def _factor(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Return how many times larger values are, where all bands tell the same; 1 where they do not."""
    sizes = np.array([[_magnitude(row) for row in described["statistics"]] for described in (one, other)])
    if not (sizes > 0).all():
        return 1.0
    factors = np.log10(sizes[1] / sizes[0])
    nearest = float(factors[np.abs(factors).argmin()])
    return 10.0**nearest if (np.sign(factors) == np.sign(nearest)).all() else 1.0


def _magnitude(row: Mapping[str, Any]) -> float:
    return max(abs(row["mean"] or 0.0), row["std"] or 0.0)
