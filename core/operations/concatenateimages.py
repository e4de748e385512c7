"""ConcatenateImages: several images of the same size as the bands of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..base.progress import Progress
from ..imagetools.tooloutput import ToolOutput
from ..parameters import vocabulary as voc


@dataclass(frozen=True)
class _Images:
    il: tuple[Any, ...] = voc.rasters(
        "il", "Images", "Rasters on one grid; their bands follow each other in this order.", required=True
    )


@dataclass(frozen=True)
class ConcatenateImages(ToolOutput, _Images):
    """Parameters of `run`; see OTB's application of the same name."""

    NEEDS_ENGINE: ClassVar[bool] = False


def run(parameters: ConcatenateImages, progress: Progress) -> dict[str, Any]:
    """Write the image of all bands; return `out`, `width`, `height` and `bands`.

    Raises:
        ParameterError, RasterError: bad input, before work starts.
        Cancelled: `progress` asked to stop; nothing is left behind.
    """
    from ..imagetools.bandstacking import concatenate

    return concatenate(parameters, progress)
