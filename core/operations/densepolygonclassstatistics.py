"""DensePolygonClassStatistics: how many pixels of an image each class has, every pixel counted once."""

from __future__ import annotations

from dataclasses import dataclass

from ..parameters.operation import NumberResult, Operation
from ..parameters.samplegroups import StatisticsOutputs, TrainingLayer


@dataclass(frozen=True)
class DensePolygonClassStatistics(Operation, StatisticsOutputs, TrainingLayer):
    """See OTBTF's application of the same name."""

    TITLE = "Count the pixels of classes, each once"
    GROUP = "sampling"
    DESCRIPTION = (
        "Counts the pixels of the image under each polygon of a training layer, and sums them up by class. A pixel "
        "under several polygons counts once, for the last of them.\n\n"
        "The XML file is the one that OTB's SampleSelection reads, and ours; the same numbers come as a table, too."
    )
    RESULTS = (
        NumberResult("samples", "Number of pixels"),
        NumberResult("classes", "Number of classes"),
    )
    RUN = "samples.densestatistics:count_dense_polygons"
