"""Conversion of the model's outputs to the pixel type of the output raster."""

from __future__ import annotations

import numpy as np

from ..errors import ModelError
from ..phrases import Phrase


class Converter:
    """Clamps, cuts fractions off and replaces what an integer output cannot hold, and counts it.

    As OTB does, values beyond an integer type's range become its smallest or largest value and fractions
    are cut off towards zero. NaN and infinite values become the background value.

    Attributes:
        replaced: number of values that were NaN or infinite.
        clipped: number of values that lay beyond the range.
    """

    def __init__(self, dtype: np.dtype, background: float | np.ndarray) -> None:
        self.dtype, self._background = np.dtype(dtype), background
        self.replaced = self.clipped = 0

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return `values` (any shape) as the output's dtype."""
        if values.dtype == self.dtype:
            return values
        if values.dtype.kind == "c" and self.dtype.kind != "c":
            raise ModelError(
                "The values are complex numbers, which the pixel type {dtype} cannot hold: choose the pixel type auto.",
                dtype=self.dtype.name,
            )
        if self.dtype.kind not in "iu":
            with np.errstate(over="ignore"):
                return values.astype(self.dtype)
        info = np.iinfo(self.dtype)
        if values.dtype.kind in "iub":
            if values.dtype.kind == "b" or np.can_cast(values.dtype, self.dtype):
                return values.astype(self.dtype)
            low, high = max(info.min, np.iinfo(values.dtype).min), min(info.max, np.iinfo(values.dtype).max)
            clipped = np.clip(values, low, high)
            self.clipped += int(np.count_nonzero(clipped != values))
            return clipped.astype(self.dtype)
        if self.dtype.itemsize >= 4 or values.dtype == np.float16:
            values = values.astype("float64")  # float32 cannot tell the largest int32 from the next
        finite = np.isfinite(values)
        clipped = np.clip(values, info.min, info.max)
        beyond = (np.trunc(values) != np.trunc(clipped)) & finite  # a fraction beyond is cut off anyway
        self.clipped += int(np.count_nonzero(beyond))
        if finite.all():
            return clipped.astype(self.dtype)
        self.replaced += int(values.size - np.count_nonzero(finite))
        return np.where(finite, clipped, self._background).astype(self.dtype)

    def told(self, name: str, background: str) -> list[str]:
        """Return what was counted, as warnings.

        Args:
            name: mention of the parameter of the pixel type.
            background: what NaN and infinite values have become.
        """
        found: list[str] = []
        if self.replaced:
            found.append(
                Phrase(
                    "{replaced} values were NaN or infinite, which {dtype} cannot hold: they became {background}.",
                    replaced=self.replaced,
                    dtype=self.dtype.name,
                    background=background,
                )
            )
        if self.clipped:
            info = np.iinfo(self.dtype)
            found.append(
                Phrase(
                    "{clipped} values were outside of {min} to {max}, the range of {dtype}: they became the nearest of "
                    "these two. Set {name} to a larger type, such as double, to keep them.",
                    clipped=self.clipped,
                    min=info.min,
                    max=info.max,
                    dtype=self.dtype.name,
                    name=name,
                )
            )
        return found
