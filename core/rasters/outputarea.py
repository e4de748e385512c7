"""The part of the output that is asked for."""

from __future__ import annotations

import re

from osgeo import osr

from ..errors import ParameterError, field
from ..geometry.grid import Box, Grid, ceil, floor
from ..phrases import Phrase
from .placement import check_placed
from .rasterreference import Reference


def wanted_box(box: str, extent: str, grid: Grid, reference: Reference) -> Box:
    """Return the outputs to compute (north-up view): `box`, `extent` snapped outwards, or all if both are empty.

    Raises:
        ParameterError: it cannot be read, or lies outside the output.
    """
    if box:
        return _box(box, grid)
    if extent:
        check_placed(Phrase("The image"), reference, Phrase("{extent} cannot be located in it", extent=field("extent")))
        return _extent(extent, grid, reference)
    return grid.box


def _box(text: str, grid: Grid) -> Box:
    match = re.fullmatch(r"\s*(\d+)\s*:\s*(\d+)\s*:\s*(\d+)\s*:\s*(\d+)\s*", text)
    if match is None:
        raise ParameterError(
            "{out_box} is {text!r}, but must be startx:starty:sizex:sizey in whole output pixels.",
            out_box=field("out_box"),
            text=text,
        )
    box = Box(*(int(part) for part in match.groups()))
    if box.area == 0 or box.intersection(grid.box) != box:
        raise ParameterError(
            "{out_box} is {text}, which is not inside the output of {width} x {height} pixels: choose a box within it.",
            out_box=field("out_box"),
            text=text,
            width=grid.width,
            height=grid.height,
        )
    return grid.stored(box)


def _extent(text: str, grid: Grid, reference: Reference) -> Box:
    number = r"\s*([-+0-9.eE]+)\s*"
    match = re.fullmatch(rf"{number},{number},{number},{number}(?:\[([^\]]+)\])?\s*", text)
    if match is None:
        raise ParameterError(
            "{extent} is {text!r}, but must be xmin,xmax,ymin,ymax [EPSG:code].", extent=field("extent"), text=text
        )
    try:
        left, right, bottom, top = (float(part) for part in match.groups()[:4])
    except ValueError:
        raise ParameterError(
            "{extent} is {text!r}, but must be four numbers: xmin,xmax,ymin,ymax.", extent=field("extent"), text=text
        ) from None
    if match[5] and reference.wkt:
        left, right, bottom, top = _transformed((left, right, bottom, top), match[5], reference, text)
    if not (left < right and bottom < top):
        raise ParameterError(
            "{extent} is {text!r}, but xmin must be below xmax, and ymin below ymax.", extent=field("extent"), text=text
        )
    x0 = max(0, floor((left - grid.x.origin) / grid.x.spacing))
    y0 = max(0, floor((-top - grid.y.origin) / grid.y.spacing))
    x1 = min(grid.width, ceil((right - grid.x.origin) / grid.x.spacing))
    y1 = min(grid.height, ceil((-bottom - grid.y.origin) / grid.y.spacing))
    if x0 >= x1 or y0 >= y1:
        raise ParameterError(
            "{extent} is {text}, which is outside the grid ({grid}): choose a part of it.",
            extent=field("extent"),
            text=text,
            grid=grid.describe(),
        )
    return Box(x0, y0, x1 - x0, y1 - y0)


def _transformed(
    extent: tuple[float, float, float, float], authid: str, reference: Reference, text: str
) -> tuple[float, float, float, float]:
    source, target = osr.SpatialReference(), osr.SpatialReference()
    try:
        failed = source.SetFromUserInput(authid) != 0
    except RuntimeError:
        failed = True
    if failed:
        raise ParameterError(
            "{extent} is {text!r}, but PROJ does not know the coordinate system {authid!r}: use a code such as "
            "EPSG:32654.",
            extent=field("extent"),
            text=text,
            authid=authid,
        )
    target.ImportFromWkt(reference.wkt)
    if source.IsSame(target):
        return extent
    for system in (source, target):
        system.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    left, right, bottom, top = extent
    bounds = osr.CoordinateTransformation(source, target).TransformBounds(left, bottom, right, top, 21)
    return bounds[0], bounds[2], bounds[1], bounds[3]
