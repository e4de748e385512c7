"""Choosing the samples of a classifier on a grid, for training and validation, as TrainImagesClassifier does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.progress import Part, Progress
from ..classes.classfield import class_number, holds_names
from ..classes.legend import Legend
from ..errors import ParameterError, field
from ..geometry.grid import Grid
from ..parameters.classifiergroups import SampleChoice
from ..parameters.vectorsource import LayerSource
from ..phrases import Phrase
from ..samples import allocation
from ..samples.allocation import Rates, Totals, even_shares
from ..samples.classtotals import natural_order
from ..samples.counting import Counted, count
from ..samples.footprint import pixel_of
from ..samples.positions import Selection
from ..samples.samplers import Periodic
from ..samples.shapes import Shapes, open_training_layer
from ..samples.validity import ValidPixels
from .mapclasses import ClassCoding, renumbering, warn_of_unknown_classes

JITTER = 50
"""Maximum random shift of a sample, in pixels of its class, as in OTB."""


@dataclass(frozen=True)
class SamplePixels:
    """Samples as pixels of a grid; all arrays of shape (n,).

    Attributes:
        columns, rows: the pixels.
        labels: their classes, int64.
    """

    columns: np.ndarray
    rows: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, which: np.ndarray) -> SamplePixels:
        return SamplePixels(self.columns[which], self.rows[which], self.labels[which])


@dataclass(frozen=True)
class ChosenSamples:
    """The samples of a run: `training` and `validation` (may be empty), and what is known of the classes."""

    training: SamplePixels
    validation: SamplePixels
    legend: Legend


@dataclass(frozen=True)
class SampleScene:
    """An image on which samples are chosen.

    Attributes:
        validity: its grid, and where it has data.
        training: layers with the samples for training; none for a scene that only validates.
        validation: layers with those for validation.
    """

    validity: ValidPixels
    training: tuple[LayerSource, ...]
    validation: tuple[LayerSource, ...]


@dataclass(frozen=True)
class _OpenLayer:
    """A layer on the image of the scene with this number."""

    scene: int
    shapes: Shapes


class SampleChooser:
    """Chooses samples from the layers of a run."""

    def __init__(self, parameters: SampleChoice, scenes: Sequence[SampleScene], memory: int, seed: int) -> None:
        """Open the layers.

        Args:
            parameters: how many samples there are, and their class field.
            scenes: where they come from.
            memory: budget in MB.
            seed: of what is drawn.

        Raises:
            ParameterError, VectorError: a layer or its class field cannot be used.
        """
        self._training = _opened(scenes, [scene.training for scene in scenes], parameters.sample_vfn)
        self._validation = _opened(scenes, [scene.validation for scene in scenes], parameters.sample_vfn)
        if not self._validation and parameters.sample_vtr == 1:
            raise ParameterError(
                "{sample_vtr} is 1, which leaves no training sample: choose a smaller share, or add a validation "
                "layer ({valid}).",
                sample_vtr=field("sample_vtr"),
                valid=field("valid"),
            )
        self._parameters, self._memory = parameters, memory
        self._valid = [scene.validity for scene in scenes]
        self._random = np.random.default_rng(seed)

    def choose(self, progress: Progress) -> list[ChosenSamples]:
        """Return the samples of each scene; what is known of the classes is the same in all.

        Of a class, each scene gives the same number as far as it has them.

        Raises:
            ParameterError, VectorError: there are none, or a class cannot be read.
            Cancelled: `progress` asked to stop.
        """
        given, dedicated = self._parameters, bool(self._validation)
        layers = [(own.shapes.layer, own.shapes.field) for own in (*self._training, *self._validation)]
        changes, known = renumbering(layers)
        ours, theirs = changes[: len(self._training)], changes[len(self._training) :]
        part = Part(progress, 0, 0.5 if dedicated else 1)
        found = self._of(self._training, ours, training_limit(given, dedicated), part)
        coding = ClassCoding(self._training[0].shapes.field, holds_names(layers, progress), _classes(found))
        training = self._placed(self._training, found, coding)
        if dedicated:
            found = self._of(self._validation, theirs, validation_limit(given), Part(progress, 0.5, 1))
            other = self._placed(self._validation, found, coding)
            legend = coding.legend(known, given.legend)
            learned, tested = (np.concatenate([own.labels for own in each]) for each in (training, other))
            warn_of_unknown_classes(legend, learned, tested, progress)
            return [ChosenSamples(own, held, legend) for own, held in zip(training, other)]
        legend = coding.legend(known, given.legend)
        split = [(own, held_back(own.labels, given.sample_vtr)) for own in training]
        return [ChosenSamples(own[~held], own[held], legend) for own, held in split]

    def _of(
        self, layers: Sequence[_OpenLayer], changes: Sequence[dict[Any, int]], limit: int, progress: Progress
    ) -> list[_MapSamples]:
        """Return the samples of each layer, chosen as if the features of all of a scene stood in one.

        Args:
            layers: the layers.
            changes: of each, the numbers of classes that become others.
            limit: how many samples a class has at most; -1: no limit.
            progress: hears of the work, and of classes without a sample.
        """
        paths = Phrase(" and ").join(dict.fromkeys(str(own.shapes.layer.path) for own in layers))
        width = 1 / len(layers)
        counting = [Part(progress, width * place / 2, width * (place + 1) / 2) for place in range(len(layers))]
        counted = [count(o.shapes, self._valid[o.scene], self._memory, part) for o, part in zip(layers, counting)]
        rates = rates_of(_together(counted, changes), bool(self._parameters.sample_bm), limit)
        if not any(rate.needed for rate in rates.values()):
            raise ParameterError(
                "No feature of {paths} contains a valid pixel of the output, or {sample_mt} or {sample_mv} is 0: "
                "check that layer and image overlap where the image has data, and check the numbers of samples.",
                paths=paths,
                sample_mt=field("sample_mt"),
                sample_mv=field("sample_mv"),
            )
        empty = sorted((name for name, rate in rates.items() if not rate.needed), key=natural_order)
        if empty:
            progress.warning(
                Phrase(
                    "The class {empty} of {paths} has no sample on a valid pixel.", empty=", ".join(empty), paths=paths
                )
            )
        samplers = self._samplers(layers, counted, changes, rates)
        found = []
        for place, (own, those, change) in enumerate(zip(layers, counted, changes)):
            # What it tells goes from one half on: that is where this layer's part begins.
            part = Part(progress, 0.5 + width * (place - 1) / 2, 0.5 + width * (place + 1) / 2)
            by_label = {label: samplers[own.scene][_named(label, change)] for label in those.labels}
            selection = Selection(own.shapes, those, self._valid[own.scene], by_label, self._memory)
            fields = selection.fields
            collected = _SampleCollector(fields.index(own.shapes.field) if own.shapes.field.index >= 0 else -1)
            selection.write(collected, part)
            found.append(collected.result(change))
        return found

    def _samplers(
        self, layers: Sequence[_OpenLayer], counted: Sequence[Counted], changes: Sequence[dict[Any, int]], rates: Rates
    ) -> dict[int, dict[str, Periodic]]:
        """Return by scene and class what takes its share of the samples."""
        scenes = list(dict.fromkeys(own.scene for own in layers))
        totals = {
            scene: _together(
                [those for own, those in zip(layers, counted) if own.scene == scene],
                [change for own, change in zip(layers, changes) if own.scene == scene],
            )
            for scene in scenes
        }
        samplers: dict[int, dict[str, Periodic]] = {scene: {} for scene in scenes}
        for name, rate in rates.items():
            available = [totals[scene].get(name, 0) for scene in scenes]
            for scene, total, share in zip(scenes, available, even_shares(rate.needed, available)):
                samplers[scene][name] = Periodic(share, total, JITTER, self._random)
        return samplers

    def _placed(
        self, layers: Sequence[_OpenLayer], found: Sequence[_MapSamples], coding: ClassCoding
    ) -> list[SamplePixels]:
        """Return the samples of each scene as pixels of its grid."""
        placed = []
        for scene, valid in enumerate(self._valid):
            own = [part for layer, part in zip(layers, found) if layer.scene == scene]
            x, y = (np.concatenate([np.empty(0), *(getattr(part, axis) for part in own)]) for axis in ("x", "y"))
            columns, rows = pixels_of(x, y, valid.image.grid)
            placed.append(SamplePixels(columns, rows, coding.numbers(_classes(own))))
        return placed


def _opened(
    scenes: Sequence[SampleScene], sources: Sequence[Sequence[LayerSource]], class_field: str
) -> list[_OpenLayer]:
    found = []
    for number, (scene, own) in enumerate(zip(scenes, sources)):
        image = scene.validity.image
        for source in own:
            shapes = Shapes(open_training_layer(source, None), class_field, image.grid, image.reference)
            found.append(_OpenLayer(number, shapes))
    return found


def _classes(found: Sequence[_MapSamples]) -> list[Any]:
    return [value for part in found for value in part.classes]


def _named(label: str, change: dict[Any, int]) -> str:
    """Return a class of a layer as it is called in all."""
    number = class_number(label)
    return str(change[number]) if number in change else label


def _together(counted: Sequence[Counted], changes: Sequence[dict[Any, int]]) -> Totals:
    """Return how many pixels each class has in all layers."""
    totals: dict[str, int] = {}
    for layer, change in zip(counted, changes):
        for label, total in layer.statistics().per_class.items():
            name = _named(label, change)
            totals[name] = totals.get(name, 0) + total
    return {name: totals[name] for name in sorted(totals, key=natural_order)}


def pixels_of(x: np.ndarray, y: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return columns and rows of the grid's pixels that hold points."""
    places = np.stack([(x - grid.x.origin) / grid.x.spacing, (-y - grid.y.origin) / grid.y.spacing], axis=1)
    columns, rows = pixel_of(places)
    return columns.clip(0, grid.width - 1), rows.clip(0, grid.height - 1)


@dataclass(frozen=True)
class _MapSamples:
    """Samples of a layer on the map, x and y of shape (n,), with the class of each as all layers name it."""

    x: np.ndarray
    y: np.ndarray
    classes: list[Any]


class _SampleCollector:
    """Keeps samples in memory."""

    def __init__(self, column: int) -> None:
        self._column = column
        self._parts: list[tuple[np.ndarray, np.ndarray, list[Any]]] = []

    def write(self, columns: Sequence[Any], x: np.ndarray, y: np.ndarray) -> None:
        self._parts.append((x, y, columns[self._column].tolist()))

    def result(self, change: Mapping[Any, int]) -> _MapSamples:
        """Return them, with the numbers of classes changed as `change` says."""
        x, y, classes = zip(*self._parts) if self._parts else ((np.empty(0),), (np.empty(0),), ([],))
        values = [change.get(value, value) for part in classes for value in part]
        return _MapSamples(np.concatenate(x), np.concatenate(y), values)


def training_limit(given: SampleChoice, dedicated: bool) -> int:
    """Return the largest number of samples of a class in the training layer; -1: no limit.

    Without a validation layer these are the samples for training and validation together.
    """
    share = given.sample_vtr
    if dedicated:
        if given.sample_mt < 0 <= given.sample_mv and share > 1e-5:
            return int(given.sample_mv * (1 - share) / share)
        return given.sample_mt
    limits = []
    if given.sample_mt >= 0 and share < 0.99999:
        limits.append(int(given.sample_mt / (1 - share)))
    if given.sample_mv >= 0 and share > 1e-5:
        limits.append(int(given.sample_mv / share))
    return min(limits, default=-1)


def validation_limit(given: SampleChoice) -> int:
    """Return the largest number of samples of a class in the validation layer; -1: no limit."""
    if given.sample_mv < 0 <= given.sample_mt and given.sample_vtr < 0.99999:
        return int(given.sample_mt * given.sample_vtr / (1 - given.sample_vtr))
    return given.sample_mv


def rates_of(totals: Totals, balanced: bool, limit: int) -> Rates:
    """Return the number of samples of each class: up to the limit; if balanced, up to the size of the smallest class."""
    most = min((total for total in totals.values() if total), default=0) if balanced else max(totals.values())
    return allocation.constant(totals, most if limit < 0 else min(most, limit))


def held_back(labels: np.ndarray, share: float) -> np.ndarray:
    """Return which samples are for validation: a share of each class, at regular distances in their order."""
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        training = len(members) - int(len(members) * share)
        kept = Periodic(training, len(members), 0, np.random.default_rng(0)).take(len(members))[:training]
        held[np.delete(members, kept)] = True
    return held


def describe(classes: Mapping[int, str], labels: np.ndarray) -> str:
    """Return the number of samples of each class in words."""
    found = np.unique(labels, return_counts=True)
    return ", ".join(f"{classes.get(label) or label} {number}" for label, number in zip(*(a.tolist() for a in found)))
