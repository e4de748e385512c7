"""From what the model returns to what the output holds."""

from __future__ import annotations

import numpy as np

from ..errors import ModelError


class Converter:
    """Clamps, cuts fractions off and replaces what an integer output cannot hold, and counts it.

    As OTB does, values beyond an integer type's range become its smallest or largest value and fractions
    are cut off towards zero. NaN and infinite values become the background value.
    """

    def __init__(self, dtype: np.dtype, background: float) -> None:
        self.dtype, self._background = np.dtype(dtype), background
        self.replaced = 0

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return `values` (any shape) as the output's dtype."""
        if values.dtype == self.dtype:
            return values
        if values.dtype.kind == "c" and self.dtype.kind != "c":
            raise ModelError("The model returns complex numbers, which this pixel type cannot hold: use auto.")
        if self.dtype.kind not in "iu":
            with np.errstate(over="ignore"):
                return values.astype(self.dtype)
        info = np.iinfo(self.dtype)
        if values.dtype.kind in "iub":
            if values.dtype.kind == "b":
                return values.astype(self.dtype)
            low, high = max(info.min, np.iinfo(values.dtype).min), min(info.max, np.iinfo(values.dtype).max)
            return np.clip(values, low, high).astype(self.dtype)
        if self.dtype.itemsize >= 4 or values.dtype == np.float16:
            values = values.astype("float64")  # float32 cannot tell the largest int32 from the next
        finite = np.isfinite(values)
        clipped = np.clip(values, info.min, info.max)
        if finite.all():
            return clipped.astype(self.dtype)
        self.replaced += int(values.size - np.count_nonzero(finite))
        return np.where(finite, clipped, self._background).astype(self.dtype)
