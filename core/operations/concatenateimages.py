"""ConcatenateImages: several images of the same size, stacked in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..parameters import vocabulary as voc
from ..parameters.imagegroups import ToolOutput
from ..parameters.operation import Group, Operation


@dataclass(frozen=True)
class _Images(Group):
    il: tuple[Any, ...] = voc.rasters(
        "il", "Images", "Rasters on one grid; their bands are stacked in this order.", required=True
    )


@dataclass(frozen=True)
class ConcatenateImages(Operation, ToolOutput, _Images):
    """See OTB's application of the same name."""

    TITLE = "Stack images as bands (ConcatenateImages)"
    GROUP = "images"
    DESCRIPTION = (
        "Stacks the bands of several images in one image, for command lines with OTB's ConcatenateImages, whose keys "
        "it has. In dialogs, choose several images directly as a source."
    )
    RUN = "imagetools.bandstacking:concatenate"
    HIDDEN = True
