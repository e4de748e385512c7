"""The borders between pixels of different codes, strip by strip, as lines from node to node.

A vertex is a corner of pixels where a border turns, or where more than two borders meet: that is a node. Lines run from
node to node, or are closed. Those that cross the seam between two strips have an end there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .components import NO_CLASS

_RIGHT, _DOWN, _LEFT, _UP = range(4)
_LEFT_PIXEL = np.array([(-1, 0), (0, 0), (0, -1), (-1, -1)])
"""For each direction, the row and column of the pixel on the left of an edge, relative to the vertex where it begins."""

_RIGHT_PIXEL = np.array([(0, 0), (0, -1), (-1, -1), (-1, 0)])


@dataclass(frozen=True)
class Line:
    """A piece of a border.

    Attributes:
        points: column and row of its vertices, int32 of shape (n, 2), without ends at seams. Of a closed line, the first
            one is repeated at the end.
        start: row and column where it begins at a seam; None where it begins at a vertex.
        end: the same for its end.
        left: number of the component on the left of it, looking from its start, north being up.
        right: number of that on the right.
        closed: whether it is closed and has no node.
    """

    points: np.ndarray
    start: tuple[int, int] | None
    end: tuple[int, int] | None
    left: int
    right: int
    closed: bool


@dataclass(frozen=True)
class _Vertices:
    """The vertices of a strip, row by row, those at the seams included.

    Attributes:
        column, row: where they are; row 0 is the seam above, the last one that below.
        edges: whether there is a border in each direction, bool of shape (n, 4).
        free: whether lines pass through: neither nodes nor at a seam.
    """

    column: np.ndarray
    row: np.ndarray
    edges: np.ndarray
    free: np.ndarray


def lines_of(codes: np.ndarray, labels: np.ndarray, top: int) -> Iterator[Line]:
    """Yield the borders at the upper edges and beside the pixels of a strip.

    Args:
        codes: of the pixels, int32 of shape (1 + rows, columns), the first row from above the strip.
        labels: numbers of their components, of the same shape.
        top: number of the strip's first row.
    """
    vertices = _vertices(codes)
    if not len(vertices.row):
        return
    edges = _Edges(vertices)
    order, firsts = edges.chains()
    lefts, rights = _sides(vertices, edges, labels, order[firsts])
    sources, targets = edges.source[order], edges.target[order]
    ends = np.append(firsts[1:], len(order))
    columns, rows = vertices.column, vertices.row
    points = np.stack((columns, rows + (top - 1)), axis=1).astype("int32")
    seams = {0: top, len(codes): top + len(codes) - 1}
    starts_at, ends_at = sources[firsts], targets[ends - 1]
    start_rows, end_rows = rows[starts_at].tolist(), rows[ends_at].tolist()
    path, last = points[sources], points[ends_at]
    for number, (first, end) in enumerate(zip(firsts.tolist(), ends.tolist())):
        start_seam, end_seam = seams.get(start_rows[number]), seams.get(end_rows[number])
        begin = first if start_seam is None else first + 1
        vertex = last[number : number + 1] if end_seam is None else last[:0]
        yield Line(
            np.concatenate((path[begin:end], vertex)),  # a view would keep the whole strip's vertices in memory
            None if start_seam is None else (start_seam, int(columns[starts_at[number]])),
            None if end_seam is None else (end_seam, int(columns[ends_at[number]])),
            int(lefts[number]),
            int(rights[number]),
            bool(vertices.free[starts_at[number]]),
        )


def _vertices(codes: np.ndarray) -> _Vertices:
    rows, columns = len(codes) - 1, codes.shape[1]
    outside = np.full((len(codes), 1), NO_CLASS, codes.dtype)
    beside = np.concatenate((outside, codes, outside), axis=1)
    upright = beside[:, 1:] != beside[:, :-1]  # shape (1 + rows, columns + 1): from a corner downwards
    level = np.zeros((rows, columns + 2), bool)
    np.not_equal(codes[1:], codes[:-1], out=level[:, 1:-1])
    up, down, left, right = upright[:-1], upright[1:], level[:, :-1], level[:, 1:]
    found_row, found_column = np.nonzero((up | down) & (left | right))
    edges = np.stack([side[found_row, found_column] for side in (right, down, left, up)], axis=1)
    above, below = np.flatnonzero(upright[0]), np.flatnonzero(upright[-1])
    column = np.concatenate((above, found_column, below))
    row = np.concatenate((np.zeros(len(above), "int64"), found_row + 1, np.full(len(below), rows + 1)))
    at_seams = np.zeros((len(column), 4), bool)
    at_seams[: len(above), _DOWN] = True
    at_seams[len(above) : len(above) + len(edges)] = edges
    at_seams[len(above) + len(edges) :, _UP] = True
    free = at_seams.sum(axis=1) == 2
    return _Vertices(column, row, at_seams, free)


class _Edges:
    """The edges between vertices, each once in either direction.

    Attributes:
        source, target: their vertices.
        direction: where they go.
        twin: the number of each in the other direction.
    """

    def __init__(self, vertices: _Vertices) -> None:
        count = len(vertices.column)
        by_column = np.argsort(vertices.column, kind="stable")
        neighbours = np.full((count, 4), -1, "int64")
        right = np.flatnonzero(vertices.edges[:, _RIGHT])
        neighbours[right, _RIGHT], neighbours[right + 1, _LEFT] = right + 1, right
        down = np.flatnonzero(vertices.edges[by_column, _DOWN])
        upper, lower = by_column[down], by_column[down + 1]
        neighbours[upper, _DOWN], neighbours[lower, _UP] = lower, upper
        self.source, self.direction = np.nonzero(vertices.edges)
        self.target = neighbours[self.source, self.direction]
        numbers = np.full((count, 4), -1, "int64")
        numbers[self.source, self.direction] = np.arange(len(self.source))
        self.twin = numbers[self.target, self.direction ^ 2]
        # At a free vertex a level line goes on upright, and an upright one level.
        level, upright = numbers[:, [_RIGHT, _LEFT]].max(axis=1), numbers[:, [_DOWN, _UP]].max(axis=1)
        onwards = np.where(self.direction & 1, level[self.target], upright[self.target])
        self._next = np.where(vertices.free[self.target], onwards, np.arange(len(self.source)))

    def chains(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the edges of all lines, each line in one direction and in its order, and where each begins."""
        last, after = self._ranks(self._next)
        order = np.lexsort((-after, last))
        changes = np.flatnonzero(np.diff(last[order], prepend=-1))
        sizes = np.diff(changes, append=len(order))
        kept = last[order[changes]] < self.twin[order[changes]]
        order = order[np.repeat(kept, sizes)]
        sizes = sizes[kept]
        return order, np.cumsum(sizes) - sizes

    def _ranks(self, onwards: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return for each edge the last one of its line, and how many follow; closed lines are cut at their first vertex.

        By pointer jumping: Wyllie, "The complexity of parallel computations", 1979.
        """
        last, after, rest = self._jump(onwards)
        if len(rest):
            lowest, ahead = self.source.copy(), onwards.copy()
            while True:
                lower = np.minimum(lowest[rest], lowest[ahead[rest]])
                if np.array_equal(lower, lowest[rest]):
                    break
                jumped = ahead[ahead[rest]]
                lowest[rest], ahead[rest] = lower, jumped
            cut = rest[self.target[rest] == lowest[rest]]
            onwards = onwards.copy()
            onwards[cut] = cut
            last, after, _ = self._jump(onwards)
        return last, after

    def _jump(self, onwards: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        own = np.arange(len(onwards))
        ends = onwards == own
        last, after = onwards.copy(), (~ends).astype("int64")
        rest = own[~ends]
        for _ in range(len(own).bit_length() + 1):
            rest = rest[~ends[last[rest]]]
            if not len(rest):
                break
            ahead = last[rest]
            after[rest], last[rest] = after[rest] + after[ahead], last[ahead]
        return last, after, rest


def _sides(vertices: _Vertices, edges: _Edges, labels: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the components on the left and on the right of edges; -1 outside of the raster."""
    outside = np.full((len(labels), 1), -1, labels.dtype)
    beside = np.concatenate((outside, labels, outside), axis=1)
    row, column = vertices.row[edges.source[first]], vertices.column[edges.source[first]] + 1
    direction = edges.direction[first]
    sides = []
    for steps in (_LEFT_PIXEL, _RIGHT_PIXEL):
        sides.append(beside[row + steps[direction, 0], column + steps[direction, 1]])
    return sides[0], sides[1]
