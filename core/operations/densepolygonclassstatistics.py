"""DensePolygonClassStatistics: number of pixels of an image per class, every pixel counted once."""

from __future__ import annotations

from dataclasses import dataclass

from ..parameters.operation import NumberResult, Operation
from ..parameters.samplegroups import StatisticsOutputs, TrainingLayer


@dataclass(frozen=True)
class DensePolygonClassStatistics(Operation, StatisticsOutputs, TrainingLayer):
    """See OTBTF's application of the same name."""

    TITLE = "Count each pixel once, by class"
    GROUP = "sampling"
    DESCRIPTION = (
        "Counts the pixels of the image under each polygon of a training layer, and adds them up by class. A pixel "
        "under several polygons counts once, for the last of them.\n\n"
        "The XML file has the form that OTB's SampleSelection reads; this plugin's SampleSelection reads it too. The "
        "same numbers are available as a table."
    )
    RESULTS = (
        NumberResult("samples", "Number of pixels"),
        NumberResult("classes", "Number of classes"),
    )
    RUN = "samples.densestatistics:count_dense_polygons"
