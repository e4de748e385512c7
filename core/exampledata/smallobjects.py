"""Trees and houses from above: an image of 0.5 m with everything that is in it, to try detectors.

Each lies in a square of its own, so that none touch. Bushes and paved squares look similar, but are no objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from . import noise

SIDE = 384
"""Width and height of an image in pixels."""

SPACING = 0.5
"""Width and height of a pixel in metres."""

BANDS = ("red", "green", "blue", "nir")

_CELL = 24  # pixels
_SHADOW = 3  # pixels to the north-west of what is high
_GRASS, _PAVED, _BUSH = (70.0, 95.0, 60.0, 140.0), (150.0, 148.0, 145.0, 120.0), (50.0, 80.0, 45.0, 160.0)
_CROWN, _ROOFS = (
    (35.0, 66.0, 34.0, 185.0),
    ((172.0, 84.0, 62.0, 105.0), (118.0, 112.0, 112.0, 92.0), (196.0, 178.0, 160.0, 150.0)),
)


class Small(IntEnum):
    """The classes, as numbered in the layers."""

    TREE = 1
    HOUSE = 2


@dataclass(frozen=True)
class SmallObjects:
    """An image and its objects.

    Attributes:
        pixels: uint8 of shape (rows, columns, bands).
        edges: x1, y1, x2, y2 of each object in pixels, whole numbers, shape (n, 4).
        classes: of each, `Small`.
    """

    pixels: NDArray[np.uint8]
    edges: NDArray[np.int64]
    classes: NDArray[np.int64]


def draw_small_objects(seed: int, area: int) -> SmallObjects:
    """Draw an image.

    Args:
        seed: of the scene.
        area: 0, 1, ...: other areas have other objects.
    """
    seed = noise.spread(seed) + 1000 * (area + 1)
    indices = np.arange(SIDE, dtype=np.int64)
    image = np.empty((SIDE, SIDE, len(BANDS)), np.float32)
    image[:] = np.asarray(_GRASS, np.float32)
    image *= (1 + np.float32(0.12) * noise.rough(seed, indices, indices, 30, 3))[..., None]
    edges, classes = [], []
    for row in range(SIDE // _CELL):
        for column in range(SIDE // _CELL):
            found = _fill(image, seed, row, column)
            if found is not None:
                edges.append(found[0])
                classes.append(found[1])
    for band in range(len(BANDS)):
        image[..., band] += 5 * noise.speckle(seed + 20 + band, indices, indices)
    pixels = np.rint(np.clip(image, 1, 255)).astype(np.uint8)
    return SmallObjects(pixels, np.array(edges, np.int64), np.array(classes, np.int64))


def _fill(
    image: NDArray[np.float32], seed: int, row: int, column: int
) -> tuple[tuple[int, int, int, int], Small] | None:
    """Draw what is in a square; return its edges and class if it is an object."""
    place = np.array([row]), np.array([column])
    kind, first, second, third, fourth = (float(noise.uniform(seed + k, *place)[0]) for k in range(1, 6))
    half = (4 + int(5 * first), 4 + int(5 * second))
    if kind < 0.40:  # a tree
        half = (3 + int(6 * first),) * 2
    elif kind < 0.50:  # a bush
        half = (1, 1)
    y, x = (
        _CELL * cell + _CELL // 2 + round((2 * chance - 1) * (_CELL // 2 - _SHADOW // 2 - 1 - reach))
        for cell, chance, reach in ((row, third, half[0]), (column, fourth, half[1]))
    )
    rows, columns = np.mgrid[-half[0] : half[0] + 1, -half[1] : half[1] + 1]
    edges = (x - half[1], y - half[0], x + half[1] + 1, y + half[0] + 1)
    round_ = rows**2 + columns**2 <= (half[0] + 0.4) ** 2
    if kind < 0.40:
        _darken(image, edges, round_)
        light = 1.15 - 0.5 * (rows**2 + columns**2) / (half[0] + 0.5) ** 2 + 0.012 * (rows + columns)
        _paint(image, edges, round_, _CROWN, light)
        return edges, Small.TREE
    if kind < 0.50:
        _paint(image, edges, round_, _BUSH, np.ones(rows.shape))
    elif kind < 0.72:
        _darken(image, edges, np.ones(rows.shape, bool))
        roof = _ROOFS[int(3 * kind * 100) % 3]
        sunny = rows > 0 if half[1] >= half[0] else columns > 0  # the ridge runs along the longer side
        _paint(image, edges, np.ones(rows.shape, bool), roof, np.where(sunny, 1.12, 0.85))
        return edges, Small.HOUSE
    elif kind < 0.80:
        _paint(image, edges, np.ones(rows.shape, bool), _PAVED, np.ones(rows.shape))
    return None


def _paint(
    image: NDArray[np.float32],
    edges: tuple[int, int, int, int],
    shape: NDArray[np.bool_],
    colour: tuple[float, ...],
    light: NDArray[np.float64],
) -> None:
    x1, y1, x2, y2 = edges
    part = image[y1:y2, x1:x2]
    part[shape] = (np.asarray(colour) * light[..., None])[shape]


def _darken(image: NDArray[np.float32], edges: tuple[int, int, int, int], shape: NDArray[np.bool_]) -> None:
    """Cast the shadow of a shape; what is above the image's edge is lost."""
    x1, y1, x2, y2 = (edge - _SHADOW for edge in edges)
    left, top = max(0, -x1), max(0, -y1)
    image[y1 + top : y2, x1 + left : x2][shape[top:, left:]] *= np.float32(0.45)
