"""The scene: the parcels as the sensor sees them, and their reference data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import noise
from .parcels import LandCover, Parcels
from .textures import MATERIALS, Ground, paint

BANDS_10M = ("B2", "B3", "B4", "B8")
BANDS_20M = ("B5", "B6", "B7", "B8A", "B11", "B12")
NO_LABEL = 255

_CLEAR = 4.0  # pixels between a labelled pixel and the edge of its parcel
_ROAD = 0.7  # half the width of a road in pixels
_ROADSIDE = (LandCover.BUILDINGS, LandCover.FARM, LandCover.GRASSLAND)

# Reflectance x 10000 of each material in each band, in the order of textures.MATERIALS.
_SPECTRA = {
    "B2": (300, 620, 950, 1150, 480, 850),
    "B3": (560, 820, 1220, 1230, 480, 1050),
    "B4": (350, 950, 1560, 1290, 300, 950),
    "B5": (950, 1350, 1850, 1400, 260, 900),
    "B6": (2500, 1950, 2050, 1480, 220, 700),
    "B7": (3050, 2150, 2200, 1540, 210, 650),
    "B8": (3250, 2300, 2350, 1600, 200, 600),
    "B8A": (3400, 2450, 2500, 1640, 180, 550),
    "B11": (1650, 2900, 3050, 1750, 110, 250),
    "B12": (780, 2000, 2500, 1650, 80, 180),
}


@dataclass(frozen=True)
class Block:
    """A block of the scene.

    Attributes:
        xs_10m: bands x rows x columns, reflectance x 10000.
        xs_20m: bands x rows/2 x columns/2, reflectance x 10000.
        truth: labels of area A and of area B, each rows x columns, NO_LABEL where nothing is known.
        parcel: the parcel of each pixel, rows x columns.
    """

    xs_10m: NDArray[np.uint16]
    xs_20m: NDArray[np.uint16]
    truth: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    parcel: NDArray[np.int64]


def draw(parcels: Parcels, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Block:
    """Draw one block.

    Args:
        parcels: the scene's.
        rows: the block's row indices, consecutive, beginning and ending with a pixel of 20 m.
        columns: its column indices, likewise.
    """
    ringed_rows, ringed_columns = _ringed(rows), _ringed(columns)
    parcel, neighbour, edge = parcels.locate(ringed_rows, ringed_columns)
    ground = paint(parcels, parcel, ringed_rows, ringed_columns)
    _add_roads(ground, parcels, parcel, neighbour, edge)
    seen = {band: _blurred(_radiance(ground, band)) for band in BANDS_10M + BANDS_20M}
    bands_10m = [_measured(parcels.seed, k, seen[band], rows, columns) for k, band in enumerate(BANDS_10M)]
    coarse_rows, coarse_columns = rows[::2] // 2, columns[::2] // 2
    bands_20m = [
        _measured(parcels.seed, 10 + k, _halved(seen[band]), coarse_rows, coarse_columns)
        for k, band in enumerate(BANDS_20M)
    ]
    within = parcel[1:-1, 1:-1]
    known = np.where(edge[1:-1, 1:-1] > _CLEAR, parcels.labelled[within], np.int8(-1))
    cover = parcels.cover[within]
    truth_a, truth_b = (np.where(known == area, cover, np.uint8(NO_LABEL)) for area in (0, 1))
    return Block(np.stack(bands_10m), np.stack(bands_20m), (truth_a, truth_b), within)


def _ringed(indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """One more pixel on each side, which the blur needs."""
    return np.arange(indices[0] - 1, indices[-1] + 2, dtype=np.int64)


def _add_roads(
    ground: Ground, parcels: Parcels, parcel: NDArray[np.int64], neighbour: NDArray[np.int64], edge: NDArray[np.float32]
) -> None:
    roadside = np.isin(np.arange(len(LandCover)), _ROADSIDE)
    road = (edge < _ROAD) & roadside[parcels.cover[parcel]] & roadside[parcels.cover[neighbour]]
    ground.share[:, road] = 0
    ground.share[MATERIALS.index("stone"), road] = 1
    ground.light[road] = 0.8


def _radiance(ground: Ground, band: str) -> NDArray[np.float32]:
    weights = np.asarray(_SPECTRA[band], np.float32)
    return ground.light * np.einsum("m,mrc->rc", weights, ground.share)


def _blurred(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Smear each pixel a little over its neighbours, as optics do; the outer ring is lost."""
    down = np.float32(0.7) * plane[1:-1] + np.float32(0.15) * (plane[:-2] + plane[2:])
    return np.float32(0.7) * down[:, 1:-1] + np.float32(0.15) * (down[:, :-2] + down[:, 2:])


def _halved(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    return (plane[::2, ::2] + plane[1::2, ::2] + plane[::2, 1::2] + plane[1::2, 1::2]) / 4


def _measured(
    seed: int, band: int, plane: NDArray[np.float32], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.uint16]:
    """Add the sensor's noise, and round."""
    noisy = plane * (1 + np.float32(0.015) * noise.speckle(seed + 100 + band, rows, columns))
    return np.rint(np.clip(noisy, 1, 10000)).astype(np.uint16)
