"""Memory of large arrays that is used again once nobody has them any more."""

from __future__ import annotations

import math
import weakref

import numpy as np

_ALIGNMENT = 64  # bytes: what TensorFlow asks for, to take an array without copying it


class Recycled:
    """Makes arrays that come and go, always of about the same sizes.

    To get memory from the system, page by page, takes longer than to fill it. So the memory of an array goes into the
    next one of its size, as soon as the array and all views of it are gone.
    """

    def __init__(self) -> None:
        self._free: dict[int, list[np.ndarray]] = {}

    def array(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Return an array to be filled."""
        size = math.prod(shape) * dtype.itemsize
        free = self._free.setdefault(size, [])
        try:
            memory = free.pop()
        except IndexError:
            memory = np.empty(size + _ALIGNMENT, "uint8")
        # NumPy lets views keep the last array alive that has no other one behind it; so what is behind is no array.
        behind = memory.data
        array = np.frombuffer(behind, dtype, math.prod(shape), -memory.ctypes.data % _ALIGNMENT)
        weakref.finalize(array, free.append, memory).atexit = False
        return array.reshape(shape)
