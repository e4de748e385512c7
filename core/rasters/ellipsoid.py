"""Areas and lengths on the ellipsoid of a coordinate system.

The area between a line and the equator follows from the authalic latitude: on the cylinder of equal area, whose x is the
longitude and whose y is half of Snyder's q, it is the area below the line. So areas add up arc by arc, and the two
polygons beside an arc have exactly the same border. J. P. Snyder, "Map Projections: A Working Manual", U.S. Geological
Survey Professional Paper 1395, 1987, equations 3-12 (q), 4-20 (radius of the meridian) and 4-21 (of the parallel's
normal). The length of a short piece is that on the tangent plane in its middle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from osgeo import osr

STEP = 250.0
"""Metres after which a straight line of the map gets a point more, since it is a curve on the ellipsoid."""


@dataclass(frozen=True)
class Measured:
    """Lines on the ellipsoid, one value for each.

    Attributes:
        areas: between the line and the equator, in m2; positive where it runs eastwards north of it.
        turns: difference of longitude from start to end, in radians.
        lengths: in m.
    """

    areas: np.ndarray
    turns: np.ndarray
    lengths: np.ndarray


class Ellipsoid:
    """The ellipsoid of a coordinate system, on which lines of its coordinates are measured."""

    def __init__(self, wkt: str) -> None:
        """Read the coordinate system; see `knows`.

        Args:
            wkt: of a geographic or projected one.
        """
        system = osr.SpatialReference()
        system.ImportFromWkt(wkt)
        system.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
        self._geographic = bool(system.IsGeographic())
        degrees = system.CloneGeogCS()
        degrees.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
        self._radians = degrees.GetAngularUnits()
        self._to_degrees = None if self._geographic else osr.CoordinateTransformation(system, degrees)
        self._axis = float(system.GetSemiMajor())
        flattening = 1 / system.GetInvFlattening() if system.GetInvFlattening() else 0.0
        self._squared = flattening * (2 - flattening)
        self.metres = self._axis * self._radians if self._geographic else float(system.GetLinearUnits())
        """Metres of a unit of the coordinates; for degrees, on the equator."""
        self.polar_half = math.pi * self._axis**2 * float(self._q(np.array(math.pi / 2)))
        """The area from the equator to a pole, in m2."""

    @staticmethod
    def knows(wkt: str) -> bool:
        """Return whether a coordinate system tells the ellipsoid: whether it is geographic or projected."""
        system = osr.SpatialReference()
        if not wkt or system.ImportFromWkt(wkt) != 0:
            return False
        return bool(system.IsGeographic() or system.IsProjected())

    def measure(self, points: np.ndarray, starts: np.ndarray, step: float = STEP) -> Measured:
        """Measure lines.

        Args:
            points: x and y of the vertices of all lines, float64 of shape (n, 2).
            starts: where each line begins in them; each has two vertices or more.
            step: metres of the map after which a straight line gets a point more.
        """
        points, starts = self._densified(points, starts, step / self.metres)
        longitude, latitude = self._angles(points)
        across = np.diff(longitude, append=0.0)
        if self._to_degrees is not None:  # else a line runs as its longitudes tell
            far = np.abs(across) > math.pi  # only these: the rounding of the others would not cancel out
            across[far] -= np.copysign(2 * math.pi, across[far])
        along, middle = np.diff(latitude, append=0.0), (latitude + np.append(latitude[1:], 0.0)) / 2
        heights = self._q(latitude)
        below = across * (heights + np.append(heights[1:], 0.0)) * (self._axis**2 / 4)
        bend = 1 - self._squared * np.sin(middle) ** 2
        meridian, normal = self._axis * (1 - self._squared) / bend**1.5, self._axis / np.sqrt(bend)
        length = np.hypot(meridian * along, normal * np.cos(middle) * across)
        lasts = np.append(starts[1:], len(points)) - 1
        for values in (below, across, length):
            values[lasts] = 0.0  # to the next line
        return Measured(*(np.add.reduceat(values, starts) for values in (below, across, length)))

    def area(self, areas: float, turns: float) -> float:
        """Return the area of a polygon from the sums of those of its lines, each signed by its direction."""
        around_pole = abs(turns) > math.pi
        return abs(self.polar_half - abs(areas)) if around_pole else abs(areas)

    def _densified(self, points: np.ndarray, starts: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
        steps = np.diff(points, axis=0, append=points[-1:])
        pieces = np.maximum(1, np.ceil(np.hypot(steps[:, 0], steps[:, 1]) / step)).astype("int64")
        if self._geographic:  # along parallels and meridians, lines are straight there, too
            pieces[(steps == 0).any(axis=1)] = 1
        pieces[np.append(starts[1:], len(points)) - 1] = 1
        if pieces.max() == 1:
            return points, starts
        firsts = np.cumsum(pieces) - pieces
        share = (np.arange(int(pieces.sum())) - np.repeat(firsts, pieces)) / np.repeat(pieces, pieces)
        return np.repeat(points, pieces, axis=0) + share[:, None] * np.repeat(steps, pieces, axis=0), firsts[starts]

    def _angles(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self._to_degrees is not None:
            points = np.array(self._to_degrees.TransformPoints(points))
        # Grids with the centres of pixels on the poles end beyond them, where there is nothing.
        latitude = np.clip(points[:, 1] * self._radians, -math.pi / 2, math.pi / 2)
        return points[:, 0] * self._radians, latitude

    def _q(self, latitude: np.ndarray) -> np.ndarray:
        """Return Snyder's q, which has the sign of the latitude."""
        sine, squared = np.sin(latitude), self._squared
        if squared == 0:
            return np.asarray(2 * sine)
        e = math.sqrt(squared)
        flat = sine / (1 - squared * sine**2) + np.arctanh(e * sine) / e
        return np.asarray((1 - squared) * flat)


def planar(points: np.ndarray, transform: Any) -> np.ndarray:
    """Return map coordinates of columns and rows, float64 of shape (n, 2), by GDAL's six numbers."""
    x0, dx, rx, y0, ry, dy = transform
    column, row = points[:, 0], points[:, 1]
    return np.stack((x0 + column * dx + row * rx, y0 + column * ry + row * dy), axis=1)
