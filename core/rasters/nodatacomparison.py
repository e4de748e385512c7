"""Comparison of pixels with no-data values, the only one: pure arithmetic, without access to rasters.

A no-data value is a number in a file's header, and a pixel one of the band's type, read as another type. Both are brought
together as ranges of the type that is read: empty where the band cannot hold the value, wide where GDAL's masks are.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..parameters.rastersource import Ranges

_NEAR_LIMIT, _TOLERANCE = 1e38, 2 * float(np.finfo("float32").eps)
"""Tags of floating-point bands beyond it are often rounded, as -3.40282346639e+38 or -3.4e+38: GDAL's masks compare them
with this tolerance, and of float32 take what lies between them and the type's limit for the same."""


def within(values: np.ndarray, ranges: Ranges) -> np.ndarray:
    """Return where values lie in one of the ranges, whose ends are of their type; NaN stands for itself."""
    parts = [_between(values, low, high) for low, high in ranges] or [np.zeros(values.shape, bool)]
    return parts[0] if len(parts) == 1 else np.logical_or.reduce(parts)


def _between(values: np.ndarray, low: Any, high: Any) -> np.ndarray:
    found: np.ndarray = np.isnan(values) if low != low else values == low if low == high else values >= low
    return found & (values <= high) if low < high else found


def ranges_of(value: Any, own: np.dtype, dtype: np.dtype) -> Ranges:
    """Return a no-data value as ranges; none where the band cannot hold it. It is compared as GDAL's masks compare it.

    Args:
        value: a number; whole numbers are exact.
        own: dtype of the band.
        dtype: that in which its values are read.
    """
    if own.kind not in "fc":
        return stored_range(value, value, own, dtype)
    real = np.dtype(f"f{own.itemsize // 2}") if own.kind == "c" else own
    limit = float(np.finfo(real).max)
    if not math.isfinite(value) or abs(value) < _NEAR_LIMIT or abs(value) > limit * (1 + _TOLERANCE):
        beyond = math.isfinite(value) and abs(value) > limit * (1 + _TOLERANCE)
        return () if beyond else stored_range(value, value, own, dtype)
    if own.kind == "c":
        return stored_range(value, value, own, dtype)
    outer = limit if own.itemsize == 4 else min(abs(value) * (1 + _TOLERANCE), limit)
    ends = (abs(value) * (1 - _TOLERANCE), outer)
    return stored_range(*ends, own, dtype) if value > 0 else stored_range(-ends[1], -ends[0], own, dtype)


def stored_range(low: Any, high: Any, own: np.dtype, dtype: np.dtype) -> Ranges:
    """Return the values of a band from `low` to `high` as a range in the type in which they are read; none if empty."""
    if own.kind in "iu":
        info = np.iinfo(own)
        if low != low or low > info.max or high < info.min:
            return ()
        first = info.min if low <= info.min else math.ceil(low)
        last = info.max if high >= info.max else math.floor(high)
        return ((dtype.type(first), dtype.type(last)),) if first <= last else ()
    with np.errstate(over="ignore"):
        first, last = own.type(low), own.type(high)
    if (
        low < high and own.kind == "f"
    ):  # rounded to what the band holds, the ends must not leave the range; a single value is that nearest
        first = np.nextafter(first, own.type(math.inf)) if first < low else first
        last = np.nextafter(last, own.type(-math.inf)) if last > high else last
        if first > last:
            return ()
    return ((dtype.type(first), dtype.type(last)),)
