"""Selection of samples among a class's pixels, as OTB's periodic and random samplers do it.

A sampler sees the pixels of one class in their order, a number of them at a time, and says which it takes.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

_BLOCK = 1 << 20  # pixels among which is drawn at a time: drawing takes memory for each of them
_MOST_FOR_NUMPY = 10**9 - 1  # of the population that NumPy's hypergeometric distribution accepts


class Sampler(Protocol):
    """Chooses among the pixels of a class."""

    def take(self, count: int) -> np.ndarray:
        """Return which of the next `count` pixels are samples: numbers from 0, ascending."""


class Periodic:
    """Takes pixels at regular distances, the first one included.

    The k-th sample (k from 0) is the first pixel i (from 1) with (i - offset) * needed / total > k, in double
    precision, where the offset is 0 or, with jitter, drawn anew for each sample. Rounding makes that one sample more
    than needed for some numbers, as it does in OTB (439 * (220 / 439) > 220).
    """

    def __init__(self, needed: int, total: int, jitter: int, random: np.random.Generator):
        """Prepare.

        Args:
            needed: how many to take, at most `total`.
            total: how many there are.
            jitter: largest offset in pixels; no more than keeps the order is used.
            random: draws the offsets.
        """
        self._rate = needed / total if total else 0.0
        most = min(float(jitter), 1 / self._rate - 1) if needed else 0.0
        self._offsets = random.uniform(0, most, needed) if most > 0 else np.zeros(1)  # nosec B311 (draws samples, not secrets)
        self._seen = self._taken = 0

    def take(self, count: int) -> np.ndarray:
        """Return which of the next `count` pixels are samples."""
        seen, rate = self._seen, self._rate
        self._seen += count
        if not rate or not count:
            return np.empty(0, np.int64)
        numbers = np.arange(self._taken, int(np.ceil(self._seen * rate)) + 1)
        offsets = self._offsets[numbers % len(self._offsets)]
        pixels = np.maximum(np.floor(numbers / rate + offsets).astype(np.int64) - 1, 1)
        for _ in range(3):  # from below to the first that satisfies the rule
            pixels += ~((pixels - offsets) * rate > numbers)
        pixels = np.maximum.accumulate(pixels - numbers) + numbers  # no pixel twice
        pixels = pixels[pixels <= self._seen]
        self._taken += len(pixels)
        return pixels - seen - 1


class Random:
    """Takes exactly `needed` of `total` pixels, each set of them as likely as any other."""

    def __init__(self, needed: int, total: int, random: np.random.Generator):
        """Prepare to take `needed` of `total` pixels, drawing from `random`."""
        self._needed, self._left, self._random = needed, total, random

    def take(self, count: int) -> np.ndarray:
        """Return which of the next `count` pixels are samples; those beyond `total` are none."""
        blocks = [start + self._take_block(min(_BLOCK, count - start)) for start in range(0, count, _BLOCK)]
        return np.concatenate(blocks) if blocks else np.empty(0, np.int64)

    def _take_block(self, count: int) -> np.ndarray:
        count = min(count, self._left)
        hits = self._hits(count)
        self._needed -= hits
        self._left -= count
        if not hits:
            return np.empty(0, np.int64)
        return np.sort(self._random.choice(count, hits, replace=False, shuffle=False))

    def _hits(self, count: int) -> int:
        others = self._left - self._needed
        if self._left <= _MOST_FOR_NUMPY:
            return int(self._random.hypergeometric(self._needed, others, count)) if count else 0
        near = int(self._random.binomial(count, self._needed / self._left))  # the same for such numbers
        return min(max(near, count - others), self._needed)
