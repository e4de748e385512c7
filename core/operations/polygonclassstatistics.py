"""PolygonClassStatistics: how many pixels of an image each class and each feature of a training layer has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..parameters import vocabulary as voc
from ..parameters.samplegroups import StatisticsOutputs, TrainingLayer


@dataclass(frozen=True)
class PolygonClassStatistics(StatisticsOutputs, TrainingLayer):
    """Parameters of `run`; see OTB's application of the same name."""

    RUN: ClassVar[str] = "samples.polygonstatistics:count_polygons"
    NEEDS_ENGINE: ClassVar[bool] = False

    mask: Any = voc.raster(
        "mask",
        "Mask",
        "Raster of one band on the image's grid: only pixels where it is not 0 count.",
        required=False,
    )
