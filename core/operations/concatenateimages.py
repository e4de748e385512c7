"""ConcatenateImages: several images of the same size as the bands of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..parameters import vocabulary as voc
from ..parameters.imagegroups import ToolOutput


@dataclass(frozen=True)
class _Images:
    il: tuple[Any, ...] = voc.rasters(
        "il", "Images", "Rasters on one grid; their bands follow each other in this order.", required=True
    )


@dataclass(frozen=True)
class ConcatenateImages(ToolOutput, _Images):
    """Parameters of `run`; see OTB's application of the same name."""

    RUN: ClassVar[str] = "imagetools.bandstacking:concatenate"
    NEEDS_ENGINE: ClassVar[bool] = False
