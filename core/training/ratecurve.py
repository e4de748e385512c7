"""The curve of a learning rate range test, and the rate that it suggests.

The test is that of L. N. Smith, Cyclical Learning Rates for Training Neural Networks, WACV 2017. The loss is smoothed, and
the test ends early, as J. Howard and S. Gugger, fastai: A Layered API for Deep Learning, Information 11(2), 2020, do it; the
suggestion is theirs too: a tenth of the rate with the smallest loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MOMENTUM = 0.9
"""The weight of the batches before in the smoothed loss."""

DIVERGED = 4.0
"""How many times the smallest smoothed loss ends the test."""

SHARE = 0.1
"""The suggested rate, as a share of the one with the smallest smoothed loss."""

_LEAST_FALL = 0.05
"""The share by which the loss must fall, so that the fall is none of chance."""

_BEGINNING = 0.1
"""The share of the batches that tells the loss before anything is learned; smoothing does not even out their chance yet."""


@dataclass(frozen=True)
class RateCurve:
    """Rates and losses, batch by batch.

    Attributes:
        rates: of the batches, rising.
        losses: means over each batch.
        planned: number of batches that the test had, had it not ended early.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    planned: int

    @property
    def smoothed(self) -> np.ndarray:
        """The losses, as exponentially weighted means over the batches so far, without the bias of the beginning."""
        return smooth(self.losses)

    @property
    def ended_early(self) -> bool:
        """Whether the loss diverged."""
        return len(self.losses) < self.planned

    @property
    def place(self) -> int:
        """The batch with the smallest smoothed loss, from 0."""
        return int(np.argmin(self.smoothed))

    @property
    def falls(self) -> bool:
        """Whether the loss falls at all, by more than chance."""
        first = beginning(self.planned)
        begin = float(np.mean(self.losses[:first]))
        return self.place >= first and float(self.smoothed[self.place]) < (1 - _LEAST_FALL) * begin

    @property
    def falls_to_the_end(self) -> bool:
        """Whether the smallest loss is that of the last rate, so that higher ones might be as good."""
        return not self.ended_early and self.place == len(self.losses) - 1

    @property
    def suggested(self) -> float | None:
        """The suggested learning rate; None where the loss does not fall."""
        return SHARE * self.rates[self.place] if self.falls else None

    @property
    def steepest(self) -> float | None:
        """The rate at which the smoothed loss falls fastest over the logarithm of the rate; None where it does not fall."""
        if not self.falls:  # of one batch, there is no slope
            return None
        first = beginning(self.planned)
        slopes = np.gradient(self.smoothed)[first : self.place + 1]
        return self.rates[first + int(np.argmin(slopes))]


def beginning(planned: int) -> int:
    """Return the number of batches that tell the loss before anything is learned."""
    return max(1, round(_BEGINNING * planned))


def has_diverged(losses: Sequence[float], planned: int) -> bool:
    """Return whether the last smoothed loss says that rates are too high from here on."""
    smoothed = smooth(losses)
    return len(losses) > beginning(planned) and bool(smoothed[-1] > DIVERGED * smoothed.min())


def smooth(losses: Sequence[float]) -> np.ndarray:
    """Return losses as exponentially weighted means over those so far, divided by the sum of the weights."""
    found, mean = [], 0.0
    for number, loss in enumerate(losses, 1):
        mean = MOMENTUM * mean + (1 - MOMENTUM) * loss
        found.append(mean / (1 - MOMENTUM**number))
    return np.array(found, "float64")


def rising_rates(start: float, end: float, count: int) -> np.ndarray:
    """Return rates that rise exponentially, both ends included."""
    return np.geomspace(start, end, count)
