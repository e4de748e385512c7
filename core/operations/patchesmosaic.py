"""PatchesMosaic: some patches of a patches image side by side, as a picture to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.operation import NumberResult, Operation


@dataclass(frozen=True)
class PatchesMosaic(Operation):
    """OTBTF has no such application."""

    TITLE = "Show patches as a mosaic"
    GROUP = "sampling"
    DESCRIPTION = (
        "Lays some patches of a patches image out side by side as one picture, each with its label below, for a look "
        "at the data before training on them."
    )
    RESULTS = (NumberResult("patches", "Number of patches shown"),)
    RUN = "patches.mosaic:make_mosaic"

    image: Any = voc.raster("in", "Patches", "A patches image, as PatchesExtraction makes it.")
    labels: Any = voc.raster("labels", "Labels", "The labels of the patches, one row per patch.", required=False)
    patchsizey: int | None = voc.integer(
        "patchsizey",
        "Patch height",
        "Not given: from the JSON beside the patches image; without one, as high as wide.",
        minimum=1,
        advanced=True,
    )
    bands: str = voc.text(
        "bands",
        "Bands",
        "One band, or three for red, green and blue, counted from 1. Empty: the first three, or the first.",
    )
    count: int = voc.integer(
        "count",
        "Patches shown",
        "At most; with labels as many of each as there can be.",
        default=100,
        minimum=1,
        maximum=10000,
    )
    columns: int | None = voc.integer("columns", "Patches in a row", "Not given: as many as there are rows.", minimum=1)
    zoom: int = voc.integer("zoom", "Zoom", "How many pixels wide a pixel is shown.", default=2, minimum=1, maximum=32)
    seed: int | None = shared.seed("the draw of patches", otherwise="patches at equal distances", advanced=True)
    out: str = voc.raster_out("out", "Mosaic", "A picture of three bands.")
