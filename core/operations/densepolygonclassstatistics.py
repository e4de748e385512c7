"""DensePolygonClassStatistics: how many pixels of an image each class has, every pixel counted once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..parameters.samplegroups import StatisticsOutputs, TrainingLayer


@dataclass(frozen=True)
class DensePolygonClassStatistics(StatisticsOutputs, TrainingLayer):
    """Parameters of `run`; see OTBTF's application of the same name."""

    RUN: ClassVar[str] = "samples.densestatistics:count_dense_polygons"
    NEEDS_ENGINE: ClassVar[bool] = False
