"""The temperature that makes a network's probabilities fit the labels of samples best."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..accuracy.reliability import Reliability, reliability_of
from ..phrases import Phrase

_MOST_VALUES = 1 << 24
"""Logits that are kept, of 4 bytes each."""

_AT_ONCE = 1 << 16
"""Rows for which probabilities are computed together."""


class LabelledLogits:
    """Logits and class numbers of labelled samples; of more than fit in memory every second, fourth, ... one.

    Attributes:
        kept: number of samples that are kept.
    """

    def __init__(self, classes: int, most_values: int = _MOST_VALUES) -> None:
        """Make an empty collection.

        Args:
            classes: number of classes, from 2 on.
            most_values: logits that are kept.
        """
        self._most, self._classes = max(1, most_values // classes), classes
        self._seen, self._step, self.kept = 0, 1, 0
        self._chunks: list[tuple[np.ndarray, np.ndarray]] = []

    @property
    def seen(self) -> int:
        """Number of samples that were given."""
        return self._seen

    def add(self, labels: np.ndarray, logits: np.ndarray) -> None:
        """Take a batch.

        Args:
            labels: class numbers; those below 0 do not count.
            logits: of shape (..., classes), or (..., 1) or (...) of the second of two classes; samples with NaN do not count.
        """
        labels = labels.reshape(-1)
        rows = logits.reshape(len(labels), -1)
        if rows.shape[1] == 1:
            rows = np.concatenate([np.zeros_like(rows), rows], axis=1)  # softmax of these = sigmoid
        counts = (labels >= 0) & np.isfinite(rows).all(axis=1)
        labels, rows = labels[counts], rows[counts]
        first = -self._seen % self._step
        self._seen += len(labels)
        self._chunks.append(
            (labels[first :: self._step].astype(np.int64), rows[first :: self._step].astype(np.float32))
        )
        self.kept += len(self._chunks[-1][0])
        while self.kept > self._most:
            labels, rows = self._joined()
            self._chunks, self._step = [(labels[::2].copy(), rows[::2].copy())], 2 * self._step
            self.kept = len(self._chunks[0][0])

    def _joined(self) -> tuple[np.ndarray, np.ndarray]:
        """Return labels and logits in one array each."""
        if len(self._chunks) != 1:
            empty = (np.zeros(0, np.int64), np.zeros((0, self._classes), np.float32))
            labels, rows = zip(*(self._chunks or [empty]))
            self._chunks = [(np.concatenate(labels), np.concatenate(rows))]
        return self._chunks[0]

    def _parts(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield labels, and logits in float64 whose largest in each row is 0."""
        labels, rows = self._joined()
        for start in range(0, self.kept, _AT_ONCE):
            logits = rows[start : start + _AT_ONCE].astype(np.float64)
            yield labels[start : start + _AT_ONCE], logits - logits.max(axis=1, keepdims=True)

    def slope(self, inverse: float) -> float:
        """Return the derivative of the negative log-likelihood, summed over the samples, by 1 / temperature.

        It is the sum of the mean logit under softmax(logits / temperature) minus the logit of the label, and never falls:
        the negative log-likelihood is convex in 1 / temperature.
        """
        total = 0.0
        for labels, logits in self._parts():
            weights = np.exp(logits * inverse)
            means = (weights * logits).sum(axis=1) / weights.sum(axis=1)
            total += float((means - logits[np.arange(len(labels)), labels]).sum())
        return total

    def negative_log_likelihood(self, temperature: float) -> float:
        """Return the mean over the samples of -ln of the probability of the label, at a temperature."""
        total = 0.0
        for labels, logits in self._parts():
            scaled = logits / temperature
            total += float((np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(labels)), labels]).sum())
        return total / self.kept

    def reliability(self, temperature: float) -> Reliability:
        """Return the reliability of the probabilities at a temperature."""
        confidence, right = [], []
        for labels, logits in self._parts():
            confidence.append(1 / np.exp(logits / temperature).sum(axis=1))  # of the largest logit, which is 0
            right.append(logits.argmax(axis=1) == labels)
        return reliability_of(np.concatenate(confidence), np.concatenate(right))

    def uncertainty(self, temperature: float) -> float:
        """Return the standard error of ln(temperature), as the samples tell it: from the curvature of the log-likelihood.

        That is 1 / sqrt(sum of the variances of logits / temperature under softmax(logits / temperature)), the asymptotic
        standard error of a maximum likelihood estimate.
        """
        total = 0.0
        for _, logits in self._parts():
            scaled = logits / temperature
            weights = np.exp(scaled)
            weights /= weights.sum(axis=1, keepdims=True)
            means = (weights * scaled).sum(axis=1, keepdims=True)
            total += float((weights * (scaled - means) ** 2).sum())
        return 1 / math.sqrt(total) if total > 0 else math.inf

    def counts(self) -> np.ndarray:
        """Return the number of samples of each class, int64, shape (classes,)."""
        return np.bincount(self._joined()[0], minlength=self._classes)

    def all_right(self) -> bool:
        """Return whether no class has a larger logit than the label of its sample."""
        return all((logits[np.arange(len(labels)), labels] == 0).all() for labels, logits in self._parts())


def why_no_temperature(samples: LabelledLogits) -> str:
    """Return why no temperature is the best; empty where there is one."""
    if not samples.kept:
        return Phrase("no sample has a label that counts")
    if samples.all_right():
        return Phrase("all samples are classified right, so that probabilities of 1 would fit them best")
    if samples.slope(0.0) >= 0:
        return Phrase("the probabilities fit the labels no better than equal ones for all classes")
    return ""


def fit_temperature(samples: LabelledLogits) -> float:
    """Return the temperature with the least negative log-likelihood of the labels.

    Args:
        samples: for which `why_no_temperature` finds no reason.
    """
    from scipy.optimize import brentq

    low = high = 1.0  # of 1 / temperature
    while samples.slope(low) > 0:
        low /= 2
    while samples.slope(high) < 0:
        high *= 2
    inverse: float = low if low == high else brentq(samples.slope, low, high, rtol=1e-10)
    return 1 / inverse
