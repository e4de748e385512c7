"""Leaving out vertices of arcs, as far as the rest stays within a distance.

D. H. Douglas and T. K. Peucker, "Algorithms for the reduction of the number of points required to represent a digitized
line or its caricature", Cartographica 10(2), 1973, pages 112-122; distances are those to the piece between two kept
vertices, not to its straight continuation. All arcs of a batch are taken at once, level by level.
"""

from __future__ import annotations

import numpy as np

from .ranges import expanded, groups

_PART = 1 << 16
"""Vertices of an arc that are looked at together."""

_AT_ONCE = 1 << 19
"""Vertices of several arcs that are looked at together."""


def kept_vertices(
    points: np.ndarray, firsts: np.ndarray, fixed: np.ndarray, linear: np.ndarray, tolerance: float
) -> np.ndarray:
    """Return which vertices are kept, bool of shape (n,).

    The ends of an arc are kept; of a closed one also the vertex that is farthest from its first.

    Args:
        points: column and row of the vertices of all arcs, whole numbers of shape (n, 2).
        firsts: where each arc begins in them; each has two vertices or more.
        fixed: other vertices that are kept.
        linear: the two columns that turn differences of columns and rows into those of map coordinates, shape (2, 2).
        tolerance: the largest distance, in map units.
    """
    kept = fixed.copy()
    kept[firsts] = True
    kept[firsts[1:] - 1] = kept[-1] = True
    ends = np.flatnonzero(kept)
    starts, ends = ends[:-1], ends[1:]
    while True:
        # Between the last vertex of an arc and the first of the next there is none.
        gaps = ends - starts > 1
        starts, ends = starts[gaps], ends[gaps]
        if not len(starts):
            return kept
        largest, farthest = _farthest(points, starts, ends, linear)
        closed = (points[starts] == points[ends]).all(axis=1)
        split = (largest > tolerance**2) | closed
        starts, middle, ends = starts[split], farthest[split], ends[split]
        kept[middle] = True
        starts, ends = np.concatenate((starts, middle)), np.concatenate((middle, ends))


def _farthest(
    points: np.ndarray, starts: np.ndarray, ends: np.ndarray, linear: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return for each interval the largest squared distance of a vertex inside, and the first that has it."""
    counts = -(-(ends - starts - 1) // _PART)
    offsets = np.cumsum(counts) - counts
    of, number = expanded(np.zeros_like(counts), counts)
    lows = starts[of] + 1 + number * _PART
    highs = np.minimum(lows + _PART, ends[of])
    squares, places = np.empty(len(of)), np.empty(len(of), "int64")
    for group in groups(highs - lows, _AT_ONCE):
        base = points[starts[of[group]]], points[ends[of[group]]]
        squares[group], places[group] = _farthest_of_parts(points, lows[group], highs[group], base, linear)
    largest = np.maximum.reduceat(squares, offsets)
    never = np.iinfo("int64").max
    return largest, np.minimum.reduceat(np.where(squares == largest[of], places, never), offsets)


def _farthest_of_parts(
    points: np.ndarray, lows: np.ndarray, highs: np.ndarray, base: tuple[np.ndarray, np.ndarray], linear: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    sizes = highs - lows
    offsets = np.cumsum(sizes) - sizes
    part, vertex = expanded(lows, sizes)
    squared = squared_distances(points[vertex], base[0][part], base[1][part], linear)
    largest = np.maximum.reduceat(squared, offsets)
    return largest, np.minimum.reduceat(np.where(squared == largest[part], vertex, len(points)), offsets)


def squared_distances(points: np.ndarray, starts: np.ndarray, ends: np.ndarray, linear: np.ndarray) -> np.ndarray:
    """Return the squared distances of points to pieces of straight lines, in map units.

    Args:
        points, starts, ends: columns and rows, of shape (n, 2); whole numbers give the same distance in any place.
        linear: see `kept_vertices`.
    """
    way, along = _mapped(points - starts, linear), _mapped(ends - starts, linear)
    length = (along**2).sum(axis=1)
    share = np.clip((way * along).sum(axis=1) / np.where(length > 0, length, 1.0), 0.0, 1.0)
    return np.asarray(((way - share[:, None] * along) ** 2).sum(axis=1))


def _mapped(steps: np.ndarray, linear: np.ndarray) -> np.ndarray:
    """Return steps in map coordinates; by sums of two products, which no order of summation changes."""
    return steps[:, :1] * linear[:, 0] + steps[:, 1:] * linear[:, 1]
