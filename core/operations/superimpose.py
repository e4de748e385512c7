"""Superimpose: an image on the grid of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..parameters import vocabulary as voc
from ..parameters.imagegroups import ToolOutput


@dataclass(frozen=True)
class _Images:
    inr: Any = voc.raster("inr", "Reference image", "Its grid and coordinate system are those of the output.")
    inm: Any = voc.raster("inm", "Image to bring there", "Its pixels are interpolated.")
    interpolator: str = voc.choice(
        "interpolator",
        "Interpolation",
        "bco: bicubic (4 x 4 pixels); linear: bilinear; nn: nearest neighbour, for classes. Nothing is averaged where the "
        "output is coarser.",
        ("bco", "nn", "linear"),
    )
    fv: float = voc.number("fv", "Fill value", "Value of pixels that the image does not reach.", default=0.0)


@dataclass(frozen=True)
class Superimpose(ToolOutput, _Images):
    """Parameters of `run`; see OTB's application of the same name."""

    RUN: ClassVar[str] = "imagetools.superimposing:superimpose"
    NEEDS_ENGINE: ClassVar[bool] = False
