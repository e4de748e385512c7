"""Arcs: borders from node to node, or closed, joined of their pieces in several strips."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from .borders import Line

Seam = tuple[int, int]
"""Row and column where a line crosses from one strip to the next."""


class Curve:
    """A line on the map.

    Attributes:
        points: column and row of its vertices, of shape (n, 2).
        measures: area below it, turn and length, as `ellipsoid.Measured` has them.
        first: number of its first vertex among those of all arcs, where they are kept on disk.
        ring: of what may replace it there, numbers of the first vertex and of all; none are (-1, 0).
    """

    __slots__ = ("first", "measures", "points", "ring")  # there may be millions

    def __init__(self, points: np.ndarray) -> None:
        self.points = points
        self.measures = (0.0, 0.0, 0.0)
        self.first = -1
        self.ring = (-1, 0)


class Arc(Curve):
    """A border between two components, or between one and what is no class.

    Attributes:
        points: column and row of its vertices, int32 of shape (n, 2), in the direction in which they come first row by
            row: first its ends are compared, then the vertices next to them. A closed one without a node begins and ends
            at the first of its vertices. So an arc is the same whatever the strips.
        closed: whether it is closed and has no node.
        start, end: column and row of its ends.
        leaves, arrives: its direction there: 0 for right, 1 for down, 2 for left, 3 for up.
        twice_area: twice the area between it and the origin, in pixels; positive where it turns from x to y.
    """

    __slots__ = ("arrives", "closed", "end", "leaves", "start", "twice_area")

    def __init__(self, points: np.ndarray, closed: bool) -> None:
        super().__init__(points)
        self.closed = closed
        x, y = points[:, 0].astype("int64"), points[:, 1].astype("int64")
        first, second, before, last = (tuple(points[place].tolist()) for place in (0, 1, -2, -1))
        self.start, self.end = first, last
        self.leaves, self.arrives = _direction(first, second), _direction(before, last)
        self.twice_area = int(x[:-1] @ y[1:] - x[1:] @ y[:-1])


def _direction(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """Return 0 for right, 1 for down, 2 for left, 3 for up."""
    if one[1] == other[1]:
        return 0 if other[0] > one[0] else 2
    return 1 if other[1] > one[1] else 3


class _Path:
    """A line that has an end at the seam below, of its pieces so far."""

    def __init__(self, pieces: list[np.ndarray], start: Seam | None, end: Seam | None) -> None:
        self.pieces, self.start, self.end = pieces, start, end

    def turned(self) -> _Path:
        """Turn it around."""
        self.pieces = [piece[::-1] for piece in reversed(self.pieces)]
        self.start, self.end = self.end, self.start
        return self


class Joining:
    """Joins the lines of one strip after the other."""

    def __init__(self) -> None:
        self._open: dict[Seam, _Path] = {}

    def add(self, lines: Iterable[Line]) -> Iterator[tuple[Arc, int, int]]:
        """Yield the arcs that the lines of the next strip complete, and the components on their left and right."""
        for line in lines:
            if line.start is None and line.end is None:
                yield _turned(line.points, line, line.closed)
                continue
            path = self._joined(line)
            if path.start is None and path.end is None:
                yield _turned(np.concatenate(path.pieces), line, False)
            elif path.start == path.end:
                yield _turned(_closed(np.concatenate(path.pieces)), line, True)
            else:
                for seam in (path.start, path.end):
                    if seam is not None:
                        self._open[seam] = path

    def _joined(self, line: Line) -> _Path:
        """Return the line with what it goes on from at either end; its direction stays."""
        path = _Path([line.points], line.start, line.end)
        if path.start in self._open:
            before = self._open.pop(path.start)
            before = before if before.end == path.start else before.turned()
            path = _Path(before.pieces + path.pieces, before.start, path.end)
            if path.start is not None and path.start == path.end:  # closed: its other end is here too
                self._open.pop(path.start)
                return path
        if path.end in self._open:
            after = self._open.pop(path.end)
            after = after if after.start == path.end else after.turned()
            path = _Path(path.pieces + after.pieces, path.start, after.end)
        return path


def _turned(points: np.ndarray, line: Line, closed: bool) -> tuple[Arc, int, int]:
    """Return an arc in its own direction, and the components on its left and right, from those of the line."""
    first, second, before, last = (tuple(points[place, ::-1].tolist()) for place in (0, 1, -2, -1))
    if (last, before) < (first, second):
        return Arc(points[::-1], closed), line.right, line.left
    return Arc(points, closed), line.left, line.right


def _closed(points: np.ndarray) -> np.ndarray:
    """Return a closed line from its first vertex, row by row, to it."""
    first = int(np.lexsort((points[:, 0], points[:, 1]))[0])
    return np.concatenate((points[first:], points[: first + 1]))
