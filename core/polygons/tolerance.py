"""The tolerance of a simplification, in the units of a map's coordinate system."""

from __future__ import annotations

import math

from osgeo import osr

from .. import errors
from ..base.progress import Progress
from ..errors import ParameterError
from ..phrases import Phrase
from ..rasters.rasterreference import Reference
from .mapreading import Placed

_SMALLEST = 0.447
"""Of a tolerance in pixels: 1 / sqrt(5), the distance of the vertices of a step of 1 x 1 pixels in a line of 2 x 1."""


def checked_tolerance(tolerance: float, placed: Placed, progress: Progress) -> float:
    """Return the largest distance in map units, and warn where it changes nothing.

    Raises:
        ParameterError: it is as large as the map.
    """
    grid, transform = placed.stack.grid, placed.transform
    sides = [math.hypot(transform[1], transform[4]), math.hypot(transform[2], transform[5])]
    known = {
        "simplify": errors.field("simplify"),
        "tolerance": tolerance,
        "name": placed.stack.names[0],
        "unit": _unit(placed.reference),
    }
    if tolerance >= min(sides[0] * grid.width, sides[1] * grid.height) / 2:
        raise ParameterError(
            "{simplify} is {tolerance:g}, but in its unit ({unit}) {name} is only {width:g} wide and {height:g} high: "
            "give one to two pixels, of {column:g} x {row:g}.",
            **known,
            width=sides[0] * grid.width,
            height=sides[1] * grid.height,
            column=sides[0],
            row=sides[1],
        )
    if tolerance < _SMALLEST * min(sides):
        progress.warning(
            Phrase(
                "{simplify} is {tolerance:g} ({unit}), which is too little to change a border: pixels of {name} measure "
                "{column:g} x {row:g}. Give one to two of them.",
                **known,
                column=sides[0],
                row=sides[1],
            )
        )
    return tolerance


def check_right_angles(tolerance: float, placed: Placed) -> None:
    """Raise ParameterError where outlines cannot get right angles: without a tolerance, or in degrees."""
    if not tolerance:
        raise ParameterError(
            "{rightangles} is given without {simplify}, which tells how far outlines may move: give that too.",
            rightangles=errors.field("rightangles"),
            simplify=errors.field("simplify"),
        )
    if placed.reference.angles:
        raise ParameterError(
            "{rightangles} is given, but {name} is in degrees, where a right angle is none on the ground: warp it to a "
            "projected coordinate system (Raster > Projections > Warp).",
            rightangles=errors.field("rightangles"),
            name=placed.stack.names[0],
        )


def _unit(reference: Reference) -> str:
    """Return the unit of coordinates, in the plural."""
    if reference.angles:
        return Phrase("degrees")
    system = osr.SpatialReference()
    if not reference.wkt or system.ImportFromWkt(reference.wkt) != 0:
        return Phrase("map units")
    return Phrase("metres") if system.GetLinearUnits() == 1 else system.GetLinearUnitsName()
