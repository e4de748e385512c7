"""PolygonClassStatistics: how many pixels of an image each class and each feature of a training layer has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..parameters import sharedkeys as shared
from ..parameters.operation import NumberResult, Operation
from ..parameters.samplegroups import StatisticsOutputs, TrainingLayer


@dataclass(frozen=True)
class PolygonClassStatistics(Operation, StatisticsOutputs, TrainingLayer):
    """See OTB's application of the same name."""

    TITLE = "Count the pixels of classes"
    GROUP = "sampling"
    DESCRIPTION = (
        "Counts the pixels of the image under each polygon, line and point of a training layer, and sums them up by "
        "class. Each feature counts for itself, where several overlap too.\n\n"
        "The XML file is the one that OTB's SampleSelection reads, and ours; the same numbers come as a table, too."
    )
    RESULTS = (
        NumberResult("samples", "Number of pixels"),
        NumberResult("classes", "Number of classes"),
    )
    RUN = "samples.polygonstatistics:count_polygons"

    mask: Any = shared.mask("only pixels where it is not 0 count.")
