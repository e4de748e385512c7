"""Items with parts, such as arcs with vertices or pixels with rows: all parts in one array, and some at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def groups(counts: np.ndarray, most: int) -> Iterator[slice]:
    """Yield slices of items that have `most` parts together, or few more.

    Args:
        counts: parts of each item, of shape (n,).
        most: parts at a time.
    """
    if not len(counts):
        return
    cuts = np.flatnonzero(np.diff(np.cumsum(counts) // most)) + 1
    for first, last in zip([0, *cuts.tolist()], [*cuts.tolist(), len(counts)]):
        yield slice(first, last)


def expanded(begins: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each of `counts` numbers from `begins` on: of which item it is, and the number."""
    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) + (begins - np.cumsum(counts) + counts)[which]
