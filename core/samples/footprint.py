"""The pixels of polygons, lines and points, by the rules of OTB's sampling applications.

Footprints are runs, parts of a row of pixels, so that their size follows the outline of a shape and
not its area; those of many shapes are found together. Coordinates are in pixels, from the upper left
corner of the grid's first pixel: pixel (column c, row r) covers c to c + 1 and r to r + 1.

GDAL's rasteriser is not used here: it puts a centre that lies on an edge on the other side than OTB
does, or on either by rounding, its lines touch other pixels, and it takes one call for each shape
where shapes that overlap shall count for themselves.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..geometry.grid import TOLERANCE, Box

POLYGON, LINE, POINT = 0, 1, 2
"""Kinds of a part of a shape."""

_TILE = 512  # pixels; shapes that begin in one tile are looked at together


@dataclass(frozen=True)
class Runs:
    """Pixels `start[i]` to `stop[i]` - 1 of row `row[i]`, in the order in which OTB counts samples.

    Shape by shape, part by part, row by row. A pixel that two parts cover occurs twice.

    Attributes:
        part: number of the part of a shape.
        shape: number of the shape.
    """

    part: np.ndarray
    shape: np.ndarray
    row: np.ndarray
    start: np.ndarray
    stop: np.ndarray

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, which: slice | np.ndarray) -> Runs:
        return Runs(self.part[which], self.shape[which], self.row[which], self.start[which], self.stop[which])

    @property
    def lengths(self) -> np.ndarray:
        """Numbers of pixels."""
        return self.stop - self.start

    @property
    def box(self) -> Box:
        """The smallest box that holds all; there must be at least one run."""
        x, y = int(self.start.min()), int(self.row.min())
        return Box(x, y, int(self.stop.max()) - x, int(self.row.max()) + 1 - y)

    def flat(self, box: Box) -> np.ndarray:
        """Return the index of each pixel in a raster of `box`, which must hold them all."""
        lengths = self.lengths
        before = np.cumsum(lengths) - lengths
        firsts = (self.row - box.y) * box.width + self.start - box.x
        return np.repeat(firsts - before, lengths) + np.arange(int(lengths.sum()))

    def pieces(self, boxes: np.ndarray, most: int) -> Iterator[Runs]:
        """Yield the runs by pieces whose boxes and pixels are not much more than `most` pixels.

        Neighbouring shapes are together, those of a piece in order; a shape is only cut, in order, where it alone is
        more than `most`.

        Args:
            boxes: the shapes' bounding boxes; shape (n, 4), see `Outlines`.
            most: pixels.
        """
        tiles = boxes[self.shape, :2] // _TILE
        order = np.lexsort((tiles[:, 0], tiles[:, 1]))
        tiles = tiles[order]
        for together in self[order]._cut(np.any(tiles[1:] != tiles[:-1], axis=1)):
            if together._fits(most):
                yield together
                continue
            for alone in together._cut(together.shape[1:] != together.shape[:-1]):
                yield from alone._strips(most)

    def _fits(self, most: int) -> bool:
        return self.box.area <= most and int(self.lengths.sum()) <= most

    def _strips(self, most: int) -> Iterator[Runs]:
        if self._fits(most):
            yield self
            return
        box = self.box
        strip = (self.row - box.y) // max(1, most // box.width)
        yield from self._cut(strip[1:] != strip[:-1])

    def _cut(self, where: np.ndarray) -> Iterator[Runs]:
        cuts = (np.flatnonzero(where) + 1).tolist()
        for first, behind in zip([0, *cuts], [*cuts, len(self)]):
            if first < behind:
                yield self[first:behind]


@dataclass(frozen=True)
class Outlines:
    """The vertices of several shapes, one after the other.

    A shape has parts (of a multipart geometry), a part has paths (the rings of a polygon).

    Attributes:
        vertices: columns and rows, float64, shape (v, 2).
        path: per vertex the number of its path.
        part: per vertex the number of its part.
        kinds: per part POLYGON, LINE or POINT (which has one vertex).
        shapes: per part the number of its shape.
        boxes: per shape the pixels that may belong to it: x, y, right, bottom; shape (s, 4).
    """

    vertices: np.ndarray
    path: np.ndarray
    part: np.ndarray
    kinds: np.ndarray
    shapes: np.ndarray
    boxes: np.ndarray

    def within(self, limits: np.ndarray) -> Outlines:
        """Return the same shapes without their pixels outside `limits`.

        Args:
            limits: x, y, right, bottom; shape (4,) or, one for each shape, (s, 4).
        """
        low, high = np.tile(limits[..., :2], 2), np.tile(limits[..., 2:], 2)
        return dataclasses.replace(self, boxes=self.boxes.clip(low, high))

    def slices(self, most: int) -> Iterator[tuple[int, int]]:
        """Yield ranges of shapes, first and behind, that cross not much more than `most` rows of pixels together."""
        first, behind = self.vertices[:-1, 1], self.vertices[1:, 1]
        within = np.append(self.path[1:] == self.path[:-1], False)
        shape = self.shapes[self.part]
        top, bottom = self.boxes[shape[:-1], 1], self.boxes[shape[:-1], 3]
        rows = np.abs(first.clip(top, bottom) - behind.clip(top, bottom)) + 2
        cost = np.bincount(shape, np.append(rows, 1.0) * within + 1, len(self.boxes))
        number = np.cumsum(cost) // most
        cuts = (np.flatnonzero(np.diff(number)) + 1).tolist()
        yield from zip([0, *cuts], [*cuts, len(self.boxes)])

    def runs(self, first: int, behind: int) -> Runs:
        """Return the pixels of the shapes from `first` to `behind` - 1."""
        from_part, to_part = np.searchsorted(self.shapes, (first, behind))
        here = slice(*np.searchsorted(self.part, (from_part, to_part)).tolist())
        vertices, path, part = self.vertices[here], self.path[here], self.part[here]
        joined = path[1:] == path[:-1]
        edges, of = np.hstack([vertices[:-1], vertices[1:]])[joined], part[:-1][joined]
        kinds, alone = self.kinds[of], self.kinds[part] == POINT
        found = [
            _polygons(edges[kinds == POLYGON], of[kinds == POLYGON], self._limits(of[kinds == POLYGON])),
            _lines(edges[kinds == LINE], of[kinds == LINE], self._limits(of[kinds == LINE])),
            _points(vertices[alone], part[alone], self._limits(part[alone])),
        ]
        parts, rows, starts, stops = (np.concatenate(columns) for columns in zip(*found))
        order = np.argsort(parts, kind="stable")
        return Runs(parts, self.shapes[parts], rows, starts, stops)[order]

    def _limits(self, parts: np.ndarray) -> np.ndarray:
        return self.boxes[self.shapes[parts]]

    def places(self, runs: Runs, numbers: np.ndarray) -> np.ndarray:
        """Return where the pixels with the numbers `numbers`, counted from 0 in `runs`, have their sample.

        Returns:
            Columns and rows, shape (n, 2): the pixel's centre, or the point itself where the part is a point.
        """
        behind = np.cumsum(runs.lengths)
        run = np.searchsorted(behind, numbers, side="right")
        places = np.stack([numbers - behind[run] + runs.stop[run], runs.row[run]], axis=1) + 0.5
        part = runs.part[run]
        exact = self.kinds[part] == POINT
        places[exact] = self.vertices[np.searchsorted(self.part, part[exact])]
        return places


_Found = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Part, row, start and stop of runs, each part's in order."""


def pixel_of(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return columns and rows of the pixels that hold points; an edge belongs to the pixel that starts there."""
    column, row = np.floor(places + TOLERANCE).astype(np.int64).T
    return column, row


def _polygons(edges: np.ndarray, part: np.ndarray, limits: np.ndarray) -> _Found:
    """Find the pixels whose centre lies inside, by the number of edges to its right.

    A centre on a left or lower edge (west, south) is inside, on a right or upper edge outside.
    """
    x1, y1, x2, y2 = edges.T
    left, top, right, bottom = limits.T
    # An edge counts for the rows whose centre lies in (upper end, lower end].
    first = np.floor(np.minimum(y1, y2) + 0.5).clip(top, bottom).astype(np.int64)
    behind = np.floor(np.maximum(y1, y2) + 0.5).clip(top, bottom).astype(np.int64)
    edge, row = _spread(first, behind)
    share = (row + 0.5 - y1[edge]) / (y2[edge] - y1[edge])
    crossing = x1[edge] + share * (x2[edge] - x1[edge])
    # The first pixel whose centre is not left of the crossing.
    column = np.ceil(crossing - 0.5).clip(left[edge], right[edge]).astype(np.int64)
    part = part[edge]
    order = np.lexsort((column, row, part))
    part, row, column = part[order], row[order], column[order]
    # Closed rings cross a row an even number of times, so that every second crossing ends a run.
    return _not_empty(part[::2], row[::2], column[::2], column[1::2])


def _lines(segments: np.ndarray, part: np.ndarray, limits: np.ndarray) -> _Found:
    """Find the pixels that lines touch, were it only with a corner."""
    y1, y2 = segments[:, 1], segments[:, 3]
    left, top, right, bottom = limits.T
    first = (np.ceil(np.minimum(y1, y2)) - 1).clip(top, bottom).astype(np.int64)
    behind = (np.floor(np.maximum(y1, y2)) + 1).clip(top, bottom).astype(np.int64)
    segment, row = _spread(first, behind)
    west, east = _within_rows(segments[segment], row)
    start = (np.ceil(west) - 1).clip(left[segment], right[segment]).astype(np.int64)
    stop = (np.floor(east) + 1).clip(left[segment], right[segment]).astype(np.int64)
    return _united(*_not_empty(part[segment], row, start, stop))


def _points(places: np.ndarray, part: np.ndarray, limits: np.ndarray) -> _Found:
    """Find the pixels that hold points."""
    column, row = pixel_of(places)
    left, top, right, bottom = limits.T
    kept = (column >= left) & (column < right) & (row >= top) & (row < bottom)
    return part[kept], row[kept], column[kept], column[kept] + 1


def _spread(first: np.ndarray, behind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return, for ranges of rows, each row with the number of its range."""
    lengths = np.maximum(behind - first, 0)
    number = np.repeat(np.arange(len(first)), lengths)
    before = np.cumsum(lengths) - lengths
    return number, np.arange(len(number)) - before[number] + first[number]


def _within_rows(segments: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the westernmost and easternmost coordinate of the part of each segment in a row, edges included."""
    x1, y1, x2, y2 = segments.T
    height = y2 - y1
    slope = np.divide(x2 - x1, height, out=np.zeros_like(height), where=height != 0)
    ends = []
    for edge, end in ((row, x1), (row + 1, x2)):
        y = np.clip(edge, np.minimum(y1, y2), np.maximum(y1, y2))
        x = np.where(y == y1, x1, np.where(y == y2, x2, x1 + (y - y1) * slope))
        ends.append(np.where(height == 0, end, x))
    return np.minimum(*ends), np.maximum(*ends)


def _united(part: np.ndarray, row: np.ndarray, start: np.ndarray, stop: np.ndarray) -> _Found:
    """Return runs in scan order that hold each pixel of a part once."""
    if not len(row):
        return part, row, start, stop
    order = np.lexsort((start, row, part))
    part, row, start, stop = part[order], row[order], start[order], stop[order]
    # Rows laid end to end, so that a run reaches no other row; then those that overlap or touch are one.
    offset = np.cumsum(np.append(False, (row[1:] != row[:-1]) | (part[1:] != part[:-1]))) * (int(stop.max()) + 1)
    reach = np.maximum.accumulate(offset + stop)
    firsts = np.flatnonzero(np.append(True, offset[1:] + start[1:] > reach[:-1]))
    lasts = np.append(firsts[1:], len(row)) - 1
    return part[firsts], row[firsts], start[firsts], reach[lasts] - offset[firsts]


def _not_empty(part: np.ndarray, row: np.ndarray, start: np.ndarray, stop: np.ndarray) -> _Found:
    kept = start < stop
    return part[kept], row[kept], start[kept], stop[kept]
