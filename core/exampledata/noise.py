"""Random numbers that are a function of a position: hashes and smooth noise.

NumPy's generators promise no stable stream between versions; an integer hash does, and a block of an
image needs nothing of its neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def spread(seed: int) -> int:
    """Return a seed from which one can count up without meeting those that count up from another."""
    return int(_mix(np.asarray([seed], np.uint32))[0])


def uniform(seed: int, *coordinates: NDArray[Any]) -> NDArray[np.float32]:
    """Return a number from 0 to 1 (1 excluded) for each tuple of integer coordinates.

    Args:
        seed: another seed gives independent numbers.
        coordinates: integer arrays that broadcast together.
    """
    state: Any = np.uint32((seed * 0x9E3779B1 + 0x7F4A7C15) & 0xFFFFFFFF)
    for coordinate in coordinates:
        state = _mix(coordinate.astype(np.uint32) ^ state)
    return (state >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)


def _mix(values: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Spread each bit over all 32 (the finaliser of MurmurHash3)."""
    values = (values ^ (values >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    values = (values ^ (values >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return values ^ (values >> np.uint32(16))


def speckle(seed: int, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return noise without correlation between pixels, of mean 0 and standard deviation 1.

    Args:
        seed: another seed gives independent noise.
        rows: the pixels' row indices, one-dimensional.
        columns: the pixels' column indices; the result is rows x columns.
    """
    y, x = rows[:, None], columns[None, :]
    # The sum of two uniform numbers is close enough to normal, and cheap.
    return (uniform(2 * seed, y, x) + uniform(2 * seed + 1, y, x) - np.float32(1)) * np.float32(6**0.5)


def smooth(seed: int, rows: NDArray[np.int64], columns: NDArray[np.int64], size: float) -> NDArray[np.float32]:
    """Return noise whose blobs are about `size` pixels across, of mean 0 and standard deviation about 1.

    Random numbers on a lattice, interpolated with cubic weights.

    Args:
        seed: another seed gives independent noise.
        rows: the pixels' row indices, one-dimensional.
        columns: the pixels' column indices; the result is rows x columns.
        size: spacing of the lattice in pixels.
    """
    first_row, last_row, row, row_weight = _lattice(rows, size)
    first_column, last_column, column, column_weight = _lattice(columns, size)
    lattice = speckle(
        seed,
        np.arange(first_row, last_row + 1, dtype=np.int64),
        np.arange(first_column, last_column + 1, dtype=np.int64),
    )
    down = lattice[row] * (1 - row_weight[:, None]) + lattice[row + 1] * row_weight[:, None]
    across = down[:, column] * (1 - column_weight) + down[:, column + 1] * column_weight
    # Interpolation leaves 26/35 of the variance along each axis.
    return across * np.float32(35 / 26)


def _lattice(indices: NDArray[np.int64], size: float) -> tuple[int, int, NDArray[np.int64], NDArray[np.float32]]:
    """Return the first and last lattice line, and for each index the line before it and the weight of the next."""
    position = (indices + 0.5) / size
    before = np.floor(position).astype(np.int64)
    share = position - before
    weight = (share * share * (3 - 2 * share)).astype(np.float32)
    first = int(before.min())
    return first, int(before.max()) + 1, before - first, weight


def rough(
    seed: int, rows: NDArray[np.int64], columns: NDArray[np.int64], size: float, octaves: int
) -> NDArray[np.float32]:
    """Return `smooth` noise with finer noise on it: each octave half the size and half as strong."""
    total = np.zeros((rows.size, columns.size), np.float32)
    power = 0.0
    for octave in range(octaves):
        strength = 0.5**octave
        total += np.float32(strength) * smooth(seed * 31 + octave, rows, columns, size / 2**octave)
        power += strength**2
    return total * np.float32(power**-0.5)
