"""Superimpose: an image on the grid of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..parameters import sections
from ..parameters import vocabulary as voc
from ..parameters.imagegroups import ToolOutput
from ..parameters.operation import Group, Operation


@dataclass(frozen=True)
class _Images(Group):
    inr: Any = voc.raster("inr", "Reference image", "Image with the grid and coordinate system of the output.")
    inm: Any = voc.raster("inm", "Image to resample", "Image to interpolate on this grid.")
    interpolator: str = voc.choice(
        "interpolator",
        "Interpolation",
        "bco: bicubic (4 x 4 pixels). linear: bilinear. nn: nearest neighbour, for classes. Pixels are not averaged, "
        "even if the output is coarser.",
        ("bco", "nn", "linear"),
        section=sections.SETTINGS,
    )
    fv: float = voc.number(
        "fv", "Fill value", "Value of pixels that the image does not cover.", default=0.0, section=sections.SETTINGS
    )


@dataclass(frozen=True)
class Superimpose(Operation, ToolOutput, _Images):
    """See OTB's application of the same name."""

    TITLE = "Resample an image to the grid of another (Superimpose)"
    GROUP = "images"
    DESCRIPTION = (
        "Interpolates an image on the grid of another, for command lines with OTB's Superimpose, whose keys it has. "
        "In dialogs, use GDAL's warping tool."
    )
    RUN = "imagetools.superimposing:superimpose"
    HIDDEN = True
