"""How well classes or values are found, in numbers; the metrics are scikit-learn's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ParameterError
from ..phrases import Phrase
from .quantitynames import readable


@dataclass(frozen=True)
class ClassScores:
    """A confusion matrix and what follows from it.

    Attributes:
        labels: the classes, in the order of the matrix.
        names: their names, as many.
        matrix: int64 (classes, classes); rows are the reference, columns what was found.
        precision: float64 (classes,); of what was found as the class, the share that is it (user's accuracy).
        recall: float64 (classes,); of what is the class, the share that was found (producer's accuracy).
        fscore: float64 (classes,); harmonic mean of the two.
        support: int64 (classes,); samples of the reference.
        kappa: Cohen's.
        overall_accuracy: share of the samples on the diagonal.
        f1_macro: mean F-score of the classes that occur in the reference or were found.

    A number that is undefined (a class never found has no precision, a single class no kappa) is nan.
    """

    labels: tuple[Any, ...]
    names: tuple[str, ...]
    matrix: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    fscore: np.ndarray
    support: np.ndarray
    kappa: float
    overall_accuracy: float
    f1_macro: float


@dataclass(frozen=True)
class RegressionScores:
    """Errors of predicted values; all arrays float64 (bands,).

    Attributes:
        rmse: root of the mean squared error, in the values' unit.
        mae: mean absolute error, in the values' unit.
        r2: coefficient of determination; nan where the reference does not vary.
    """

    rmse: np.ndarray
    mae: np.ndarray
    r2: np.ndarray


def class_scores(
    reference: Any, predicted: Any, labels: Sequence[Any] | None = None, names: Sequence[str] | None = None
) -> ClassScores:
    """Compare predicted classes with those of the reference.

    Args:
        reference: (samples,), whole numbers or texts.
        predicted: (samples,), of the same kind.
        labels: the classes; not given, those that occur, sorted.
        names: of the classes; not given, the labels themselves.

    Raises:
        ParameterError: a class occurs that is not among `labels`, or the arrays differ in length.
    """
    reference, predicted = np.asarray(reference).ravel(), np.asarray(predicted).ravel()
    if len(reference) != len(predicted):
        raise ParameterError(
            "There are {reference_count} reference labels, but {predicted_count} predicted ones.",
            reference_count=len(reference),
            predicted_count=len(predicted),
        )
    found, places = np.unique(np.concatenate([reference, predicted]), return_inverse=True)
    classes = found.tolist() if labels is None else list(labels)
    unknown = [label for label in found.tolist() if label not in classes]
    if unknown:
        raise ParameterError(
            "Label {unknown} occurs, but the classes are {classes}.",
            unknown=unknown[0],
            classes=", ".join(map(str, classes)),
        )
    order = np.array([classes.index(label) for label in found.tolist()], np.int64)
    rows, columns = order[places].reshape(2, -1) if len(reference) else np.zeros((2, 0), np.int64)
    matrix = np.bincount(rows * len(classes) + columns, minlength=len(classes) ** 2)
    return class_scores_of(matrix.reshape(len(classes), len(classes)), classes, names)


def class_scores_of(matrix: Any, labels: Sequence[Any], names: Sequence[str] | None = None) -> ClassScores:
    """Return the scores of a confusion matrix (rows = reference) whose classes are `labels`."""
    counts = np.asarray(matrix).astype(np.int64)
    if counts.shape != (len(labels), len(labels)) or (names is not None and len(names) != len(labels)):
        raise ParameterError(
            "A matrix of shape {shape} does not fit {labels_count} classes and their names.",
            shape=counts.shape,
            labels_count=len(labels),
        )
    precision, recall, fscore, f1_macro = _per_class(counts)
    total = int(counts.sum())
    return ClassScores(
        tuple(labels),
        tuple(str(label) for label in labels) if names is None else tuple(names),
        counts,
        precision,
        recall,
        fscore,
        counts.sum(axis=1),
        _kappa(counts),
        float(np.trace(counts)) / total if total else float("nan"),
        f1_macro,
    )


def _as_samples(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return reference, prediction and weight: one sample per cell of the matrix that is not empty."""
    reference, predicted = np.nonzero(counts)
    return reference, predicted, counts[reference, predicted]


def _per_class(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return precision, recall and F-score of each class, and the mean of the F-scores that are defined."""
    if not counts.any():
        nothing = np.full(len(counts), np.nan)
        return nothing, nothing, nothing, float("nan")
    from sklearn.metrics import precision_recall_fscore_support

    reference, predicted, weights = _as_samples(counts)
    precision, recall, fscore, _ = precision_recall_fscore_support(
        reference, predicted, labels=range(len(counts)), sample_weight=weights, zero_division=0
    )
    there, found = counts.any(axis=1), counts.any(axis=0)
    precision[~found] = np.nan  # not 0, which would be a verdict
    recall[~there] = np.nan
    fscore[~found & ~there] = np.nan
    return precision, recall, fscore, float(np.nanmean(fscore))


def _kappa(counts: np.ndarray) -> float:
    reference, predicted, weights = _as_samples(counts)
    if len(np.union1d(reference, predicted)) < 2:
        return float("nan")  # agreement by chance is certain: nothing is left to be better than
    from sklearn.metrics import cohen_kappa_score

    return float(cohen_kappa_score(reference, predicted, sample_weight=weights))


def regression_scores(reference: Any, predicted: Any) -> RegressionScores:
    """Compare predicted values with those of the reference.

    Args:
        reference: (samples, bands), or (samples,) for one band.
        predicted: of the same shape.

    Raises:
        ParameterError: the shapes differ.
    """
    reference, predicted = np.asarray(reference, np.float64), np.asarray(predicted, np.float64)
    if reference.shape != predicted.shape:
        raise ParameterError(
            "The reference has shape {shape}, but the prediction {predicted_shape}.",
            shape=reference.shape,
            predicted_shape=predicted.shape,
        )
    if reference.ndim == 1:
        reference, predicted = reference[:, None], predicted[:, None]
    if not reference.size or not (np.isfinite(reference).all() and np.isfinite(predicted).all()):
        nothing = np.full(reference.shape[-1], np.nan)
        return RegressionScores(nothing, nothing, nothing)
    from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

    each = "raw_values"
    r2 = np.full(reference.shape[-1], np.nan)
    varies = np.ptp(reference, axis=0) > 0
    if varies.any():
        r2[varies] = r2_score(reference[:, varies], predicted[:, varies], multioutput=each)
    return RegressionScores(
        np.sqrt(mean_squared_error(reference, predicted, multioutput=each)),
        mean_absolute_error(reference, predicted, multioutput=each),
        r2,
    )


def numbers(scores: ClassScores | RegressionScores) -> dict[str, float]:
    """Return the scores that sum all up, under the keys of results; what is undefined is left out.

    For regression each is the mean over the bands where it is defined.
    """
    if isinstance(scores, ClassScores):
        found = {
            "kappa": scores.kappa,
            "overall_accuracy": scores.overall_accuracy,
            "f1_macro": scores.f1_macro,
        }
    else:
        bands = {"rmse": scores.rmse, "mae": scores.mae, "r2": scores.r2}
        found = {key: _mean_of_defined(values) for key, values in bands.items()}
    return {key: value for key, value in found.items() if np.isfinite(value)}


def described(scores: ClassScores | RegressionScores) -> str:
    """Return the scores that sum all up as words for the log."""
    found = [Phrase("{score} {value:.4g}", score=readable(key), value=value) for key, value in numbers(scores).items()]
    return Phrase(", ").join(found) if found else Phrase("no score is defined")


def _mean_of_defined(values: np.ndarray) -> float:
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else float("nan")
