"""The areas of pixels on the ellipsoid.

The area that a unit of the map has on the ground changes smoothly and slowly. So it is measured at 25 places of a part of
the map, and interpolated between them; where a trial at other places finds that this is not enough (near a pole, at the
edge of a projection), the part is divided. The cost hardly depends on the number of pixels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..files.gdalcalls import collected_errors
from ..geometry.grid import Box
from .ellipsoid import STEP, Ellipsoid, planar

_NODES = np.cos(np.pi * np.array([9, 7, 5, 3, 1]) / 10)
"""Places of the interpolation, from -1 to 1: the zeros of Chebyshev's polynomial of degree five."""

_TRIALS = np.cos(np.pi * np.array([5, 3, 1, 0]) / 5)
"""Where its error is largest."""

_WRONG = 1e-7
"""Relative error that is too large."""

_SQUARE = 1000.0
"""Side in m of the squares that are measured for smaller pixels, where rounding would count otherwise."""

_PIECES = 32
"""A side of a large pixel is a line of so many pieces on the ellipsoid."""

_FEW = len(_NODES) ** 2 + len(_TRIALS) ** 2
"""As many pixels are measured one by one."""


class PixelAreas:
    """Measures the pixels of a raster."""

    def __init__(self, ellipsoid: Ellipsoid, transform: Any) -> None:
        """Take the ellipsoid, and GDAL's six numbers, which place columns and rows."""
        self._ellipsoid, self._transform = ellipsoid, transform
        _, dx, rx, _, ry, dy = transform
        self._sides = np.hypot(dx, ry) * ellipsoid.metres, np.hypot(rx, dy) * ellipsoid.metres  # in m of the map

    def of(self, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the areas in m2 of pixels, float64 of shape (n,); NaN or infinite off the Earth.

        Args:
            columns, rows: of the pixels, shape (n,).
        """
        return self._rectangles(np.asarray(columns) + 0.5, np.asarray(rows) + 0.5, (1.0, 1.0))

    def within(self, box: Box, wanted: np.ndarray) -> np.ndarray | None:
        """Return the areas in m2 of the pixels of a box, float64 of shape (height, width).

        Args:
            box: the box.
            wanted: of the same shape; where it is false, the area is any.

        Returns:
            The areas, or None where a wanted pixel has none, since it is not on the Earth.
        """
        areas = np.zeros((box.height, box.width))
        parts = [Box(0, 0, box.width, box.height)]
        while parts:
            part = parts.pop()
            there = np.s_[part.y : part.bottom, part.x : part.right]
            if not wanted[there].any():
                continue
            placed = Box(box.x + part.x, box.y + part.y, part.width, part.height)
            found = self._interpolated(placed) if part.area > _FEW else self._each(placed)
            if found is None:
                parts += self._halves(part)
                continue
            areas[there] = found
            if not np.isfinite(areas[there][wanted[there]]).all():
                return None
        return areas

    def _each(self, box: Box) -> np.ndarray:
        rows, columns = np.mgrid[box.y : box.bottom, box.x : box.right]
        return self.of(columns.ravel(), rows.ravel()).reshape(box.height, box.width)

    def _interpolated(self, box: Box) -> np.ndarray | float | None:
        """Return the areas of the pixels, or None where they cannot be interpolated."""
        at_nodes, at_trials = self._sampled(box, _NODES), self._sampled(box, _TRIALS)
        tried = _weights(_TRIALS) @ at_nodes @ _weights(_TRIALS).T
        if not (np.abs(tried - at_trials) <= _WRONG * np.abs(at_trials)).all():
            known = np.isfinite(np.concatenate((at_nodes.ravel(), at_trials.ravel())))
            if not known.any():
                return math.nan
            if max(self._size(box)) > _SQUARE:
                return None
            if not known.all():
                return self._each(box)
        across, down = (_weights(_places(size)) for size in (box.width, box.height))
        return np.asarray(down @ at_nodes @ across.T)

    def _sampled(self, box: Box, places: np.ndarray) -> np.ndarray:
        """Return the areas of pixels at these places, from -1 to 1 in each direction; rows first."""
        columns, rows = (
            start + 0.5 + (places + 1) / 2 * (size - 1) for start, size in ((box.x, box.width), (box.y, box.height))
        )
        down, across = np.meshgrid(rows, columns, indexing="ij")
        larger = max(1.0, _SQUARE / self._sides[0]), max(1.0, _SQUARE / self._sides[1])
        areas = self._rectangles(across.ravel(), down.ravel(), larger) / (larger[0] * larger[1])
        return areas.reshape(len(places), len(places))

    def _rectangles(self, columns: np.ndarray, rows: np.ndarray, size: tuple[float, float]) -> np.ndarray:
        """Return the areas of rectangles around these centres, of a size in pixels."""
        x = columns[:, None] + size[0] / 2 * np.array([-1, 1, 1, -1, -1])
        y = rows[:, None] + size[1] / 2 * np.array([-1, -1, 1, 1, -1])
        points = planar(np.stack((x.ravel(), y.ravel()), axis=1), self._transform)
        step = max(STEP, max(size[0] * self._sides[0], size[1] * self._sides[1]) / _PIECES)
        with collected_errors(), np.errstate(invalid="ignore"):  # off the Earth
            found = self._ellipsoid.measure(points, np.arange(0, len(points), 5), step)
        pairs = zip(found.areas.tolist(), found.turns.tolist())
        return np.array([self._ellipsoid.area(below, turn) for below, turn in pairs])

    def _size(self, box: Box) -> tuple[float, float]:
        return box.width * self._sides[0], box.height * self._sides[1]

    def _halves(self, box: Box) -> list[Box]:
        width, height = self._size(box)
        if box.height == 1 or (box.width > 1 and width >= height):
            half = box.width // 2
            return [Box(box.x, box.y, half, box.height), Box(box.x + half, box.y, box.width - half, box.height)]
        half = box.height // 2
        return [Box(box.x, box.y, box.width, half), Box(box.x, box.y + half, box.width, box.height - half)]


def _places(size: int) -> np.ndarray:
    """Return the centres of pixels, those of the first and the last as -1 and 1."""
    return np.linspace(-1, 1, size) if size > 1 else np.zeros(1) - 1


def _weights(places: np.ndarray) -> np.ndarray:
    """Return what the value at each node counts at these places by Lagrange's interpolation, shape (places, nodes)."""
    others = [np.delete(_NODES, at) for at in range(len(_NODES))]
    return np.stack(
        [np.prod((places[:, None] - rest) / (node - rest), axis=1) for node, rest in zip(_NODES, others)], axis=1
    )
