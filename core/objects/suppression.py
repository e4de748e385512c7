"""Greedy suppression of boxes that overlap, with an index of the kept ones by a grid for each order of size.

Near the middle of the pixels that tiles share, an object is taken from each of them. So a kept box also stands for one box of
each other tile, that which overlaps it most, however large an overlap of different objects may be.
"""

from __future__ import annotations

import math
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from .boxes import corners, hulls, places

_BATCH = 2_000
"""Boxes between two looks at the user's wish to stop."""

_SAME = 0.5
"""Overlap above which boxes of two tiles are those of one object."""

_ROUNDING = 2e-4
"""Share by which an overlap may exceed the largest one: places that models return are rounded."""

_TOUCHING = 1e-3
"""Pixels by which boxes beside each other may overlap, for the same reason."""


def in_order(boxes: np.ndarray) -> np.ndarray:
    """Return the numbers of boxes in the order of suppression: by score from the highest, then y, then x of the centre."""
    rows, columns = places(boxes)
    return np.lexsort((boxes["class"], columns, rows, -boxes["score"].astype("float64")))


def suppressed(boxes: np.ndarray, iou: float, told: Callable[[float], None] = lambda _: None) -> np.ndarray:
    """Return the boxes that are kept, in the order of `in_order`.

    A box is left out where one of its class with a higher place in the order, which is kept, overlaps it by more than
    `iou`: the area of their intersection by that of their union. Of a box that the edge of a tile cuts, the share that lies
    in the other one counts. Of boxes of two tiles, an overlap of more than `_SAME` is enough, once for each tile.

    Args:
        boxes: of `boxes.BOX`.
        iou: from 0 to 1.
        told: takes the share that is done; raises to stop.
    """
    boxes = boxes[in_order(boxes)]
    index, kept = _Index(boxes, iou), np.zeros(len(boxes), bool)
    for start in range(0, len(boxes), _BATCH):
        told(start / len(boxes))
        kept[start : start + _BATCH] = index.add(boxes, start, min(start + _BATCH, len(boxes)))
    return boxes[kept]


class _Entry(NamedTuple):
    """A box as the index compares it: its hull, its area, the kind of its tile, and its corners where boxes are turned."""

    y1: float
    x1: float
    y2: float
    x2: float
    area: float
    number: int
    tile: int
    corners: list[list[float]] | None

    def overlap(self, kept: _Entry, cut: bool) -> float:
        """Return the share by which this box overlaps a kept one."""
        height, width = min(self.y2, kept.y2) - max(self.y1, kept.y1), min(self.x2, kept.x2) - max(self.x1, kept.x1)
        if height <= _TOUCHING or width <= _TOUCHING:
            return 0.0
        common = height * width
        if self.corners is not None and kept.corners is not None:
            common = _common_area(self.corners, kept.corners)
        return common / self.area if cut else common / (self.area + kept.area - common)


_Cells = dict[tuple[int, int], list[_Entry]]


class _Index:
    """Kept boxes by class, order of size and cell; a cell is as wide as the largest of its boxes may be."""

    def __init__(self, boxes: np.ndarray, iou: float) -> None:
        self._most, self._turned = iou * (1 + _ROUNDING), bool((boxes["angle"] != 0).any())
        # The sides of boxes that overlap so much differ by no more than that.
        self._reach = math.inf if iou <= 0 else math.floor(math.log2(1 / min(iou, _SAME))) + 1
        # For each kept box a bit for each kind of tile of which it stands for a box.
        self._stands = array("H", bytes(2 * len(boxes)))
        if self._turned:
            self._reach += 1  # the hull of a turned square is wider than the square
        self._grids: defaultdict[int, defaultdict[int, _Cells]] = defaultdict(lambda: defaultdict(dict))

    def add(self, boxes: np.ndarray, start: int, end: int) -> list[bool]:
        """Add some boxes one after the other, and return for each whether it is kept."""
        part = boxes[start:end]
        edges = hulls(part)
        sides = np.maximum(edges[:, 2] - edges[:, 0], edges[:, 3] - edges[:, 1])
        levels = np.ceil(np.log2(np.maximum(sides, 1.0))).astype("int64")
        areas = (part["y2"] - part["y1"]) * (part["x2"] - part["x1"])
        turned = corners(part).tolist() if self._turned else [None] * len(part)
        entries = map(_Entry, *edges.T.tolist(), areas.tolist(), range(start, end), part["tile"].tolist(), turned)
        columns = (sides.tolist(), levels.tolist(), part["class"].tolist(), part["cut"].tolist())
        return [self._add(*one) for one in zip(entries, *columns)]

    def _add(self, entry: _Entry, side: float, level: int, value: int, cut: bool) -> bool:
        row, column = (entry.y1 + entry.y2) / 2, (entry.x1 + entry.x2) / 2
        twin, most, bit = None, _SAME, 1 << entry.tile
        for other, cells in self._grids[value].items():
            if level - other > self._reach or (other - level > self._reach and not cut):
                continue
            for kept in _near(cells, 2.0**other, row, column, side):
                share = entry.overlap(kept, cut)
                if share > self._most:
                    self._stands[kept.number] |= bit
                    return False
                if share > most and kept.tile != entry.tile and not self._stands[kept.number] & bit:
                    twin, most = kept, share
        if twin is not None:
            self._stands[twin.number] |= bit
            return False
        place = math.floor(row / 2.0**level), math.floor(column / 2.0**level)
        self._grids[value][level].setdefault(place, []).append(entry)
        return True


def _near(cells: _Cells, cell: float, row: float, column: float, side: float) -> Iterator[_Entry]:
    """Yield the boxes of a grid that a box may overlap.

    Args:
        cells: of the grid.
        cell: their width.
        row, column: of the box's centre.
        side: the longer one of the box.
    """
    near = (side + cell) / 2
    rows = range(math.floor((row - near) / cell), math.floor((row + near) / cell) + 1)
    columns = range(math.floor((column - near) / cell), math.floor((column + near) / cell) + 1)
    if len(rows) * len(columns) > len(cells):  # a box much larger than those of the grid
        for entries in cells.values():
            yield from entries
        return
    for down in rows:
        for across in columns:
            yield from cells.get((down, across), ())


def _common_area(one: list[list[float]], other: list[list[float]]) -> float:
    """Return the area that two rectangles share, each with its corners in the same direction, by clipping one by the other.

    I. E. Sutherland and G. W. Hodgman, "Reentrant polygon clipping", Communications of the ACM 17, 1974.
    """
    polygon = one
    for begin, end in zip(other, [*other[1:], other[0]]):
        across, down = end[0] - begin[0], end[1] - begin[1]
        sides = [across * (y - begin[1]) - down * (x - begin[0]) for x, y in polygon]
        clipped = []
        for place, point in enumerate(polygon):
            before, side, last = polygon[place - 1], sides[place], sides[place - 1]
            if (side >= 0) != (last >= 0):
                share = last / (last - side)
                clipped.append([before[0] + share * (point[0] - before[0]), before[1] + share * (point[1] - before[1])])
            if side >= 0:
                clipped.append(point)
        polygon = clipped
        if not polygon:
            return 0.0
    doubled = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(polygon, [*polygon[1:], polygon[0]]))
    return abs(doubled) / 2
