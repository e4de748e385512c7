"""How sure a model is of the class of each pixel, from the class probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ..models.modelinterface import Model
from ..parameters.certaintyoutputs import SPREAD
from ..probing.classprobabilities import ClassProbabilities, flaw, not_probabilities


def confidence(probabilities: np.ndarray) -> np.ndarray:
    """Return the largest probability: (..., classes) to (..., 1)."""
    largest: np.ndarray = probabilities.max(axis=-1, keepdims=True)
    return largest


def relative_entropy(probabilities: np.ndarray) -> np.ndarray:
    """Return the relative entropy: (..., classes) to (..., 1), from 0 (one class is sure) to 1 (all are equally probable).

    That is Shannon's entropy divided by its largest possible value, the logarithm of the number of classes, so that models
    of several numbers of classes compare (C. E. Shannon, A Mathematical Theory of Communication, 1948, section 7; for maps
    F. Maselli, C. Conese and L. Petkov, ISPRS Journal of Photogrammetry and Remote Sensing 49, 1994).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = probabilities * np.log(probabilities)
    terms[probabilities == 0] = 0  # the limit of p ln p
    entropy = terms.sum(axis=-1, keepdims=True) / -math.log(probabilities.shape[-1])
    return np.clip(entropy, 0, 1)


def margin(probabilities: np.ndarray) -> np.ndarray:
    """Return the largest probability minus the second largest: (..., classes) to (..., 1).

    After T. Luo et al., Active Learning to Recognize Multiple Types of Plankton, JMLR 6, 2005 (breaking ties).
    """
    largest = np.partition(probabilities, -2, axis=-1)
    return largest[..., -1:] - largest[..., -2:-1]


_MEASURES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "out_confidence": confidence,
    "out_entropy": relative_entropy,
    "out_margin": margin,
    "out_probabilities": lambda probabilities: probabilities,
}
"""By field of the output."""


class CertaintyBands:
    """What becomes of the values of a tile: the bands of the map, then those of the outputs of certainty.

    Attributes:
        bands: of all together.
        mapped: of the map.
    """

    def __init__(
        self, model: Model, mapped: str, found: ClassProbabilities, fields: Sequence[str], wanted: str
    ) -> None:
        """Prepare.

        Args:
            model: the model.
            mapped: name of its output that is mapped, which comes first among the values.
            found: the class probabilities, which are these or come behind. What compares models comes last.
            fields: of the outputs of certainty that are made, in order.
            wanted: mention of the first, for messages.
        """
        self._model, self._found, self._fields, self._wanted = model, found, tuple(fields), wanted
        self._first = 0 if found.output == mapped else 1
        self._spread = [name for name in fields if name in SPREAD]  # the last bands of the values
        self.mapped = found.bands if self._first == 0 else 1
        self.bands = self.mapped + sum(self.width(name) for name in fields)

    def width(self, name: str) -> int:
        """Return how many bands an output of certainty has."""
        if self._found.quantities:
            return self._found.bands
        return self._found.classes if name == "out_probabilities" else 1

    def __call__(self, values: np.ndarray, nodata: np.ndarray | None) -> np.ndarray:
        """Return the bands of all outputs.

        Args:
            values: that the model returns, of shape (height, width, bands).
            nodata: where there is no data, bool, shape (height, width); None for nowhere.

        Raises:
            ModelError: the values are no probabilities.
        """
        if self._found.quantities:
            return values  # behind those of the map, their variances
        behind = values.shape[-1] - len(self._spread)
        probabilities = values[..., self._first : behind].astype(np.float32)
        if why := flaw(probabilities if nodata is None else probabilities[~nodata]):
            raise not_probabilities(self._model, self._found.output, why, self._wanted)
        np.clip(probabilities, 0, 1, out=probabilities)
        probabilities[np.isnan(probabilities).any(axis=-1)] = np.nan  # TensorFlow's softmax returns zeros beside a NaN
        if probabilities.shape[-1] == 1:
            probabilities = np.concatenate([1 - probabilities, probabilities], axis=-1)
        parts = {name: _MEASURES[name](probabilities) for name in self._fields if name in _MEASURES}
        parts.update((name, values[..., [behind + place]]) for place, name in enumerate(self._spread))
        return np.concatenate([values[..., : self.mapped], *(parts[name] for name in self._fields)], axis=-1)
