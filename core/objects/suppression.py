"""Greedy suppression of boxes that overlap, with an index of the kept ones by a grid for each order of size.

Near the middle of the pixels that tiles share, an object is taken from each of them. So a kept box also stands for one box of
each other tile, that which overlaps it most, however large an overlap of different objects may be.
"""

from __future__ import annotations

import math
from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator

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
        kept[start : start + _BATCH] = index.add(start, min(start + _BATCH, len(boxes)))
    return boxes[kept]


_Cells = dict[int, int]
"""The last kept box of each cell."""


class _Index:
    """Kept boxes by class, order of size and cell; a cell is as wide as the largest of its boxes may be.

    Boxes are numbers of all, and those of a cell a chain from the last to the first: millions of them must fit into memory.
    """

    def __init__(self, boxes: np.ndarray, iou: float) -> None:
        self._most, self._turned = iou * (1 + _ROUNDING), bool((boxes["angle"] != 0).any())
        # The sides of boxes that overlap so much differ by no more than that.
        self._reach = math.inf if iou <= 0 else math.floor(math.log2(1 / min(iou, _SAME))) + 1
        if self._turned:
            self._reach += 1  # the hull of a turned square is wider than the square
        self._boxes = boxes
        self._edges = [array("d", column.tobytes()) for column in hulls(boxes).T]
        self._areas = array("d", ((boxes["y2"] - boxes["y1"]) * (boxes["x2"] - boxes["x1"])).tobytes())
        self._tiles = boxes["tile"].tobytes()
        self._before = array("i", bytes(4 * len(boxes)))
        # For each kept box a bit for each kind of tile of which it stands for a box.
        self._stands = array("H", bytes(2 * len(boxes)))
        self._corners: dict[int, list[list[float]]] = {}
        self._grids: defaultdict[int, defaultdict[int, _Cells]] = defaultdict(lambda: defaultdict(dict))

    def add(self, start: int, end: int) -> list[bool]:
        """Add some boxes one after the other, and return for each whether it is kept."""
        part = self._boxes[start:end]
        y1, x1, y2, x2 = (np.frombuffer(each)[start:end] for each in self._edges)
        sides = np.maximum(y2 - y1, x2 - x1)
        levels = np.ceil(np.log2(np.maximum(sides, 1.0))).astype("int64")
        turned = corners(part).tolist() if self._turned else [None] * len(part)
        columns = (sides.tolist(), levels.tolist(), part["class"].tolist(), part["cut"].tolist(), turned)
        return [self._add(*one) for one in zip(range(start, end), *columns)]

    def _add(
        self, number: int, side: float, level: int, value: int, cut: bool, turned: list[list[float]] | None
    ) -> bool:
        twin, most, tile = -1, _SAME, self._tiles[number]
        for other, cells in self._grids[value].items():
            if level - other > self._reach or (other - level > self._reach and not cut):
                continue
            for kept, common in self._common(number, self._last_ones(number, side, cells, 2.0**other)):
                if turned is not None:
                    common = _common_area(turned, self._corners[kept])
                area = self._areas[number]
                share = common / (area if cut else area + self._areas[kept] - common)
                if share > self._most:
                    self._stands[kept] |= 1 << tile
                    return False
                if share > most and self._tiles[kept] != tile and not self._stands[kept] >> tile & 1:
                    twin, most = kept, share
        if twin >= 0:
            self._stands[twin] |= 1 << tile
            return False
        if turned is not None:
            self._corners[number] = turned
        row, column = self._centre(number)
        cells, place = self._grids[value][level], _cell(math.floor(row / 2.0**level), math.floor(column / 2.0**level))
        self._before[number] = cells.get(place, -1)
        cells[place] = number
        return True

    def _centre(self, number: int) -> tuple[float, float]:
        y1, x1, y2, x2 = (each[number] for each in self._edges)
        return (y1 + y2) / 2, (x1 + x2) / 2

    def _last_ones(self, number: int, side: float, cells: _Cells, cell: float) -> Collection[int]:
        """Return the last boxes of the cells of a width in which a box may overlap others; `side` is its longer one."""
        (row, column), near = self._centre(number), (side + cell) / 2
        rows = range(math.floor((row - near) / cell), math.floor((row + near) / cell) + 1)
        columns = range(math.floor((column - near) / cell), math.floor((column + near) / cell) + 1)
        if len(rows) * len(columns) > len(cells):  # a box much larger than those of the grid
            return cells.values()
        places = [_cell(down, across) for down in rows for across in columns]
        return [cells[place] for place in places if place in cells]

    def _common(self, number: int, last: Collection[int]) -> Iterator[tuple[int, float]]:
        """Yield the boxes that a box overlaps, and the area that their hulls share.

        Most of the time of a suppression is spent here, and calls of `min` and `max` would double it.

        Args:
            number: of the box.
            last: the last boxes of some cells.
        """
        (all_y1, all_x1, all_y2, all_x2), before = self._edges, self._before
        y1, x1, y2, x2 = all_y1[number], all_x1[number], all_y2[number], all_x2[number]
        for one in last:
            kept = one
            while kept >= 0:
                top, bottom = all_y1[kept], all_y2[kept]
                height = (y2 if y2 < bottom else bottom) - (y1 if y1 > top else top)
                if height > _TOUCHING:
                    left, right = all_x1[kept], all_x2[kept]
                    width = (x2 if x2 < right else right) - (x1 if x1 > left else left)
                    if width > _TOUCHING:
                        yield kept, height * width
                kept = before[kept]


def _cell(row: int, column: int) -> int:
    """Return one number for a cell, which takes less memory than a pair."""
    return (row << 32) + column


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
