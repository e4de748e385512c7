"""Image properties that OTB's ReadImageInfo reports."""

from __future__ import annotations

from typing import Any

from ..parameters.extendedfilenames import split
from ..rasters.rasterstack import Stack

_TYPES = {
    "uint8": "unsigned_char",
    "int16": "short",
    "uint16": "unsigned_short",
    "int32": "int",
    "uint32": "unsigned_int",
    "float32": "float",
    "float64": "double",
}
"""OTB's words for pixel types."""


def information(source: str) -> dict[str, Any]:
    """Return size, bands, pixel type and place of an image under OTB's keys.

    The origin is the centre of the upper left pixel, and the spacing of rows negative where the image is north up.

    Raises:
        RasterError: it cannot be opened.
    """
    image = Stack([split(source, lenient=True)[0]])
    left, across, _, top, _, down = image.datasets[0].GetGeoTransform()
    return {
        "indexx": 0,
        "indexy": 0,
        "sizex": image.grid.width,
        "sizey": image.grid.height,
        "spacingx": across,
        "spacingy": down,
        "originx": left + across / 2,
        "originy": top + down / 2,
        "numberbands": image.bands,
        "datatype": _TYPES.get(image.dtype.name, image.dtype.name),
        "projectionref": image.reference.wkt,
    }
