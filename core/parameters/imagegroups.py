"""Groups of keys of the image tools: the images, and the raster that is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import vocabulary as voc

_DEFAULT_RAM = 256  # MB, as OTB's


@dataclass(frozen=True)
class Images:
    """The parameters that name the images, and what of them has no data."""

    il: tuple[Any, ...] = voc.rasters(
        "il", "Images", "Rasters of the same size: im1, im2, ... in the expression, in this order.", required=True
    )
    nodata: float | None = voc.number(
        "nodata",
        "No-data value",
        "A pixel of an image is no-data where all its bands have this value (nan is possible). Not given: the image's "
        "own, where NODATA_FROM_LAYER is on.",
        advanced=True,
    )
    nodata_from_layer: bool = voc.boolean(
        "nodata_from_layer",
        "No-data values from the layers",
        "Where the no-data value is not given, use each image's own. Off: every pixel is computed, as in OTB.",
        default=True,
        advanced=True,
    )
    alpha: str = voc.alpha()


@dataclass(frozen=True)
class ToolOutput:
    """The parameters that name the output."""

    out: str = voc.raster_out("out", "Output", "The raster to write, in any format that GDAL can create.")
    out_pixeltype: str = voc.pixel_type("out.pixeltype", "Output")
    out_co: str = voc.text(
        "out.co",
        "Output: creation options",
        "GDAL's creation options, as TILED=YES|COMPRESS=DEFLATE.",
        advanced=True,
    )
    out_format: str = voc.text(
        "out.format",
        "Output: format",
        "Short name of a GDAL driver, such as COG. Empty: by the output's extension.",
        advanced=True,
    )
    ram: int | None = voc.integer(
        "ram", "RAM (MB)", f"Memory for the pixels, in MB. Not given: {_DEFAULT_RAM}.", minimum=16, advanced=True
    )

    @property
    def memory(self) -> int:
        """Memory for pixels, in bytes."""
        return (self.ram or _DEFAULT_RAM) << 20


@dataclass(frozen=True)
class ArithmeticOutput(ToolOutput):
    """The parameters that name the output."""

    out_pixeltype: str = voc.pixel_type("out.pixeltype", "Output", "float")
    out_box: str = voc.text(
        "out.box",
        "Output: box",
        "Part of the output to compute, startx:starty:sizex:sizey in pixels (OTB's extended filename).",
        advanced=True,
    )
    out_nodata: float | None = voc.number(
        "out.nodata",
        "Output: no-data value",
        "Value of pixels that are no-data in an image. Not given: nan, or 0 in an output of whole numbers.",
        advanced=True,
    )
