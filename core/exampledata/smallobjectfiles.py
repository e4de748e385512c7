"""Trees and houses as files: an image, and the boxes of all objects in it."""

from __future__ import annotations

import struct

import numpy as np
from osgeo import gdal

from ..base.languages import tr
from ..base.progress import Progress
from ..files.staging import Staging
from ..geometry.grid import Axis, Box, Grid
from ..phrases import Phrase
from ..rasters.rasteroutput import OutputRaster
from ..rasters.rasterreference import Reference
from ..vectors.vectorlayer import INTEGER, TEXT, Field
from ..vectors.vectoroutput import POLYGONS, OutputVector
from .smallobjects import BANDS, SIDE, SPACING, Small, SmallObjects

NAMES = {Small.TREE: Phrase("Tree"), Small.HOUSE: Phrase("House")}
"""The name of each class."""

_OPTIONS = ("PHOTOMETRIC=RGB", "ALPHA=NO")
"""Else GDAL takes the last of four bands of bytes for a mask."""


def write_image(
    objects: SmallObjects, staging: Staging, reference: Reference, west: float, north: float
) -> OutputRaster:
    """Write the image, still to be committed, with its upper left corner at a place."""
    grid = Grid(Axis(west, SPACING, SIDE), Axis(-north, SPACING, SIDE))
    driver = gdal.GetDriverByName("GTiff")
    raster = OutputRaster(staging, grid, len(BANDS), np.dtype("uint8"), reference, driver, options=_OPTIONS)
    for number, name in enumerate(BANDS, 1):
        raster.dataset.GetRasterBand(number).SetDescription(name)
    raster.write(Box(0, 0, SIDE, SIDE), objects.pixels)
    return raster


def write_boxes(
    objects: SmallObjects, staging: Staging, reference: Reference, west: float, north: float, progress: Progress
) -> None:
    """Write the boxes of the objects as polygons with the fields `class` and `name`."""
    texts = {class_: tr(name) for class_, name in NAMES.items()}
    names = np.array([texts[Small(value)] for value in objects.classes.tolist()], object)
    columns: list[np.ma.MaskedArray] = [np.ma.MaskedArray(objects.classes), np.ma.MaskedArray(names)]
    with OutputVector(staging, (Field("class", INTEGER), Field("name", TEXT)), reference, progress, POLYGONS) as out:
        out.write_shapes(columns, [_outline(edges, west, north) for edges in objects.edges.tolist()])
        out.close()


def _outline(edges: list[int], west: float, north: float) -> bytes:
    """Return a box as a polygon in WKB, little-endian."""
    x1, y1, x2, y2 = edges
    corners = np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2), (x1, y1)], "<f8") * (SPACING, -SPACING) + (west, north)
    return struct.pack("<BIII", 1, 3, 1, 5) + corners.astype("<f8").tobytes()
