"""Scores of a model on samples, counted batch by batch."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, Union

import numpy as np

from ..accuracy.scores import ClassScores, RegressionScores, class_scores_of, described, numbers, regression_scores
from ..base.progress import Progress
from ..classes.legend import Legend
from ..errors import TrainingError, field
from ..parameters.sampleroles import SampleRole
from ..phrases import Phrase
from .classlabels import ClassTable

Scores = Union[ClassScores, RegressionScores]

_LISTED = 5  # classes that a class is taken for, in a line of the log

SCORED_WHILE_TRAINING = (SampleRole.TRAINING, SampleRole.VALIDATION)
"""The roles whose samples are scored after epochs too; those for test are looked at once, in the end."""


def _check_numbers(known: np.ndarray) -> None:
    """Raise TrainingError where a prediction is no number."""
    if not known.all():
        raise TrainingError(
            "The network returns NaN or infinite values for {lost} of {count} labels, so nothing can be scored: its "
            "weights became too large, or its inputs are NaN there. Lower {learning_rate}, and check the patches for NaN or very "
            "large values.",
            lost=int((~known).sum()),
            count=known.size,
            learning_rate=field("learning_rate"),
        )


class Tally(Protocol):
    """Takes targets and predictions, and returns scores."""

    def add(self, target: np.ndarray, predicted: np.ndarray) -> None:
        """Take a batch."""

    def scores(self) -> Scores:
        """Return the scores of what was taken."""


class ClassTally:
    """Counts class numbers: predictions are numbers too, -1 where there is none; targets below 0 do not count."""

    def __init__(self, table: ClassTable) -> None:
        self._table = table
        self._counts = np.zeros(len(table.values) ** 2, "int64")

    def add(self, target: np.ndarray, predicted: np.ndarray) -> None:
        """Take a batch: whole numbers of one shape.

        Raises:
            TrainingError: a label that counts has no prediction.
        """
        target, predicted = target.ravel(), predicted.ravel()
        counts = target >= 0
        _check_numbers(predicted[counts] >= 0)
        places = target[counts].astype("int64") * len(self._table.values) + predicted[counts]
        self._counts += np.bincount(places, minlength=len(self._counts))

    def scores(self) -> ClassScores:
        """Return the scores of the classes that occur or were predicted."""
        side = len(self._table.values)
        matrix = self._counts.reshape(side, side)
        used = np.flatnonzero(matrix.sum(axis=0) + matrix.sum(axis=1))
        names = self._table.names
        return class_scores_of(
            matrix[np.ix_(used, used)], [self._table.values[i] for i in used], [names[i] for i in used]
        )


class LabelTally:
    """Counts pairs of labels, whatever their values."""

    def __init__(self, legend: Legend) -> None:
        self._legend = legend
        self._counts: Counter[tuple[int, int]] = Counter()

    def add(self, target: np.ndarray, predicted: np.ndarray) -> None:
        """Take a batch: labels of one shape."""
        pairs = np.stack([target.ravel(), predicted.ravel()], axis=1).astype("int64")
        found, counts = np.unique(pairs, axis=0, return_counts=True)
        self._counts.update(dict(zip(map(tuple, found.tolist()), counts.tolist())))

    def scores(self) -> ClassScores:
        """Return the scores of the labels that occur or were predicted."""
        labels = sorted({label for pair in self._counts for label in pair})
        matrix = np.array([[self._counts[reference, other] for other in labels] for reference in labels], "int64")
        names = [(self._legend[v].name if v in self._legend else "") or str(v) for v in labels]
        return class_scores_of(matrix, labels, names)


class ValueTally:
    """Collects values: predictions and targets of shape (..., bands)."""

    def __init__(self) -> None:
        self._targets: list[np.ndarray] = []
        self._predicted: list[np.ndarray] = []

    def add(self, target: np.ndarray, predicted: np.ndarray) -> None:
        """Take a batch.

        Raises:
            TrainingError: a prediction is NaN or infinite.
        """
        _check_numbers(np.isfinite(predicted))
        self._targets.append(target.reshape(-1, target.shape[-1]))
        self._predicted.append(predicted.reshape(-1, predicted.shape[-1]))

    def scores(self) -> RegressionScores:
        """Return the errors, band by band."""
        return regression_scores(np.concatenate(self._targets), np.concatenate(self._predicted))


class HeatTally(ValueTally):
    """Collects the heat maps of a detector, which come first among the bands."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self._classes = classes

    def add(self, target: np.ndarray, predicted: np.ndarray) -> None:
        """Take a batch."""
        super().add(target[..., : self._classes], predicted[..., : self._classes])


def score(predict: Callable[[Any], Any], data: Any, tally: Tally, progress: Progress) -> Scores:
    """Return the scores of a model.

    Args:
        predict: takes a batch of inputs, and returns what the tally takes, a tensor.
        data: batches of (inputs, targets).
        tally: counts.
        progress: asked to stop between batches.

    Raises:
        Cancelled: it said so.
    """
    for inputs, targets in data:
        progress.check()
        tally.add(np.asarray(targets), np.asarray(predict(inputs)))
    return tally.scores()


def log_scores(role: SampleRole, scores: Scores, progress: Progress) -> dict[str, float]:
    """Log the scores of an epoch, and return them by their names in the history, which for validation begin with `val_`."""
    progress.info(Phrase("Scores on data for {role}: {scores}.", role=role, scores=described(scores)))
    for line in describe_classes(scores):
        progress.info(line)
    prefix = "val_" if role is SampleRole.VALIDATION else ""
    return {f"{prefix}{name}": value for name, value in numbers(scores).items()}


def named_numbers(numbered: Iterable[tuple[str, float]]) -> str:
    """Return names, each with its number, for a line of the log."""
    return Phrase(", ").join(Phrase("{name} {value:.4g}", name=name, value=value) for name, value in numbered)


def deciding_scores(scores: Mapping[SampleRole, Scores]) -> Scores | None:
    """Return the scores that the operation results in: on data for validation, else on those for training."""
    return scores.get(SampleRole.VALIDATION) or scores.get(SampleRole.TRAINING)


def describe_classes(scores: Scores) -> list[str]:
    """Return a line for each class, with what its labels were taken for; for values a line for each band."""
    if isinstance(scores, RegressionScores):
        each = zip(scores.rmse, scores.mae, scores.r2)
        return [
            Phrase("  band {n}: RMSE {rmse:.4g}, MAE {mae:.4g}, R2 {r2:.4g}", n=n, rmse=rmse, mae=mae, r2=r2)
            for n, (rmse, mae, r2) in enumerate(each, 1)
        ]
    each = zip(scores.precision.tolist(), scores.recall.tolist(), scores.fscore.tolist())
    return [
        Phrase(
            "  {name}: {taken_for}; precision {shown}, recall {shown_recall}, F-score {shown_fscore}",
            name=name,
            taken_for=_taken_for(counts, scores.names),
            shown=_shown(precision),
            shown_recall=_shown(recall),
            shown_fscore=_shown(fscore),
        )
        for name, counts, (precision, recall, fscore) in zip(scores.names, scores.matrix.tolist(), each)
    ]


def _taken_for(counts: Sequence[int], names: Sequence[str]) -> str:
    """Return how many labels a class has and which classes the model takes them for, the most frequent first."""
    found = sorted(((count, name) for count, name in zip(counts, names) if count), key=lambda pair: -pair[0])
    if not found:
        return Phrase("no labels")
    told = [f"{name} {count}" for count, name in found[:_LISTED]]
    rest = sum(count for count, _ in found[_LISTED:])
    return Phrase(
        "{counts} labels, classified as {value}",
        counts=sum(counts),
        value=Phrase(", ").join([*told, *([Phrase("others {rest}", rest=rest)] if rest else [])]),
    )


def _shown(score: float) -> str:
    return Phrase("{score:.3f}", score=score) if math.isfinite(score) else Phrase("undefined")
