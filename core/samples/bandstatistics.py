"""Statistics per band of pixels that come in parts."""

from __future__ import annotations

import math

import numpy as np

_VALUES = 1 << 16  # pixels whose statistics are computed at a time: they stay in the processor's cache


class BandStatistics:
    """Smallest, largest, mean and standard deviation per band, of values that come in parts; NaN and infinity are left out."""

    def __init__(self, bands: int) -> None:
        self._count = np.zeros(bands)
        self._shift: np.ndarray | None = None
        self._sum, self._squares = np.zeros(bands), np.zeros(bands)
        self._low, self._high = np.full(bands, np.inf), np.full(bands, -np.inf)

    def add(self, values: np.ndarray) -> None:
        """Take values of shape (..., bands)."""
        values = values.reshape(-1, len(self._count))
        for start in range(0, len(values), _VALUES):
            self._add(values[start : start + _VALUES])

    def _add(self, values: np.ndarray) -> None:
        by_band = values.T.astype("float64", order="C")
        if self._shift is None:  # near the mean, so that the squares do not swallow small differences
            head = np.ma.masked_invalid(by_band[:, : 1 << 10])
            self._shift = head.mean(axis=1).filled(0.0)[:, None]
        known = np.isfinite(by_band) if values.dtype.kind == "f" else np.True_
        if np.all(known):
            self._count += len(values)
            self._low = np.minimum(self._low, by_band.min(axis=1))
            self._high = np.maximum(self._high, by_band.max(axis=1))
            by_band -= self._shift
        else:
            self._count += known.sum(axis=1)
            self._low = np.minimum(self._low, np.where(known, by_band, np.inf).min(axis=1))
            self._high = np.maximum(self._high, np.where(known, by_band, -np.inf).max(axis=1))
            by_band = np.where(known, by_band - self._shift, 0.0)
        self._sum += by_band.sum(axis=1)
        self._squares += np.einsum("bi,bi->b", by_band, by_band)

    @property
    def counts(self) -> list[float]:
        """How many numbers each band has."""
        counts: list[float] = self._count.tolist()
        return counts

    def rows(self) -> list[dict[str, float | None]]:
        """Return a dictionary of min, max, mean and std per band; None where a band has no number."""
        shift = 0.0 if self._shift is None else self._shift[:, 0]
        with np.errstate(invalid="ignore", divide="ignore"):
            offset = self._sum / self._count
            deviation = np.sqrt(np.maximum(self._squares / self._count - offset**2, 0.0))
        table = np.stack((self._low, self._high, shift + offset, deviation), axis=1).tolist()
        return [
            {name: value if math.isfinite(value) else None for name, value in zip(("min", "max", "mean", "std"), row)}
            for row in table
        ]
