"""Losses and metrics, those of classes without what does not count.

Class numbers below 0 (`core.training.classlabels.IGNORED`) do not count. Predictions have the classes along their last axis, or a
single probability; class numbers have the same shape without that axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

_SMOOTH = 1e-6  # keeps the dice coefficient of a class that does not occur at 1


class ClassLoss(keras.losses.Loss):
    """Mean of a loss over the labels that count."""

    def __init__(self, each: Callable[[Any, Any], Any], name: str) -> None:
        """Make the loss.

        Args:
            each: takes class numbers (all valid) and predictions, and returns a loss for each label.
            name: of the loss.
        """
        super().__init__(name=name)
        self._each = each

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each label, scaled so that their mean is the mean over those that count."""
        counts = ops.cast(y_true >= 0, "float32")
        loss = self._each(ops.maximum(ops.cast(y_true, "int32"), 0), ops.cast(y_pred, "float32"))
        every = ops.cast(ops.size(counts), "float32")
        return loss * counts * (every / ops.maximum(ops.sum(counts), 1.0))


class DiceLoss(keras.losses.Loss):
    """One minus the mean dice coefficient of the classes, in the labels of a batch that count."""

    def __init__(self, logits: bool) -> None:
        super().__init__(name="dice")
        self._logits = logits

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss, one number for the batch."""
        counts = ops.cast(y_true >= 0, "float32")[..., None]
        found = ops.cast(y_pred, "float32")
        found = (ops.softmax(found) if self._logits else found) * counts
        expected = ops.one_hot(ops.maximum(ops.cast(y_true, "int32"), 0), y_pred.shape[-1]) * counts
        axes = list(range(len(y_pred.shape) - 1))
        both = ops.sum(found * expected, axis=axes)
        total = ops.sum(found, axis=axes) + ops.sum(expected, axis=axes)
        return ops.mean(1.0 - (2.0 * both + _SMOOTH) / (total + _SMOOTH))


class TanimotoLoss(keras.losses.Loss):
    """One minus the mean over the bands of the Tanimoto coefficient with its complement.

    For shares between 0 and 1: F. I. Diakogiannis et al., "ResUNet-a: A deep learning framework for semantic segmentation
    of remotely sensed data", ISPRS Journal 162, 2020, equations 4 and 5, over all pixels of a batch.
    """

    def __init__(self) -> None:
        super().__init__(name="tanimoto")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss, one number for the batch."""
        expected, found = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
        coefficients = (_tanimoto(expected, found) + _tanimoto(1.0 - expected, 1.0 - found)) / 2.0
        return 1.0 - ops.mean(coefficients)


def _tanimoto(one: Any, other: Any) -> Any:
    """Return the coefficient of each band, along the last axis."""
    axes = list(range(len(one.shape) - 1))
    both = ops.sum(one * other, axis=axes)
    squares = ops.sum(one * one, axis=axes) + ops.sum(other * other, axis=axes)
    return (both + _SMOOTH) / (squares - both + _SMOOTH)


class StandardizedLoss(keras.losses.Loss):
    """A loss of differences, which counts them in standard deviations of the target, so that all bands weigh the same."""

    def __init__(self, loss: keras.losses.Loss, deviation: Sequence[float]) -> None:
        """Make the loss.

        Args:
            loss: depends on target and prediction by their difference alone.
            deviation: standard deviation of each band of the target, above 0.
        """
        super().__init__(name=loss.name)
        self._loss, self._deviation = loss, [float(value) for value in deviation]

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each value."""
        deviation = ops.convert_to_tensor(self._deviation, "float32")
        return self._loss.call(ops.cast(y_true, "float32") / deviation, ops.cast(y_pred, "float32") / deviation)


def categorical_crossentropy(logits: bool) -> keras.losses.Loss:
    """Return the cross-entropy of several classes; `logits` where predictions are no probabilities yet."""
    return ClassLoss(
        lambda labels, found: ops.sparse_categorical_crossentropy(labels, found, from_logits=logits),
        "categorical_crossentropy",
    )


def focal(logits: bool) -> keras.losses.Loss:
    """Return the focal loss of several classes (T. Lin et al., Focal Loss for Dense Object Detection, 2017)."""

    def each(labels: Any, found: Any) -> Any:
        expected = ops.one_hot(labels, found.shape[-1])
        return keras.losses.categorical_focal_crossentropy(expected, found, from_logits=logits)

    return ClassLoss(each, "focal")


def binary_crossentropy(logits: bool) -> keras.losses.Loss:
    """Return the cross-entropy of one probability, that of class 1."""
    return ClassLoss(
        lambda labels, found: ops.binary_crossentropy(ops.cast(labels, "float32"), found[..., 0], from_logits=logits),
        "binary_crossentropy",
    )


def class_numbers(predictions: Any, logits: bool) -> Any:
    """Return the number of the class that each prediction stands for: the largest, or 1 where the only one is likely."""
    if predictions.shape[-1] > 1:
        return ops.argmax(predictions, axis=-1)
    return ops.cast(predictions[..., 0] > (0.0 if logits else 0.5), "int32")


class Accuracy(keras.metrics.Mean):
    """Share of the labels that count which are predicted right."""

    def __init__(self, logits: bool) -> None:
        super().__init__(name="accuracy")
        self._logits = logits

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Take a batch."""
        labels = ops.cast(y_true, "int32")
        right = ops.cast(ops.equal(labels, ops.cast(class_numbers(y_pred, self._logits), "int32")), "float32")
        return super().update_state(right, ops.cast(labels >= 0, "float32"))


class MeanIou(keras.metrics.MeanIoU):
    """Mean over the classes of intersection over union, of the labels that count."""

    def __init__(self, classes: int) -> None:
        super().__init__(classes, name="mean_iou", sparse_y_true=True, sparse_y_pred=False, ignore_class=-1)
