"""PatchesMosaic: a picture of some patches of a patches image, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.operation import NumberResult, Operation


@dataclass(frozen=True)
class PatchesMosaic(Operation):
    """OTBTF has no such application."""

    TITLE = "Show patches as a mosaic"
    GROUP = "patches"
    DESCRIPTION = (
        "Shows some patches of a patches image side by side in one picture, each with its label below, to check the "
        "data before training."
    )
    RESULTS = (NumberResult("patches", "Number of patches shown"),)
    RUN = "patches.mosaic:make_mosaic"

    image: Any = voc.raster(
        "in",
        "Patches image",
        "Patches image in the form that PatchesExtraction writes.",
    )
    labels: Any = voc.raster(
        "labels",
        "Labels",
        "The labels of the patches: an image one pixel wide, one row per patch.",
        required=False,
        section=sections.LABELS,
    )
    patchsizey: int | None = voc.integer(
        "patchsizey",
        "Patch height",
        "Height of the patches, in pixels. Default: the height in the JSON beside the patches image, otherwise the "
        "width.",
        minimum=1,
        advanced=True,
        section=sections.SAMPLES,
    )
    bands: str = voc.text(
        "bands",
        "Bands",
        "One band, or three for red, green and blue, numbered from 1. Default: the first three bands, or the first.",
        section=sections.SETTINGS,
    )
    count: int = voc.integer(
        "count",
        "Patches shown",
        "Maximum number of patches; with labels, distributed evenly over the classes.",
        default=100,
        minimum=1,
        maximum=10000,
        section=sections.SETTINGS,
    )
    columns: int | None = voc.integer(
        "columns",
        "Patches in a row",
        "Number of patches in a row. Default: as many as rows.",
        minimum=1,
        section=sections.SETTINGS,
        advanced=True,
    )
    zoom: int = voc.integer(
        "zoom",
        "Zoom",
        "Width of a patch pixel in pixels of the picture.",
        default=2,
        minimum=1,
        maximum=32,
        section=sections.SETTINGS,
    )
    seed: int | None = shared.seed(otherwise="patches at equal distances", advanced=True, section=sections.SETTINGS)
    out: str = voc.raster_out("out", "Mosaic", "Picture of three bands.")
