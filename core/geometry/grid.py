"""The position of a raster's pixels on the ground, without any I/O.

Both axes are seen alike: an `Axis` starts at its outer edge and its coordinate grows with the pixel
index. The x axis is the map's x; the y axis is the map's y with the sign changed, so that it grows
downwards. A raster whose rows go from south to north is described by the grid of its north-up view;
`Grid.south_up` says that rows must be turned over when read or written.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import RasterError
from ..phrases import Phrase

GeoTransform = tuple[float, float, float, float, float, float]

TOLERANCE = 1e-6
"""Tolerance, in pixels, up to which coordinates are considered equal."""


def floor(value: float) -> int:
    """Return floor(value), where a value within TOLERANCE below a whole number counts as that number."""
    return math.floor(value + TOLERANCE)


def ceil(value: float) -> int:
    """Return ceil(value), where a value within TOLERANCE above a whole number counts as that number."""
    return math.ceil(value - TOLERANCE)


@dataclass(frozen=True)
class Axis:
    """One axis of a raster: the outer edge of its first pixel, the width of a pixel (> 0), their number."""

    origin: float
    spacing: float
    size: int

    @property
    def end(self) -> float:
        """The outer edge of the last pixel."""
        return self.origin + self.size * self.spacing

    def index(self, coordinate: float) -> int:
        """Return the pixel that holds `coordinate`; an edge belongs to the pixel that starts there."""
        return floor((coordinate - self.origin) / self.spacing)

    def centre(self, index: int) -> float:
        """Return the coordinate of the centre of pixel `index`."""
        return self.origin + (index + 0.5) * self.spacing

    def part(self, start: int, size: int) -> Axis:
        """Return the axis of `size` pixels from pixel `start`."""
        return Axis(self.origin + start * self.spacing, self.spacing, size)


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels: first column and row, width and height."""

    x: int
    y: int
    width: int
    height: int

    @property
    def area(self) -> int:
        """The number of pixels."""
        return self.width * self.height

    @property
    def right(self) -> int:
        """The first column after the box."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """The first row below the box."""
        return self.y + self.height

    def intersection(self, other: Box) -> Box:
        """Return what both hold; its width or height is 0 where they share nothing."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        return Box(x, y, max(0, min(self.right, other.right) - x), max(0, min(self.bottom, other.bottom) - y))

    def hull(self, other: Box) -> Box:
        """Return the smallest box that holds both."""
        x, y = min(self.x, other.x), min(self.y, other.y)
        return Box(x, y, max(self.right, other.right) - x, max(self.bottom, other.bottom) - y)


@dataclass(frozen=True)
class Grid:
    """The grid of a raster's north-up view."""

    x: Axis
    y: Axis
    south_up: bool = False

    @classmethod
    def from_geotransform(cls, transform: GeoTransform, width: int, height: int) -> Grid:
        """Return the grid of a raster of `width` x `height` pixels with GDAL's geotransform.

        A raster without georeference (GDAL gives 0, 1, 0, 0, 0, 1) lies in its own pixel
        coordinates, y growing downwards.

        Raises:
            RasterError: the raster is rotated or mirrored.
        """
        x0, dx, rotation_x, y0, rotation_y, dy = transform
        if transform == (0.0, 1.0, 0.0, 0.0, 0.0, 1.0):
            return cls(Axis(0.0, 1.0, width), Axis(0.0, 1.0, height))
        if abs(rotation_x) * height > TOLERANCE * abs(dx) or abs(rotation_y) * width > TOLERANCE * abs(dy):
            raise RasterError(
                "the raster is rotated (geotransform {transform}): warp it to a north-up grid first (Raster > "
                "Projections > Warp)",
                transform=", ".join(f"{number:.10g}" for number in transform),
            )
        if dx <= 0 or dy == 0:
            raise RasterError(
                "the geotransform {transform} has a pixel width of {dx} and height of {dy}: warp it first",
                transform=transform,
                dx=dx,
                dy=dy,
            )
        if dy < 0:
            return cls(Axis(x0, dx, width), Axis(-y0, -dy, height))
        return cls(Axis(x0, dx, width), Axis(-(y0 + height * dy), dy, height), south_up=True)

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.x.size

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.y.size

    @property
    def box(self) -> Box:
        """All pixels."""
        return Box(0, 0, self.width, self.height)

    @property
    def north_up(self) -> GeoTransform:
        """GDAL's geotransform of the north-up view; QGIS shows a raster without georeference likewise, at rows below 0."""
        return (self.x.origin, self.x.spacing, 0.0, -self.y.origin, 0.0, -self.y.spacing)

    def geotransform(self, georeferenced: bool = True) -> GeoTransform:
        """Return GDAL's geotransform of the raster itself, with the rows in the order they are stored in."""
        if not georeferenced:
            return (self.x.origin, self.x.spacing, 0.0, self.y.origin, 0.0, self.y.spacing)
        if self.south_up:
            return (self.x.origin, self.x.spacing, 0.0, -self.y.end, 0.0, self.y.spacing)
        return self.north_up

    def part(self, box: Box) -> Grid:
        """Return the grid of the pixels in `box` (counted in the north-up view)."""
        return Grid(self.x.part(box.x, box.width), self.y.part(box.y, box.height), self.south_up)

    def stored(self, box: Box) -> Box:
        """Return where `box` of the north-up view lies in the raster as it is stored."""
        if not self.south_up:
            return box
        return Box(box.x, self.height - box.bottom, box.width, box.height)

    def same_as(self, other: Grid) -> bool:
        """Return whether both have the same pixels, apart from rounding."""
        return all(
            a.size == b.size and abs(a.origin - b.origin) <= 1e-2 * a.spacing and abs(a.end - b.end) <= 1e-2 * a.spacing
            for a, b in ((self.x, other.x), (self.y, other.y))
        )

    def describe(self) -> str:
        """Return the extent in words for a message."""
        return Phrase(
            "x {origin:.10g} to {end:.10g}, y {end2:.10g} to {origin2:.10g}, pixels of {spacing:.10g} x "
            "{y_spacing:.10g}",
            origin=self.x.origin,
            end=self.x.end,
            end2=-self.y.end,
            origin2=-self.y.origin,
            spacing=self.x.spacing,
            y_spacing=self.y.spacing,
        )
