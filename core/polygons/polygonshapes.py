"""Polygons as they are drawn: their rings, and what these measure on the ellipsoid."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from ..files.gdalcalls import collected_errors
from ..rasters.ellipsoid import Ellipsoid, planar
from .arcs import Curve
from .polygonizing import Polygon
from .rings import Ring, rings_of


@dataclass(frozen=True)
class Shape:
    """A polygon as it is drawn.

    Attributes:
        code: of its class.
        pixels: number of its pixels.
        sums: of the values that came with them, and the number of pixels that had one.
        area_of_pixels: area of its pixels in m2; NaN where it is unknown.
        rings: the outer one first.
        area: in m2, of what the rings enclose.
        perimeter: length of all rings in m.
    """

    code: int
    pixels: int
    sums: tuple[float, float]
    area_of_pixels: float
    rings: Sequence[Ring]
    area: float
    perimeter: float


class Measuring:
    """Measures arcs and polygons."""

    def __init__(self, ellipsoid: Ellipsoid | None, transform: Any) -> None:
        """Take the ellipsoid, if it is known, and GDAL's six numbers, which place columns and rows."""
        self._ellipsoid, self._transform = ellipsoid, transform

    def measure(self, arcs: Sequence[Curve]) -> None:
        """Set the measures of lines."""
        if self._ellipsoid is None or not arcs:
            return
        starts = np.cumsum([0, *(len(arc.points) for arc in arcs)])[:-1]
        points = planar(np.concatenate([arc.points for arc in arcs]).astype("float64"), self._transform)
        with collected_errors(), np.errstate(invalid="ignore"):  # off the Earth
            found = self._ellipsoid.measure(points, starts)
        for arc, *measures in zip(arcs, found.areas.tolist(), found.turns.tolist(), found.lengths.tolist()):
            arc.measures = (measures[0], measures[1], measures[2])

    def area_and_perimeter(self, sides: Iterable[tuple[Curve, bool]]) -> tuple[float, float]:
        """Return area in m2 and length of borders in m of the polygon with these measured sides; NaN where unknown."""
        if self._ellipsoid is None:
            return math.nan, math.nan
        signed = [(1 if forward else -1, arc.measures) for arc, forward in sides]
        area = self._ellipsoid.area(
            math.fsum(sign * measures[0] for sign, measures in signed),
            math.fsum(sign * measures[1] for sign, measures in signed),
        )
        return area, math.fsum(measures[2] for _, measures in signed)

    def shape(self, polygon: Polygon) -> Shape:
        """Return a polygon with the outline of its pixels."""
        area, perimeter = self.area_and_perimeter(polygon.sides)
        return Shape(polygon.code, polygon.pixels, polygon.sums, area, rings_of(polygon.sides), area, perimeter)

    def drawn(
        self, code: int, pixels: int, sums: tuple[float, float], area_of_pixels: float, rings: Sequence[Ring]
    ) -> Shape:
        """Return a polygon with other rings, of measured lines; see `Shape`."""
        area, perimeter = self.area_and_perimeter(chain.from_iterable(rings))
        return Shape(code, pixels, sums, area_of_pixels, rings, area, perimeter)
