"""ConcatenateImages: several images of the same size as the bands of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..parameters import vocabulary as voc
from ..parameters.imagegroups import ToolOutput
from ..parameters.operation import Group, Operation


@dataclass(frozen=True)
class _Images(Group):
    il: tuple[Any, ...] = voc.rasters(
        "il", "Images", "Rasters on one grid; their bands follow each other in this order.", required=True
    )


@dataclass(frozen=True)
class ConcatenateImages(Operation, ToolOutput, _Images):
    """See OTB's application of the same name."""

    TITLE = "Stack images as bands (ConcatenateImages)"
    GROUP = "images"
    DESCRIPTION = (
        "Writes the bands of several images into one, with the keys of OTB's ConcatenateImages, for command lines "
        "that hold it. In dialogs several images can be given to each source as they are."
    )
    RUN = "imagetools.bandstacking:concatenate"
    HIDDEN = True
