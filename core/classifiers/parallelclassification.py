"""Classifying many features, or the pixels of a tile, on all cores."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from ..errors import field
from ..phrases import Phrase
from .classifierfiles import Classifier

CHUNK = 8192
"""Number of features that a thread classifies at a time."""


def feature_type(dtype: Any) -> np.dtype:
    """Return the floating-point type in which values of `dtype` are learned from and classified, exact for them."""
    return np.result_type(dtype, np.float32)


class ParallelClassifier:
    """Calls a classifier on features, in threads: scikit-learn releases the interpreter lock where it computes."""

    def __init__(self, classifier: Classifier) -> None:
        import joblib
        from threadpoolctl import ThreadpoolController

        self._pipeline = classifier.pipeline
        self._labels = np.array([item.value for item in classifier.classes], np.int64)
        self._parallel = joblib.Parallel(n_jobs=-1, prefer="threads")
        self._one = joblib.delayed(self._classify)
        self._pools = ThreadpoolController()

    @property
    def confident(self) -> bool:
        """Whether the classifier provides probabilities."""
        return hasattr(self._pipeline, "predict_proba")

    def __call__(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return labels and confidences.

        Args:
            features: shape (n, features), all finite; of a type of `feature_type`.

        Returns:
            The labels, int64, shape (n,); and the highest probability of each, float32, shape (n,), or None where the
            classifier tells none.
        """
        parts = [features[start : start + CHUNK] for start in range(0, len(features), CHUNK)]
        found = self._parallel(self._one(part) for part in parts) if len(parts) > 1 else map(self._classify, parts)
        labels, confidences = zip(*found) if parts else ((), ())
        return _joined(labels, np.int64), _joined(confidences, np.float32) if self.confident else None

    def _classify(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        with self._pools.limit(limits=1, user_api="openmp"):  # the threads are ours; it counts for this one alone
            if not self.confident:
                return self._pipeline.predict(features), None
            probabilities = self._pipeline.predict_proba(features)
        best = probabilities.argmax(axis=1)
        return self._labels[best], probabilities[np.arange(len(best)), best].astype(np.float32)


def _joined(parts: tuple[np.ndarray, ...], dtype: type) -> np.ndarray:
    return np.concatenate(parts).astype(dtype, copy=False) if parts else np.empty(0, dtype)


class PixelClassifier:
    """Classifies the pixels of a tile.

    Attributes:
        replaced: pixels so far that were NaN or infinite, and got the no-data label.
    """

    bands = 2
    """What a pixel becomes: its label and its confidence."""

    def __init__(self, classifier: Classifier, nodatalabel: int) -> None:
        self._classifier, self._nodatalabel = ParallelClassifier(classifier), nodatalabel
        self.replaced, self._counting = 0, threading.Lock()

    def __call__(self, pixels: np.ndarray, nodata: np.ndarray | None) -> np.ndarray:
        """Return labels and confidences.

        Args:
            pixels: features, of shape (height, width, features).
            nodata: where there is none, bool, shape (height, width); None for nowhere.

        Returns:
            float64, shape (height, width, 2): the label, and the confidence (0 where there is none).
        """
        features = pixels.reshape(-1, pixels.shape[-1]).astype(feature_type(pixels.dtype), copy=False)
        wanted = np.ones(len(features), bool) if nodata is None else ~nodata.reshape(-1)
        finite = np.isfinite(features).all(axis=1)
        with self._counting:  # tiles may be computed at the same time
            self.replaced += int(np.count_nonzero(wanted & ~finite))
        wanted &= finite
        values = np.zeros((len(features), self.bands))
        values[:, 0] = self._nodatalabel
        if wanted.any():
            labels, confidences = self._classifier(features if wanted.all() else features[wanted])
            values[wanted, 0] = labels
            if confidences is not None:
                values[wanted, 1] = confidences
        return values.reshape(*pixels.shape[:2], self.bands)

    def nothing(self, width: int, height: int) -> np.ndarray:
        """Return labels and confidences of pixels of which none is classified."""
        values = np.zeros((height, width, self.bands))
        values[..., 0] = self._nodatalabel
        return values

    def told(self) -> str:
        """Return a warning with the number of replaced pixels; empty if there are none."""
        if not self.replaced:
            return ""
        return Phrase(
            "{replaced} {replaced:pixel is|pixels are} NaN or infinite: labelled {nodatalabel} ({nodatalabel_key}).",
            replaced=self.replaced,
            nodatalabel=self._nodatalabel,
            nodatalabel_key=field("nodatalabel"),
        )
