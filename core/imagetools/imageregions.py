"""ExtractROI: the region of an image, from pixels, map coordinates or another layer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..geometry.grid import Box, Grid, floor
from ..phrases import Phrase
from ..rasters.conversion import Converter
from ..rasters.missingpixels import common_tag
from ..rasters.pixeltypes import written_type
from ..rasters.rasterreference import Reference, check_references
from ..rasters.rasterstack import Stack
from ..vectors.transformation import Transformation
from ..vectors.vectorlayer import VectorLayer
from .tooloutput import check_output, converted, output_raster, results, warn, warn_of_marks, write_by_tiles

if TYPE_CHECKING:
    from ..operations.extractroi import ExtractROI

_GEOGRAPHIC = "EPSG:4326"


def extract_region(parameters: ExtractROI, progress: Progress) -> dict[str, Any]:
    """Write the part of the image; return `out`, `width`, `height` and `bands`.

    Raises:
        ParameterError, RasterError, VectorError: bad input, before work starts.
        Cancelled: `progress` asked to stop; nothing is left behind.
    """
    image = Stack([parameters.image])
    bands = channels(parameters.cl, image.bands, image.names[0])
    box = _region(parameters, image)
    check_output(parameters)
    warn_of_marks(image, progress)
    dtype = written_type(image.dtype.name, parameters.out_pixeltype)
    converter = Converter(dtype, 0.0)
    whole = bands == list(range(image.bands))

    def pixels(part: Box) -> np.ndarray:
        read = image.read(part)
        return converted(read if whole else np.ascontiguousarray(read[..., bands]), converter)

    grid, nodata = image.grid.part(box), common_tag([image.held[band] for band in bands])
    with output_raster(parameters, grid, len(bands), dtype, image.reference, progress, nodata) as raster:
        each = float(2 * image.bands * image.dtype.itemsize + 16 * len(bands))
        write_by_tiles(raster, box, each, parameters.memory, pixels, progress)
        raster.commit(progress)
    warn(converter, 0.0, progress)
    return results(parameters.out, box, len(bands))


def channels(text: str, count: int, name: str) -> list[int]:
    """Return the bands, from 0 on, that OTB's words name: `Channel1 Channel3`, or numbers; empty for all.

    Raises:
        ParameterError: there is no such band.
    """
    chosen = []
    for word in text.split():
        match = re.fullmatch(r"(?:[Cc]hannel)?(\d+)", word)
        if match is None or not 1 <= int(match[1]) <= count:
            raise ParameterError(
                "{cl} is {word!r}, but {name} has the bands Channel1 to Channel{count}.",
                cl=field("cl"),
                word=word,
                name=name,
                count=count,
            )
        chosen.append(int(match[1]) - 1)
    return chosen or list(range(count))


def _region(parameters: ExtractROI, image: Stack) -> Box:
    grid = image.grid
    if parameters.mode == "standard":
        wanted = _standard(parameters, grid)
    elif parameters.mode == "extent":
        wanted = _extent(parameters, image)
    elif parameters.mode == "radius":
        wanted = _circle(parameters, image)
    else:
        wanted = _fitting(parameters, image)
    found = wanted.intersection(grid.box)
    if not found.area:
        raise ParameterError(
            "The region (columns {x} to {right}, rows {y} to {bottom}) lies outside the image {name} of {width} x "
            "{height} pixels: choose a part of it.",
            x=wanted.x,
            right=wanted.right - 1,
            y=wanted.y,
            bottom=wanted.bottom - 1,
            name=image.names[0],
            width=grid.width,
            height=grid.height,
        )
    return found


def _standard(parameters: ExtractROI, grid: Grid) -> Box:
    width = parameters.sizex or grid.width - parameters.startx
    height = parameters.sizey or grid.height - parameters.starty
    if width <= 0 or height <= 0:
        raise ParameterError(
            "{startx} and {starty} are {parameters_startx} and {parameters_starty}, but the image has {width} x "
            "{height} pixels: choose a pixel inside it.",
            startx=field("startx"),
            starty=field("starty"),
            parameters_startx=parameters.startx,
            parameters_starty=parameters.starty,
            width=grid.width,
            height=grid.height,
        )
    return grid.stored(Box(parameters.startx, parameters.starty, width, height))


def _extent(parameters: ExtractROI, image: Stack) -> Box:
    corners = (
        (parameters.mode_extent_ulx, parameters.mode_extent_uly),
        (parameters.mode_extent_lrx, parameters.mode_extent_lry),
    )
    upper, lower = (_pixel(x, y, parameters.mode_extent_unit, image) for x, y in corners)
    return _between(
        upper,
        lower,
        Phrase(
            "{mode_extent_ulx} and {mode_extent_lrx}",
            mode_extent_ulx=field("mode_extent_ulx"),
            mode_extent_lrx=field("mode_extent_lrx"),
        ),
    )


def _circle(parameters: ExtractROI, image: Stack) -> Box:
    column, row = _pixel(parameters.mode_radius_cx, parameters.mode_radius_cy, parameters.mode_radius_unitc, image)
    grid, radius = image.grid, parameters.mode_radius_r
    if parameters.mode_radius_unitr == "pxl":
        size = round(radius)
        return Box(column - size, row - size, 2 * size + 1, 2 * size + 1)
    x, y = grid.x.centre(column), grid.y.centre(row)
    if parameters.mode_radius_unitc == "phy":
        x, y = parameters.mode_radius_cx, -parameters.mode_radius_cy
    upper = grid.x.index(x - radius), grid.y.index(y - radius)
    lower = grid.x.index(x + radius), grid.y.index(y + radius)
    return _between(upper, lower, field("mode_radius_r"))


def _fitting(parameters: ExtractROI, image: Stack) -> Box:
    grid = image.grid
    if parameters.mode_fit_vect is None:
        other = Stack([parameters.mode_fit_im])
        check_references([(other.names[0], other.reference), (image.names[0], image.reference)])
        x, y = other.grid.x, other.grid.y
        upper = grid.x.index(x.centre(0)), grid.y.index(y.centre(0))
        lower = grid.x.index(x.centre(x.size - 1)), grid.y.index(y.centre(y.size - 1))
        return _between(upper, lower, field("mode_fit_im"))
    layer = VectorLayer(parameters.mode_fit_vect)
    left, right, bottom, top = layer.extent()
    along = np.linspace(0, 1, 21)
    xs = np.concatenate([left + (right - left) * along] * 2 + [np.full(21, left), np.full(21, right)])
    ys = np.concatenate([np.full(21, bottom), np.full(21, top)] + [bottom + (top - bottom) * along] * 2)
    xs, ys = Transformation(layer.reference, image.reference).points(xs, ys)
    if not (np.isfinite(xs).all() and np.isfinite(ys).all()):
        raise ParameterError(
            "{mode_fit_vect}: the extent of {layer} ({layer2}) cannot be transformed to the coordinate system of "
            "the image.",
            mode_fit_vect=field("mode_fit_vect"),
            layer=layer.path,
            layer2=layer.describe(),
        )
    upper = grid.x.index(float(xs.min())), grid.y.index(-float(ys.max()))
    lower = grid.x.index(float(xs.max())), grid.y.index(-float(ys.min()))
    return _between(upper, lower, field("mode_fit_vect"))


def _pixel(x: float, y: float, unit: str, image: Stack) -> tuple[int, int]:
    """Return column and row (north-up view) of the pixel at a place."""
    grid = image.grid
    if unit == "pxl":
        column, row = floor(x + 0.5), floor(y + 0.5)
        return column, (grid.height - 1 - row if grid.south_up else row)
    if unit == "lonlat":
        xs, ys = Transformation(_geographic(), image.reference).points(np.array([x]), np.array([y]))
        x, y = float(xs[0]), float(ys[0])
    return grid.x.index(x), grid.y.index(-y)


def _geographic() -> Reference:
    from osgeo import osr

    system = osr.SpatialReference()
    system.SetFromUserInput(_GEOGRAPHIC)
    return Reference(system.ExportToWkt(), True)


def _between(upper: tuple[int, int], lower: tuple[int, int], name: str) -> Box:
    """Return the pixels from one corner to the other, both included."""
    rows = sorted((upper[1], lower[1]))
    if lower[0] < upper[0]:
        raise ParameterError(
            "{name}: the right coordinate is smaller than the left one: exchange the coordinates.", name=name
        )
    return Box(upper[0], rows[0], lower[0] - upper[0] + 1, rows[1] - rows[0] + 1)
