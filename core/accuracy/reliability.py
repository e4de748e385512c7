"""How far probabilities are from the share of right classes: reliability diagram and expected calibration error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 15
"""Of equal width, as in Guo et al., On Calibration of Modern Neural Networks, ICML 2017."""


@dataclass(frozen=True)
class Reliability:
    """Samples by the probability of their most probable class; bin number m of M holds those from (m - 1)/M to m/M.

    Attributes:
        counts: int64 (BINS,), number of samples.
        confidence: float64 (BINS,), mean probability of the most probable class; nan where a bin is empty.
        accuracy: float64 (BINS,), share of the samples whose most probable class is right; nan where a bin is empty.
    """

    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def samples(self) -> int:
        """Number of samples."""
        return int(self.counts.sum())

    @property
    def error(self) -> float:
        """Expected calibration error: sum over the bins of samples in it / all samples * |accuracy - confidence|.

        Equation 3 of Guo et al., after M. Naeini, G. Cooper and M. Hauskrecht, Obtaining Well Calibrated Probabilities Using
        Bayesian Binning, AAAI 2015. nan where there are no samples.
        """
        filled = self.counts > 0
        gaps = np.abs(self.accuracy[filled] - self.confidence[filled])
        return float((self.counts[filled] * gaps).sum() / self.samples) if self.samples else float("nan")


def reliability_of(confidence: np.ndarray, right: np.ndarray) -> Reliability:
    """Return the reliability of predictions.

    Args:
        confidence: probability of the most probable class of each sample, shape (n,), from 0 to 1.
        right: whether it is the class of the sample, bool, shape (n,).
    """
    upper = np.arange(1, BINS + 1) / BINS
    places = np.minimum(np.searchsorted(upper, confidence, side="left"), BINS - 1)
    counts = np.bincount(places, minlength=BINS)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(places, weights=values, minlength=BINS) / counts for values in (confidence, right)]
    return Reliability(counts, *means)
