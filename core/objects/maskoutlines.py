"""Outlines of masks: the edges of their pixels, as those of the polygons of a map.

Pixels are connected by their edges. An object in several pieces is a multipolygon of all of them, so that neither its area
nor its place depends on which of them is the largest.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..polygons.arcs import Arc
from ..polygons.components import NO_CLASS
from ..polygons.polygonizing import Strip, polygons_of
from ..polygons.polygonshapes import Measuring, Shape
from ..polygons.wkb import multipolygon_wkb
from ..rasters.ellipsoid import Ellipsoid
from .maskfiles import Mask

_SHEET = 1 << 18
"""Pixels of the masks that are drawn at once, side by side: with one at a time, most of the time is that of calls."""


@dataclass(frozen=True)
class Outline:
    """The outline of a mask.

    Attributes:
        wkb: a multipolygon.
        area: in m2; NaN where it is unknown.
        pixels: number of the mask's pixels.
    """

    wkb: bytes
    area: float
    pixels: int


class MaskOutlines:
    """Draws masks on the ground."""

    def __init__(self, ellipsoid: Ellipsoid | None, transform: Any) -> None:
        """Take the ellipsoid, if it is known, and GDAL's six numbers, which place columns and rows."""
        self._measuring, self._transform = Measuring(ellipsoid, transform), transform

    def of(self, masks: Iterable[Mask]) -> list[Outline]:
        """Return the outlines of masks, none of which is empty; a few masks are taken at a time."""
        return [outline for part in _sheets(masks) for outline in self._drawn(part)]

    def _drawn(self, masks: Sequence[Mask]) -> Iterator[Outline]:
        """Yield the outlines of masks that are drawn side by side, with a column between them."""
        widths = [mask.pixels.shape[1] + 1 for mask in masks]
        starts = np.cumsum([0, *widths]).tolist()
        codes = np.full((max(mask.pixels.shape[0] for mask in masks), starts[-1]), NO_CLASS, "int32")
        for number, (mask, start) in enumerate(zip(masks, starts)):
            height, width = mask.pixels.shape
            codes[:height, start : start + width][mask.pixels] = number

        def place(arcs: Sequence[Arc]) -> None:
            for arc in arcs:
                number = bisect_right(starts, int(arc.points[:, 0].min())) - 1
                arc.points = arc.points + np.array([masks[number].x - starts[number], masks[number].y])
            self._measuring.measure(arcs)

        shapes: list[list[Shape]] = [[] for _ in masks]
        for polygons in polygons_of([Strip(codes)], codes.shape[1], place):
            for polygon in polygons:
                shapes[polygon.code].append(self._measuring.shape(polygon))
        for pieces in shapes:
            pieces.sort(key=_order)
            wkb = multipolygon_wkb([piece.rings for piece in pieces], self._transform)
            yield Outline(wkb, sum(piece.area for piece in pieces), sum(piece.pixels for piece in pieces))


def _order(shape: Shape) -> tuple[int, int, int]:
    """Return what sorts the pieces of an object: the largest first, then the upper one, then the left one."""
    points = np.concatenate([line.points for line, _ in shape.rings[0]])
    x, y = min(points.tolist(), key=lambda point: (point[1], point[0]))
    return -shape.pixels, y, x


def _sheets(masks: Iterable[Mask]) -> Iterator[list[Mask]]:
    """Yield masks in parts that make sheets of few pixels; at least one in each."""
    part: list[Mask] = []
    height = width = 0
    for mask in masks:
        height, width = max(height, mask.pixels.shape[0]), width + mask.pixels.shape[1] + 1
        if part and height * width > _SHEET:
            yield part
            part, height, width = [], mask.pixels.shape[0], mask.pixels.shape[1] + 1
        part.append(mask)
    if part:
        yield part
