"""The appearance of each class of land cover from above.

The classes are made of the same few materials and overlap in their spectra; what tells them apart is
the pattern: rows of crops, blocks of houses, crowns of trees, fairways, clumps, ripples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import noise
from .parcels import LandCover, Parcels

MATERIALS = ("leaf", "straw", "soil", "stone", "water", "silt")
"""What the ground is made of; `stone` is roofs and streets, `silt` turbid water."""

_LEAF, _STRAW, _SOIL, _STONE, _WATER, _SILT = range(len(MATERIALS))


@dataclass(frozen=True)
class Ground:
    """The ground as painted.

    Attributes:
        share: of each material in each pixel: materials x rows x columns, summing to 1.
        light: how brightly it is lit, about 1: rows x columns.
    """

    share: NDArray[np.float32]
    light: NDArray[np.float32]


@dataclass(frozen=True)
class _Pixels:
    """The pixels of one class in a block; arrays have one element per pixel.

    Attributes:
        seed: of the scene.
        parcel: the pixel's parcel.
        along, across: position in pixels in the parcel's own directions.
        grain: noise without correlation; fine, medium, broad, regional: noise with blobs of about 2, 5, 16
            and 90 pixels.
    """

    seed: int
    parcel: NDArray[np.int64]
    along: NDArray[np.float32]
    across: NDArray[np.float32]
    grain: NDArray[np.float32]
    fine: NDArray[np.float32]
    medium: NDArray[np.float32]
    broad: NDArray[np.float32]
    regional: NDArray[np.float32]

    def draw(self, number: int, *coordinates: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return a random number from 0 to 1 of each pixel's parcel (and cell of it)."""
        return noise.uniform(self.seed + 200 + number, self.parcel, *coordinates)


def paint(parcels: Parcels, parcel: NDArray[np.int64], rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Ground:
    """Paint the parcels of a block.

    Args:
        parcels: the scene's.
        parcel: the parcel of each pixel, rows x columns.
        rows: the block's row indices, one-dimensional.
        columns: the block's column indices.
    """
    seed = parcels.seed
    planes = (
        noise.speckle(seed + 21, rows, columns),
        noise.smooth(seed + 22, rows, columns, 2.2),
        noise.smooth(seed + 23, rows, columns, 5),
        noise.rough(seed + 24, rows, columns, 20, 3),
        noise.rough(seed + 26, rows, columns, 90, 3),
    )
    cover = parcels.cover[parcel]
    share = np.zeros((len(MATERIALS), *parcel.shape), np.float32)
    light = np.ones(parcel.shape, np.float32)
    angle = (np.float32(np.pi) * noise.uniform(seed + 25, np.arange(parcels.cover.size))).astype(np.float32)
    cosine, sine = np.cos(angle), np.sin(angle)
    for class_, painter in _PAINTERS.items():
        row, column = np.nonzero(cover == class_)
        if not row.size:
            continue
        owner = parcel[row, column]
        x = columns[column] - parcels.x[owner]
        y = rows[row] - parcels.y[owner]
        along = x * cosine[owner] + y * sine[owner]
        across = y * cosine[owner] - x * sine[owner]
        pixels = _Pixels(seed, owner, along, across, *(plane[row, column] for plane in planes))
        shares, light_here = painter(pixels)
        for material, value in shares.items():
            share[material, row, column] = value
        light[row, column] = np.clip(light_here, 0.15, 2.5)
    return Ground(share, light)


_Painted = tuple[dict[int, NDArray[np.float32]], NDArray[np.float32]]


def _wave(
    position: NDArray[np.float32], period: NDArray[np.float32] | float, phase: NDArray[np.float32] | float = 0.0
) -> NDArray[np.float32]:
    result: NDArray[np.float32] = np.sin(2 * np.pi * (position / period + phase)).astype(np.float32)
    return result


def _plants(cover: NDArray[np.float32], dry: NDArray[np.float32], light: NDArray[np.float32]) -> _Painted:
    """Plants on `cover` of the ground, `dry` of them yellow; the rest is soil."""
    cover, dry = np.clip(cover, 0, 1), np.clip(dry, 0, 1)
    return {_LEAF: cover * (1 - dry), _STRAW: cover * dry, _SOIL: 1 - cover}, light


def _water(p: _Pixels) -> _Painted:
    """Smooth, with faint ripples; clear or turbid, weeds near the top in places."""
    weeds = np.clip(0.10 * p.regional + 0.03 * p.broad, 0, 0.3)
    silt = np.clip(0.35 + 0.2 * p.regional + 0.08 * p.broad, 0, 1) * (1 - weeds)
    return {_WATER: 1 - silt - weeds, _SILT: silt, _LEAF: weeds}, 1 + 0.03 * p.medium


def _forest(p: _Pixels) -> _Painted:
    """Crowns, lit on one side and dark on the other."""
    light = (0.72 + 0.28 * p.draw(0)) * (1 + 0.38 * p.fine + 0.08 * p.grain)
    return _plants(0.84 + 0.04 * p.medium, 0.27 + 0.14 * p.regional + 0.06 * p.broad, light)


def _grassland(p: _Pixels) -> _Painted:
    """Lawns and meadows with soft patches, clumps of trees here and there, and a winding path."""
    cover = 0.65 + 0.3 * p.draw(0) + 0.07 * p.medium
    dry = 0.7 * p.draw(1) + 0.1 * p.medium
    light = 0.75 + 0.35 * p.draw(2) + 0.03 * p.medium + 0.02 * p.grain
    tree = p.medium > 1.6
    path = np.abs(p.broad) < 0.05
    cover = np.where(path, 0.2, np.where(tree, 0.95, cover))
    return _plants(cover, np.where(tree, 0.2, dry), np.where(tree, 0.62 * light, light))


def _golf_course(p: _Pixels) -> _Painted:
    """Fairways mown in stripes, side by side between rows of trees, with bunkers."""
    lane = _wave(p.across + 3.0 * p.broad, 13 + 4 * p.draw(0))
    fairway = lane > -0.45
    light, dry = 0.8 + 0.3 * p.draw(1), 0.6 * p.draw(2)
    mown = 1.0 + 0.18 * np.sign(_wave(p.along, 5.0)) + 0.02 * p.grain
    light *= np.where(fairway, mown, 0.6 + 0.12 * p.fine)
    bunker = fairway & (p.medium > 2.0)
    cover = 0.72 + 0.22 * p.draw(3) + 0.03 * p.medium
    return _plants(np.where(bunker, 0.1, cover), dry, np.where(bunker, 1.1, light))


def _farm(p: _Pixels) -> _Painted:
    """Long fields side by side, each with one crop in rows, at any stage from bare soil to ripe."""
    width = 12 + 10 * p.draw(0)
    field = np.floor(p.across / width).astype(np.int64)
    stage, ripe, period = p.draw(1, field), p.draw(2, field), 3.0 + 1.6 * p.draw(3, field)
    row = _wave(p.across, period)
    cover = 0.42 + 0.4 * stage + 0.3 * row + 0.03 * p.medium
    light = 0.75 + 0.35 * p.draw(4, field) + 0.04 * p.broad + 0.12 * row + 0.02 * p.grain
    furrow = p.across % width < 1
    return _plants(np.where(furrow, 0.3, cover), 0.6 * ripe, light)


def _buildings(p: _Pixels) -> _Painted:
    """Blocks of lots along a grid of streets: bright and dark roofs, yards, gardens."""
    depth, width = 8 + 4 * p.draw(0), 12 + 8 * p.draw(1)
    street = (p.across % depth < 1.4) | (p.along % width < 1.4)
    lot = (np.floor(p.across / depth * 2).astype(np.int64), np.floor(p.along / width * 4).astype(np.int64))
    roof, tiled = p.draw(2, *lot), p.draw(3, *lot)
    garden = p.draw(4, *lot) < 0.3 + 0.45 * p.draw(5)
    plants = np.clip(np.where(street, 0.1 + 0.3 * p.draw(6), np.where(garden, 0.8, 0.15)) + 0.08 * p.grain, 0, 1)
    soil = np.where(street, 0.1, tiled) * (1 - plants)
    light = np.where(street, 0.8, np.where(garden, 0.75, 0.6 + 0.75 * roof**3)) + 0.05 * p.grain
    dry = 0.5 * roof
    return {_LEAF: plants * (1 - dry), _STRAW: plants * dry, _SOIL: soil, _STONE: 1 - plants - soil}, light


_PAINTERS = {
    LandCover.WATER: _water,
    LandCover.GOLF_COURSE: _golf_course,
    LandCover.GRASSLAND: _grassland,
    LandCover.BUILDINGS: _buildings,
    LandCover.FOREST: _forest,
    LandCover.FARM: _farm,
}
