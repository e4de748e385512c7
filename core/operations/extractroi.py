"""ExtractROI: a part of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from ..parameters import sections
from ..parameters import vocabulary as voc
from ..parameters.imagegroups import ToolOutput
from ..parameters.operation import Group, Operation
from ..parameters.vectorsource import LayerSource

_UNITS = ("pxl", "phy", "lonlat")


def _coordinate(name: str, label: str) -> Any:
    return voc.number(
        name,
        label,
        "Coordinate in the unit of the mode: pixels from 0, map coordinates, or degrees.",
        default=0.0,
        section=sections.SETTINGS,
        advanced=True,
    )


@dataclass(frozen=True)
class _Region(Group):
    image: Any = voc.raster("in", "Image", "The image to extract from.")
    mode: str = voc.choice(
        "mode",
        "Mode",
        "standard: STARTX, STARTY, SIZEX and SIZEY in pixels. fit: the extent of another image or layer. extent: two "
        "corners, both included. radius: a square around a point.",
        ("standard", "fit", "extent", "radius"),
        section=sections.SETTINGS,
    )
    startx: int = voc.integer(
        "startx", "Start X", "First column, from 0.", default=0, minimum=0, section=sections.SETTINGS
    )
    starty: int = voc.integer(
        "starty", "Start Y", "First row, from 0.", default=0, minimum=0, section=sections.SETTINGS
    )
    sizex: int = voc.integer(
        "sizex",
        "Size X",
        "Number of columns. 0: all following columns.",
        default=0,
        minimum=0,
        section=sections.SETTINGS,
    )
    sizey: int = voc.integer(
        "sizey", "Size Y", "Number of rows. 0: all following rows.", default=0, minimum=0, section=sections.SETTINGS
    )
    cl: str = voc.text(
        "cl",
        "Bands",
        "Bands to keep, separated by spaces, such as Channel1 Channel3, or 1 3. Default: all bands.",
        section=sections.SETTINGS,
    )
    mode_fit_im: Any = voc.raster(
        "mode.fit.im", "Fit: image", "The image whose extent is used.", required=False, section=sections.SETTINGS
    )
    mode_fit_vect: LayerSource | None = voc.vector(
        "mode.fit.vect",
        "Fit: layer",
        "The vector layer whose extent is used.",
        required=False,
        section=sections.SETTINGS,
    )
    mode_extent_ulx: float = _coordinate("mode.extent.ulx", "Extent: upper left X")
    mode_extent_uly: float = _coordinate("mode.extent.uly", "Extent: upper left Y")
    mode_extent_lrx: float = _coordinate("mode.extent.lrx", "Extent: lower right X")
    mode_extent_lry: float = _coordinate("mode.extent.lry", "Extent: lower right Y")
    mode_extent_unit: str = voc.choice(
        "mode.extent.unit", "Extent: unit", "Unit of the corners.", _UNITS, section=sections.SETTINGS, advanced=True
    )
    mode_radius_r: float = voc.number(
        "mode.radius.r",
        "Radius",
        "Half the side of the square.",
        default=0.0,
        minimum=0,
        section=sections.SETTINGS,
        advanced=True,
    )
    mode_radius_unitr: str = voc.choice(
        "mode.radius.unitr", "Radius: unit", "Unit of the radius.", _UNITS[:2], section=sections.SETTINGS, advanced=True
    )
    mode_radius_cx: float = _coordinate("mode.radius.cx", "Radius: centre X")
    mode_radius_cy: float = _coordinate("mode.radius.cy", "Radius: centre Y")
    mode_radius_unitc: str = voc.choice(
        "mode.radius.unitc",
        "Radius: unit of the centre",
        "Unit of the centre.",
        _UNITS,
        section=sections.SETTINGS,
        advanced=True,
    )


@dataclass(frozen=True)
class ExtractROI(Operation, ToolOutput, _Region):
    """See OTB's application of the same name."""

    TITLE = "Extract a region of an image (ExtractROI)"
    GROUP = "images"
    DESCRIPTION = (
        "Writes a part of an image, for command lines with OTB's ExtractROI, whose keys it has. In dialogs, use "
        "GDAL's clipping tools."
    )
    RUN = "imagetools.imageregions:extract_region"
    HIDDEN = True

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [value for value in (self.mode_fit_im, self.mode_fit_vect) if value is not None]
        if self.mode == "fit" and len(given) != 1:
            raise ParameterError(
                "{mode} is fit, which needs exactly one of {mode_fit_im} and {mode_fit_vect}: set the one whose "
                "extent is used.",
                mode=field("mode"),
                mode_fit_im=field("mode_fit_im"),
                mode_fit_vect=field("mode_fit_vect"),
            )
