"""Arrays as GDAL and TensorFlow take them without making a copy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

ALIGNMENT = 64
"""Bytes of which the address of an array must be a multiple for TensorFlow to use it as it lies."""


def aligned_empty(shape: tuple[int, ...], dtype: npt.DTypeLike) -> np.ndarray:
    """Return an array whose values are not set yet, at an address that is a multiple of `ALIGNMENT`."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size].view(dtype).reshape(shape)


@dataclass(frozen=True)
class Spaced:
    """An image of shape (height, width, bands) as GDAL's WriteRaster takes it.

    Attributes:
        data: its bytes, from the first value to the last.
        pixel, line, band: bytes from one value to that of the next pixel, line or band.
    """

    data: memoryview
    pixel: int
    line: int
    band: int


def spaced(array: np.ndarray) -> Spaced:
    """Return an image's memory as it lies, a part of a larger one included; of a copy where it runs backwards or repeats."""
    if min(array.strides) <= 0 or any(stride % array.itemsize for stride in array.strides):
        array = np.ascontiguousarray(array)
    last = sum((size - 1) * stride for size, stride in zip(array.shape, array.strides))
    values = np.lib.stride_tricks.as_strided(
        array[0, 0], (last // array.itemsize + 1,), (array.itemsize,), writeable=False
    )
    line, pixel, band = array.strides
    return Spaced(values.data.cast("B"), pixel, line, band)
