"""CreateExampleData: a synthetic scene with terrain truth, to try everything on."""

from __future__ import annotations

from dataclasses import dataclass

from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.operation import Operation


@dataclass(frozen=True)
class CreateExampleData(Operation):
    """OTBTF has no such application."""

    TITLE = "Create example data"
    GROUP = "sampling"
    DESCRIPTION = (
        "Makes a synthetic scene in the style of Sentinel-2 to try the other algorithms on: an image of 4 bands at "
        "10 m, one of 6 bands at 20 m, and sparse terrain truth of six classes, as rasters and as polygons. The "
        "classes differ in texture more than in spectrum, so that a model gains from looking at neighbours."
    )
    RUN = "exampledata.datacreation:create_example_data"

    outdir: str = voc.folder_out(
        "outdir",
        "Folder for the example data",
        "Folder that receives the files; it is created where only the last part of the path is missing.",
    )
    size: int = voc.integer(
        "size",
        "Size in pixels of 10 m",
        "Width and height of the scene in pixels of 10 m, an even number; 1024 takes a few seconds and 10 MB.",
        default=1024,
        minimum=256,
        maximum=20_000,
    )
    seed: int = shared.seed("the scene", default=1, maximum=2**32 - 1)
