"""ComputeImagesStatistics: mean and standard deviation of each band of images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.operation import NumberResult, Operation
from ..parameters.sharedgroups import PixelMemory


@dataclass(frozen=True)
class ComputeImagesStatistics(Operation, PixelMemory):
    """See OTB's application of the same name."""

    TITLE = "Compute each band's mean and deviation"
    GROUP = "images"
    DESCRIPTION = (
        "Computes mean and standard deviation of each band over all pixels with data, in the XML file that OTB's "
        "classifiers read to standardise features; those of this plugin read it too (IMSTAT, IO_STATS).\n\n"
        "Of several images, the mean is that of all pixels, and the variance is pooled, as in OTB: that of the pixels "
        "of each image about the image's own mean."
    )
    RESULTS = (
        NumberResult("pixels", "Number of pixels with data"),
        NumberResult("images", "Number of images with such pixels"),
        NumberResult("bands", "Number of bands"),
    )
    RUN = "imagetools.imagemoments:compute_statistics"

    il: tuple[Any, ...] = voc.rasters(
        "il", "Images", "Rasters with the same bands, of any size and place.", required=True
    )
    nodata_from_layer: bool = shared.nodata_from_layer()
    alpha: str = shared.alpha()
    bv: float | None = voc.number(
        "bv",
        "Background value",
        "Pixels with this value in all bands are left out. Default: all pixels with data count.",
        section=sections.SETTINGS,
    )
    out: str = voc.file_out(
        "out",
        "Statistics",
        "XML file with the means and standard deviations, in the form that OTB's classifiers read.",
        required=True,
        file_filter="XML files (*.xml)",
    )
