"""Tiles that overlap, and which of them an object is taken from.

Two neighbours share pixels. An object smaller than these lies whole in one of them: in the one in whose half of the shared
pixels its centre is. From the other one, which may see a part of it only, it is not taken. What a detector finds there is
shifted by some pixels, so boxes near the middle are taken from both, unless the edge of the tile cuts them; the
suppression removes one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Optional

import numpy as np

from ..geometry.grid import Box

LATTICE = 32
"""Pixels of which tiles begin at a multiple, but for the last ones. So neighbours that pool pixels see an object at the same
place of their grids, up to this stride, and find the same box."""

TOUCHES = 2.0
"""Pixels from the edge of a tile within which a box is cut by it."""

KINDS = 9
"""Kinds of tiles: those of every third row and column are of one kind, so that no object is taken from two of one kind."""

_BAND = 1 / 8
"""Share of the shared pixels beyond their middle up to which boxes are taken from both tiles."""


_Place = tuple[int, Optional[int], Optional[int]]

Shared = tuple[Optional[int], Optional[int], Optional[int], Optional[int]]

ALONE: Shared = (None, None, None, None)
"""What a tile without neighbours shares with them."""


@dataclass(frozen=True)
class OverlappingTile:
    """A tile.

    Attributes:
        box: its pixels in the image, beyond which it may reach where the image is smaller.
        shared: pixels that it shares with the neighbour at the left, at the right, above and below; None without one.
        kind: from 0 to `KINDS` - 1.
    """

    box: Box
    shared: Shared
    kind: int = 0


def region_around(wanted: Box, image: Box, width: int, height: int, overlap: int) -> Box:
    """Return the pixels to read so that no object with its centre in a part of an image is cut.

    Where the image is large enough, the tiles lie in it, so that the model sees no padding.

    Args:
        wanted: the part.
        image: all pixels; it begins at 0, 0.
        width, height: of the tiles.
        overlap: pixels that neighbours share at least.
    """
    x, y = (
        min(max(0, (start - overlap) // LATTICE * LATTICE), max(0, length - size))
        for start, length, size in ((wanted.x, image.width, width), (wanted.y, image.height, height))
    )
    return Box(x, y, wanted.right + overlap - x, wanted.bottom + overlap - y).intersection(image)


@dataclass(frozen=True)
class TileLattice:
    """Tiles of a region, in columns and rows, that share the overlap or some pixels more.

    Attributes:
        region: pixels of the image.
        width, height: of each tile.
        overlap: pixels that neighbours share at least; smaller than the tiles.
    """

    region: Box
    width: int
    height: int
    overlap: int

    @cached_property
    def _columns(self) -> list[_Place]:
        return list(_places(self.region.width, self.width, self.overlap))

    @cached_property
    def _rows(self) -> list[_Place]:
        return list(_places(self.region.height, self.height, self.overlap))

    @property
    def box(self) -> Box:
        """All tiles, as columns and rows of them."""
        return Box(0, 0, len(self._columns), len(self._rows))

    @property
    def steps(self) -> tuple[int, int]:
        """Pixels from a tile to the next, across and down."""
        return _step(self.width, self.overlap), _step(self.height, self.overlap)

    def tiles(self, part: Box) -> list[OverlappingTile]:
        """Return the tiles in some columns and rows, row by row."""
        return [
            OverlappingTile(
                Box(self.region.x + x, self.region.y + y, self.width, self.height),
                (left, right, above, below),
                row % 3 * 3 + column % 3,
            )
            for row, (y, above, below) in enumerate(self._rows[part.y : part.bottom], part.y)
            for column, (x, left, right) in enumerate(self._columns[part.x : part.right], part.x)
        ]

    def numbers(self, part: Box) -> np.ndarray:
        """Return the numbers of the same tiles among all, row by row, int64."""
        rows, columns = np.arange(part.y, part.bottom), np.arange(part.x, part.right)
        return np.asarray(rows[:, None] * len(self._columns) + columns, "int64").reshape(-1)

    def pixels(self, part: Box) -> Box:
        """Return the pixels of the region, counted from its corner, that the same tiles cover."""
        (x, *_), (y, *_) = self._columns[part.x], self._rows[part.y]
        (right, *_), (bottom, *_) = self._columns[part.right - 1], self._rows[part.bottom - 1]
        covered = Box(x, y, right + self.width - x, bottom + self.height - y)
        return covered.intersection(Box(0, 0, self.region.width, self.region.height))


def overlapping_tiles(region: Box, width: int, height: int, overlap: int) -> list[OverlappingTile]:
    """Return all tiles of a region, row by row; see `TileLattice` for the arguments."""
    lattice = TileLattice(region, width, height, overlap)
    return lattice.tiles(lattice.box)


def _step(size: int, overlap: int) -> int:
    return (size - overlap) // LATTICE * LATTICE or size - overlap


def _places(length: int, size: int, overlap: int) -> Iterator[_Place]:
    """Yield where each tile begins along an axis, and the pixels that it shares with that before and that behind."""
    step = _step(size, overlap)
    count = 1 + max(0, -(-(length - size) // step))
    starts = [min(number * step, max(0, length - size)) for number in range(count)]
    for number, start in enumerate(starts):
        before = starts[number - 1] + size - start if number else None
        behind = start + size - starts[number + 1] if number + 1 < count else None
        yield start, before, behind


def cut_by_edges(hulls: np.ndarray, tile: OverlappingTile) -> np.ndarray:
    """Return which boxes end at an edge that the tile shares with a neighbour.

    Args:
        hulls: y1, x1, y2, x2 in pixels of the tile, shape (n, 4).
        tile: that they were found in.
    """
    left, right, above, below = tile.shared
    found = np.zeros(len(hulls), bool)
    for shared, near in (
        (left, hulls[:, 1] <= TOUCHES),
        (right, hulls[:, 3] >= tile.box.width - TOUCHES),
        (above, hulls[:, 0] <= TOUCHES),
        (below, hulls[:, 2] >= tile.box.height - TOUCHES),
    ):
        if shared is not None:
            found |= near
    return found


def taken(hulls: np.ndarray, tile: OverlappingTile) -> np.ndarray:
    """Return which boxes are taken from a tile, and not from its neighbours; see `cut_by_edges` for the arguments."""
    left, right, above, below = tile.shared
    across, down = (hulls[:, 1] + hulls[:, 3]) / 2, (hulls[:, 0] + hulls[:, 2]) / 2
    found = np.ones(len(hulls), bool)
    for shared, edge in (
        (left, (across, hulls[:, 1])),
        (right, (tile.box.width - across, tile.box.width - hulls[:, 3])),
        (above, (down, hulls[:, 0])),
        (below, (tile.box.height - down, tile.box.height - hulls[:, 2])),
    ):
        if shared is not None:
            inwards, gap = edge
            found &= inwards >= shared / 2 - np.where(gap <= TOUCHES, 0.0, shared * _BAND)
    return found
