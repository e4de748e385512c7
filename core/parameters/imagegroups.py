"""Groups of keys of the image tools: the images, and the raster that is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import sections
from . import sharedkeys as shared
from . import vocabulary as voc
from .operation import Group
from .sharedgroups import PixelMemory, RasterFormat, RasterOutput


@dataclass(frozen=True)
class Images(Group):
    """The images, and their no-data pixels."""

    il: tuple[Any, ...] = voc.rasters(
        "il",
        "Images",
        "Rasters of the same size; in the expression they are im1, im2, ... in this order.",
        required=True,
    )
    nodata: float | None = shared.nodata(
        "Pixels in which all bands of an image have this value are no-data (nan is possible).", advanced=True
    )
    nodata_from_layer: bool = shared.nodata_from_layer()
    alpha: str = shared.alpha()


@dataclass(frozen=True)
class FloatOutput(PixelMemory, RasterFormat):
    """The parameters that name an output of real numbers."""

    out: str = shared.raster_output()

    @property
    def memory(self) -> int:
        """Memory for pixels, in bytes."""
        return self.ram << 20


@dataclass(frozen=True)
class ToolOutput(PixelMemory, RasterFormat, RasterOutput):
    """The parameters that name the output."""

    @property
    def memory(self) -> int:
        """Memory for pixels, in bytes."""
        return self.ram << 20


@dataclass(frozen=True)
class ArithmeticOutput(ToolOutput):
    """The parameters that name the output."""

    out_pixeltype: str = shared.pixel_type("out.pixeltype", "Output", "float")
    out_box: str = shared.box("out.box", "Output")
    out_nodata: float | None = voc.number(
        "out.nodata",
        "Output: no-data value",
        "Value of pixels that are no-data in an image. Default: nan, or 0 for an output of whole numbers.",
        advanced=True,
        section=sections.OUTPUT,
    )
