"""PolygonClassStatistics: number of pixels of an image per class and per feature of a training layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..parameters import sharedkeys as shared
from ..parameters.operation import NumberResult, Operation
from ..parameters.samplegroups import StatisticsOutputs, TrainingLayer


@dataclass(frozen=True)
class PolygonClassStatistics(Operation, StatisticsOutputs, TrainingLayer):
    """See OTB's application of the same name."""

    TITLE = "Count each polygon's pixels, by class"
    GROUP = "sampling"
    DESCRIPTION = (
        "Counts the pixels of the image under each polygon, line and point of a training layer, and adds them up by "
        "class. Each feature counts separately, even if features overlap.\n\n"
        "The XML file has the form that OTB's SampleSelection reads; this plugin's SampleSelection reads it too. The "
        "same numbers are available as a table."
    )
    RESULTS = (
        NumberResult("samples", "Number of pixels"),
        NumberResult("classes", "Number of classes"),
    )
    RUN = "samples.polygonstatistics:count_polygons"

    mask: Any = shared.mask("Only pixels where it is not 0 count.")
