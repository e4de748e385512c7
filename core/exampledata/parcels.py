"""The parcels of the landscape: where they are, what grows or stands on them, which are labelled.

A parcel is the set of pixels that are nearest to its site, seen through a gentle distortion, so that
its edges are crooked. Sites lie one in each cell of a grid, so only nine need comparing per pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from . import noise

CELL = 44
"""Spacing of the sites in pixels: the size of a parcel."""

_MARGIN = 2  # cells outside the scene, on each side, whose parcels may reach into it
_LABELLED = 0.45  # share of the parcels that carry a label


class LandCover(IntEnum):
    """The classes, as numbered in the label rasters."""

    WATER = 0
    GOLF_COURSE = 1
    GRASSLAND = 2
    BUILDINGS = 3
    FOREST = 4
    FARM = 5


_SHARES = {
    LandCover.WATER: 0.12,
    LandCover.BUILDINGS: 0.24,
    LandCover.FOREST: 0.19,
    LandCover.FARM: 0.20,
    LandCover.GRASSLAND: 0.14,
    LandCover.GOLF_COURSE: 0.11,
}


@dataclass(frozen=True)
class Parcels:
    """All parcels of a scene. Arrays have one element per parcel, row by row of the grid of cells.

    Attributes:
        seed: from which the random numbers of the scene count up.
        across: cells in a row of the grid, the margins included.
        x, y: position of the site in pixels, from the upper-left corner of the scene.
        cover: the class, a LandCover.
        labelled: 0 in terrain truth A (the western half), 1 in B (the eastern), -1 in neither.
    """

    seed: int
    across: int
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    cover: NDArray[np.uint8]
    labelled: NDArray[np.int8]

    def locate(
        self, rows: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Find the parcel of each pixel.

        Args:
            rows: the pixels' row indices, one-dimensional.
            columns: the pixels' column indices.

        Returns:
            The parcel of each pixel, the one beyond its nearest edge, and the distance to that edge in
            pixels; each rows x columns.
        """
        half = np.float32(0.5)
        x = columns.astype(np.float32)[None, :] + half + 5 * noise.rough(self.seed + 11, rows, columns, 40, 3)
        y = rows.astype(np.float32)[:, None] + half + 5 * noise.rough(self.seed + 12, rows, columns, 40, 3)
        cell_row = np.floor(y / CELL).astype(np.int64) + _MARGIN
        cell_column = np.floor(x / CELL).astype(np.int64) + _MARGIN
        cell = cell_row * self.across + cell_column
        nearest = np.full(x.shape, np.inf, np.float32)
        second = nearest.copy()
        parcel = cell.copy()
        neighbour = cell.copy()
        for step in (-self.across, 0, self.across):
            for site in (cell + (step - 1), cell + step, cell + (step + 1)):
                distance = (self.x[site] - x) ** 2 + (self.y[site] - y) ** 2
                closer = distance < nearest
                between = ~closer & (distance < second)
                second = np.where(closer, nearest, np.where(between, distance, second))
                neighbour = np.where(closer, parcel, np.where(between, site, neighbour))
                nearest = np.where(closer, distance, nearest)
                parcel = np.where(closer, site, parcel)
        apart = np.hypot(self.x[parcel] - self.x[neighbour], self.y[parcel] - self.y[neighbour])
        return parcel, neighbour, (second - nearest) / (2 * np.maximum(apart, np.float32(1)))


def lay_out(seed: int, size: int) -> Parcels:
    """Return the parcels of a scene of `size` x `size` pixels."""
    seed = noise.spread(seed)
    cells = np.arange(-_MARGIN, -(-size // CELL) + _MARGIN, dtype=np.int64)
    row, column = (plane.ravel() for plane in np.meshgrid(cells, cells, indexing="ij"))
    x = (column + 0.1 + 0.8 * noise.uniform(seed + 1, row, column)) * CELL
    y = (row + 0.1 + 0.8 * noise.uniform(seed + 2, row, column)) * CELL
    inside = (x > 0) & (x < size) & (y > 0) & (y < size)
    east = x >= size / 2
    fields = [noise.rough(seed + 3 + k, cells, cells, blob, 2).ravel() for k, blob in enumerate((4.0, 6.0, 2.0))]
    cover = np.empty(x.size, np.uint8)
    for half in (~east, east):
        cover[half] = _covers([field[half] for field in fields], inside[half])
    labelled = np.full(x.size, -1, np.int8)
    chance = noise.uniform(seed + 6, row, column)
    for class_ in LandCover:
        for half in (~east, east):
            candidates = np.flatnonzero(half & inside & (cover == class_))
            chosen = candidates[np.argsort(chance[candidates])][: int(np.ceil(_LABELLED * candidates.size))]
            labelled[chosen] = east[chosen]
    return Parcels(seed, cells.size, x.astype(np.float32), y.astype(np.float32), cover, labelled)


def _covers(fields: list[NDArray[np.float32]], inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the class of each parcel of one half of the scene.

    Smooth fields say how wet, how urban and how open the country is; each class takes its share of the
    parcels inside the scene by rank, so that no class is missing from either half.
    """
    wet, urban, tended = fields
    cover = np.full(wet.size, LandCover.GRASSLAND, np.uint8)
    free = np.ones(wet.size, np.bool_)
    left = 1.0
    for class_, rank in (
        (LandCover.WATER, wet),
        (LandCover.BUILDINGS, urban),
        (LandCover.FOREST, -urban),
        (LandCover.FARM, tended),
        (LandCover.GOLF_COURSE, -tended),
    ):
        taken = free & (rank >= np.quantile(rank[free & inside], 1 - _SHARES[class_] / left))
        cover[taken] = class_
        free &= ~taken
        left -= _SHARES[class_]
    return cover
