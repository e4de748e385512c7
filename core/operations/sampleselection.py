"""SampleSelection: points on the pixels of a training layer's features, as many of each class as asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.operation import NumberResult, Operation, TextResult
from ..parameters.samplegroups import TrainingLayer

SAMPLERS = ("periodic", "random")

STRATEGIES = ("byclass", "constant", "percent", "total", "smallest", "all")


@dataclass(frozen=True)
class SampleSelection(Operation, TrainingLayer):
    """See OTB's application of the same name."""

    TITLE = "Select samples from polygons"
    GROUP = "sampling"
    DESCRIPTION = (
        "Chooses pixels of the image under polygons, lines or points that have a class, so many of each class, and "
        "writes points there with the attributes of the feature and its id: ready for PatchesExtraction and "
        "SampleExtraction.\n\n"
        "Parameters, numbers and positions are those of OTB's SampleSelection. The statistics of "
        "PolygonClassStatistics are computed on the way where they are not given."
    )
    RESULTS = (
        NumberResult("samples", "Number of samples"),
        NumberResult("classes", "Number of classes"),
        TextResult("field", "Class field of the output"),
        TextResult("legend", "Classes, their names, colours and samples, as JSON"),
    )
    RUN = "samples.layersamples:select_samples"

    mask: Any = shared.mask("samples are taken only where it is not 0.")
    instats: str | None = voc.file(
        "instats",
        "Statistics",
        "XML file of PolygonClassStatistics for the same image, layer and mask. Not given: the pixels are counted here.",
        required=False,
        file_filter="XML files (*.xml)",
    )
    strategy: str = voc.choice(
        "strategy",
        "Strategy",
        "byclass: the numbers in a file. constant: the same number for each class. percent: a share of each class. "
        "total: so many altogether, in the classes' proportions. smallest: as many for each as the smallest class has. "
        "all: every pixel. A class that has fewer gives all it has.",
        STRATEGIES,
        default="smallest",
    )
    strategy_byclass_in: str | None = voc.file(
        "strategy.byclass.in",
        "Numbers by class",
        "For the strategy byclass: text file with a class and a number of samples on each line, separated by a comma, "
        "semicolon or tab. A class that is not named gets none.",
        required=False,
        file_filter="Tables (*.csv *.txt);;All files (*)",
    )
    strategy_constant_nb: int | None = voc.integer(
        "strategy.constant.nb", "Samples per class", "For the strategy constant.", minimum=1
    )
    strategy_percent_p: float = voc.number(
        "strategy.percent.p", "Share", "For the strategy percent: from 0 to 1 (all).", default=0.5, minimum=0, maximum=1
    )
    strategy_total_v: int = voc.integer(
        "strategy.total.v", "Samples altogether", "For the strategy total.", default=1000, minimum=1
    )
    sampler: str = voc.choice(
        "sampler",
        "Sampler",
        "periodic: every n-th pixel of a class, feature by feature and row by row (in large images tile by tile, as in "
        "OTB, where the size of the tiles depends on RAM). random: drawn with RAND.",
        SAMPLERS,
    )
    sampler_periodic_jitter: int = voc.integer(
        "sampler.periodic.jitter",
        "Jitter",
        "For the sampler periodic: each sample is moved on by a random number of pixels of its class, up to this one.",
        default=0,
        minimum=0,
        advanced=True,
    )
    rand: int | None = voc.integer(
        "rand",
        "Random seed",
        "Any whole number from 0: repeats the draw. Not given: another draw each time.",
        minimum=0,
    )
    out: str = voc.vector_out(
        "out",
        "Samples",
        "Points at pixel centres (or the points of the layer themselves), with all attributes of the feature that each "
        "lies in, and its id in the field originfid.",
        geometry="point",
    )
    outrates: str | None = voc.file_out(
        "outrates",
        "Rates",
        "Text table of each class: samples asked for, pixels, rate.",
        file_filter="Tables (*.csv)",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.strategy == "byclass" and not self.strategy_byclass_in:
            raise ParameterError(
                "STRATEGY is byclass, but STRATEGY_BYCLASS_IN is missing: give a file of class,number lines."
            )
        if self.strategy == "constant" and self.strategy_constant_nb is None:
            raise ParameterError(
                "STRATEGY is constant, but STRATEGY_CONSTANT_NB is missing: give the number of samples per class."
            )
