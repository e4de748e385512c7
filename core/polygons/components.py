"""Connected pixels of one class, found strip by strip by their runs: pixels that follow each other in a row.

Pixels are connected by their edges, not by their corners, as GDAL's polygonize and sieve connect them by default.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NO_CLASS = -1
"""Code of pixels that belong to no class; classes are numbered from 0."""


@dataclass(frozen=True)
class Components:
    """The connected pixels of some rows.

    Attributes:
        labels: number of its component for each pixel, int32 of shape (rows, columns).
        codes: code of the class of each component.
        pixels: number of pixels of each, without those of the rows that were not to be counted.
        starts: flat index of the first pixel of each run.
        of_runs: the component of each run.
        uncounted: number of runs in the rows that were not to be counted.
    """

    labels: np.ndarray
    codes: np.ndarray
    pixels: np.ndarray
    starts: np.ndarray
    of_runs: np.ndarray
    uncounted: int

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of values over the counted pixels of each component.

        Args:
            values: one for each pixel of all rows.
        """
        of_runs = np.add.reduceat(values.reshape(-1), self.starts)
        of_runs[: self.uncounted] = 0
        return np.bincount(self.of_runs, of_runs, len(self.codes))


def components_of(codes: np.ndarray, uncounted_rows: int = 0) -> Components:
    """Return the connected pixels of the same code.

    Args:
        codes: of the pixels, int32 of shape (rows, columns).
        uncounted_rows: first rows, whose pixels belong to components but are not counted in them.
    """
    rows, columns = codes.shape
    begins = np.ones(codes.shape, bool)
    np.not_equal(codes[:, 1:], codes[:, :-1], out=begins[:, 1:])
    starts = np.flatnonzero(begins)
    run = (np.cumsum(begins, dtype="int32") - 1).reshape(codes.shape)
    # Two runs that touch do so first where one of them begins.
    touching = (codes[1:] == codes[:-1]) & (begins[1:] | begins[:-1])
    roots = joined(len(starts), run[:-1][touching], run[1:][touching])
    own = roots == np.arange(len(roots), dtype=roots.dtype)
    of_runs = (np.cumsum(own, dtype="int32") - 1)[roots]
    lengths = np.diff(starts, append=rows * columns)
    uncounted = int(np.searchsorted(starts, uncounted_rows * columns))
    lengths[:uncounted] = 0
    count = int(of_runs.max()) + 1
    return Components(
        of_runs[run],
        codes.reshape(-1)[starts[own]],
        np.bincount(of_runs, lengths, count).astype("int64"),
        starts,
        of_runs,
        uncounted,
    )


def joined(count: int, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return for each of `count` items the smallest one that it is joined with, directly or by others.

    Args:
        count: number of items.
        one: an item of each pair that is joined.
        other: the other one.
    """
    parents = np.arange(count, dtype="int32" if count < 2**31 else "int64")
    while len(one):
        first, second = parents[one], parents[other]
        apart = first != second
        one, other, first, second = one[apart], other[apart], first[apart], second[apart]
        parents[np.maximum(first, second)] = np.minimum(first, second)
        while True:
            above = parents[parents]
            if np.array_equal(above, parents):
                break
            parents = above
    return parents
