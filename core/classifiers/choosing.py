"""Choosing the samples of a classifier on a grid, for training and validation, as TrainImagesClassifier does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import vocabulary as voc
from ..errors import ParameterError
from ..geometry.grid import Grid
from ..progress import Part, Progress
from ..sampling import strategies
from ..sampling.classfield import holds_names
from ..sampling.counting import count
from ..sampling.footprint import pixel_of
from ..sampling.legend import Legend
from ..sampling.samplers import Periodic
from ..sampling.selection import Selection
from ..sampling.shapes import Shapes, open_training_layer
from ..sampling.statistics import natural_order
from ..sampling.strategies import Rates, Totals
from ..sampling.validity import ValidPixels
from ..vectors.source import LayerSource
from .classes import Coding, join_layers, tell_strangers

JITTER = 50
"""By so many pixels of its class, at most, a sample is moved on, as in OTB."""


@dataclass(frozen=True)
class SampleChoice:
    """The parameters that say where samples come from, and how many are taken."""

    vd: LayerSource = voc.vector(
        "vd",
        "Training layer",
        "Polygons, lines or points that have a class, in any coordinate system: samples are the output pixels whose centre "
        "lies in a polygon, that a line touches, or in which a point lies.",
    )
    valid: LayerSource | None = voc.vector(
        "valid",
        "Validation layer",
        "Features with a class on which the classifier is tested. Not given: a part of the training samples is held back "
        "(SAMPLE_VTR), which lies among them and so flatters the scores.",
        required=False,
    )
    sample_vfn: str = voc.attribute(
        "sample.vfn",
        "Class field",
        "Field that holds the class: whole numbers, as texts too, or names, which are numbered from 0 in alphabetical "
        "order.",
        of="vd",
    )
    sample_mt: int = voc.integer(
        "sample.mt",
        "Training samples per class",
        "The most samples of a class for training; -1: no limit.",
        default=1000,
        minimum=-1,
        advanced=True,
    )
    sample_mv: int = voc.integer(
        "sample.mv",
        "Validation samples per class",
        "The most samples of a class for validation; -1: no limit.",
        default=1000,
        minimum=-1,
        advanced=True,
    )
    sample_bm: int = voc.integer(
        "sample.bm",
        "As many as the smallest class",
        "1: each class gets as many samples as the one with the fewest pixels can give. 0: as many as it has itself.",
        default=1,
        minimum=0,
        maximum=1,
        advanced=True,
    )
    sample_vtr: float = voc.number(
        "sample.vtr",
        "Share for validation",
        "Share of the samples that is held back, from 0 to 1, where there is no validation layer.",
        default=0.5,
        minimum=0,
        maximum=1,
        advanced=True,
    )
    legend: str = voc.text(
        "legend",
        "Names and colours of the classes",
        "As the output LEGEND of other algorithms tells them, in JSON. Empty: those of the training layer's categories, or "
        "those kept beside it.",
        advanced=True,
    )


@dataclass(frozen=True)
class Places:
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

    def __getitem__(self, which: np.ndarray) -> Places:
        return Places(self.columns[which], self.rows[which], self.labels[which])


@dataclass(frozen=True)
class Chosen:
    """The samples of a run: `training` and `validation` (may be empty), and what is known of the classes."""

    training: Places
    validation: Places
    legend: Legend


class Chooser:
    """Chooses samples from the layers of a run."""

    def __init__(self, parameters: SampleChoice, validity: ValidPixels, memory: int, seed: int) -> None:
        """Open the layers.

        Args:
            parameters: where samples come from.
            validity: the grid, and where it has data.
            memory: budget in MB.
            seed: of what is drawn.

        Raises:
            ParameterError, VectorError: a layer or its class field cannot be used.
        """
        if parameters.valid is None and parameters.sample_vtr == 1:
            raise ParameterError(
                "SAMPLE_VTR is 1, so no sample would be left for training: choose less, or give a validation layer (VALID)."
            )
        self._parameters, self._validity, self._memory = parameters, validity, memory
        self._random = np.random.default_rng(seed)
        self._training = self._open(parameters.vd)
        self._validation = self._open(parameters.valid) if parameters.valid else None

    def _open(self, source: LayerSource) -> Shapes:
        image = self._validity.image
        return Shapes(open_training_layer(source, None), self._parameters.sample_vfn, image.grid, image.reference)

    def choose(self, progress: Progress) -> Chosen:
        """Return the samples.

        Raises:
            ParameterError, VectorError: there are none, or a class cannot be read.
            Cancelled: `progress` asked to stop.
        """
        given = self._parameters
        dedicated = self._validation is not None
        found = self._of(self._training, training_limit(given, dedicated), Part(progress, 0, 0.5 if dedicated else 1))
        parts = [found]
        if self._validation is not None:
            parts.append(self._of(self._validation, validation_limit(given), Part(progress, 0.5, 1)))
        opened = [self._training, *([self._validation] if self._validation is not None else [])]
        layers = [(shapes.layer, shapes.field) for shapes in opened]
        classes, known = join_layers(layers, [part[2] for part in parts])
        coding = Coding(self._training.field, holds_names(layers, progress), classes[0])
        places = [self._placed(x, y, own, coding) for (x, y, _), own in zip(parts, classes)]
        legend = coding.legend(known, given.legend)
        if dedicated:
            tell_strangers(legend, places[0].labels, places[1].labels, progress)
            return Chosen(places[0], places[1], legend)
        held = held_back(places[0].labels, given.sample_vtr)
        return Chosen(places[0][~held], places[0][held], legend)

    def _of(self, shapes: Shapes, limit: int, progress: Progress) -> tuple[np.ndarray, np.ndarray, list[Any]]:
        """Return coordinates and classes of a layer's samples."""
        counted = count(shapes, self._validity, self._memory, progress, share=0.5)
        totals = counted.statistics().per_class
        rates = rates_of(totals, bool(self._parameters.sample_bm), limit)
        if not any(rate.needed for rate in rates.values()):
            raise ParameterError(
                f"No feature of {shapes.layer.path} holds a valid pixel of the output, or SAMPLE_MT or SAMPLE_MV is 0: check "
                "that layer and image overlap where the image has data, and the numbers of samples."
            )
        empty = sorted((name for name, rate in rates.items() if not rate.needed), key=natural_order)
        if empty:
            progress.warning(f"No sample of the class {', '.join(empty)} of {shapes.layer.path} lies on a valid pixel.")
        samplers = {name: Periodic(rate.needed, rate.total, JITTER, self._random) for name, rate in rates.items()}
        selection = Selection(shapes, counted, self._validity, samplers, self._memory)
        collected = _Collected(selection.fields.index(shapes.field) if shapes.field.index >= 0 else -1)
        selection.write(collected, progress)
        return collected.result()

    def _placed(self, x: np.ndarray, y: np.ndarray, classes: list[Any], coding: Coding) -> Places:
        columns, rows = pixels_of(x, y, self._validity.image.grid)
        return Places(columns, rows, coding.numbers(classes))


def pixels_of(x: np.ndarray, y: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return columns and rows of the grid's pixels that hold points."""
    places = np.stack([(x - grid.x.origin) / grid.x.spacing, (-y - grid.y.origin) / grid.y.spacing], axis=1)
    columns, rows = pixel_of(places)
    return columns.clip(0, grid.width - 1), rows.clip(0, grid.height - 1)


class _Collected:
    """Keeps samples in memory."""

    def __init__(self, column: int) -> None:
        self._column = column
        self._parts: list[tuple[np.ndarray, np.ndarray, list[Any]]] = []

    def write(self, columns: Sequence[Any], x: np.ndarray, y: np.ndarray) -> None:
        self._parts.append((x, y, columns[self._column].tolist()))

    def result(self) -> tuple[np.ndarray, np.ndarray, list[Any]]:
        x, y, classes = zip(*self._parts)
        return np.concatenate(x), np.concatenate(y), [value for part in classes for value in part]


def training_limit(given: SampleChoice, dedicated: bool) -> int:
    """Return how many samples of a class are chosen in the training layer at most; -1: no limit.

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
    """Return how many samples of a class are chosen in the validation layer at most; -1: no limit."""
    if given.sample_mv < 0 <= given.sample_mt and given.sample_vtr < 0.99999:
        return int(given.sample_mt * given.sample_vtr / (1 - given.sample_vtr))
    return given.sample_mv


def rates_of(totals: Totals, balanced: bool, limit: int) -> Rates:
    """Return how many samples each class gives: up to the limit, and balanced as many as the smallest class has."""
    most = min((total for total in totals.values() if total), default=0) if balanced else max(totals.values())
    return strategies.constant(totals, most if limit < 0 else min(most, limit))


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
