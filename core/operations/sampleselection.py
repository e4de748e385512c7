"""SampleSelection: points on the pixels of a training layer's features, a number of each class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from ..parameters import sections
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
        "Selects a number of pixels of each class under the polygons, lines or points of a training layer, and "
        "writes points there with the attributes of the feature and its id, ready for PatchesExtraction and "
        "SampleExtraction.\n\n"
        "The parameters, numbers and positions are those of OTB's SampleSelection. If you do not set the statistics "
        "of PolygonClassStatistics, they are computed first."
    )
    RESULTS = (
        NumberResult("samples", "Number of samples"),
        NumberResult("classes", "Number of classes"),
        TextResult("field", "Class field of the output"),
        TextResult("legend", "Classes, their names, colours and samples, as JSON"),
    )
    RUN = "samples.layersamples:select_samples"

    mask: Any = shared.mask("Samples are selected only where it is not 0.")
    instats: str | None = voc.file(
        "instats",
        "Statistics",
        "XML file of PolygonClassStatistics for the same image, layer and mask. Default: the pixels are counted first.",
        required=False,
        file_filter="XML files (*.xml)",
        section=sections.SAMPLES,
        advanced=True,
    )
    strategy: str = voc.choice(
        "strategy",
        "Strategy",
        "byclass: the numbers in a file. constant: the same number for each class. percent: a share of each class. "
        "total: this number in total, in proportion to the class sizes. smallest: for each class, the size of the "
        "smallest class. all: every pixel. A class with fewer pixels uses all of them.",
        STRATEGIES,
        default="smallest",
        section=sections.SAMPLES,
    )
    strategy_byclass_in: str | None = voc.file(
        "strategy.byclass.in",
        "File of samples per class",
        "For the strategy byclass: text file with a class and a number of samples on each line, separated by a "
        "comma, semicolon or tab. Classes that are not listed have no samples.",
        required=False,
        file_filter="Tables (*.csv *.txt);;All files (*)",
        section=sections.SAMPLES,
    )
    strategy_constant_nb: int | None = voc.integer(
        "strategy.constant.nb",
        "Samples per class",
        "For the strategy constant: number of samples per class.",
        minimum=1,
        section=sections.SAMPLES,
    )
    strategy_percent_p: float = voc.number(
        "strategy.percent.p",
        "Share of each class",
        "For the strategy percent: share of the pixels of each class, from 0 to 1 (all).",
        default=0.5,
        minimum=0,
        maximum=1,
        section=sections.SAMPLES,
    )
    strategy_total_v: int = voc.integer(
        "strategy.total.v",
        "Samples in total",
        "For the strategy total: number of samples of all classes.",
        default=1000,
        minimum=1,
        section=sections.SAMPLES,
    )
    sampler: str = voc.choice(
        "sampler",
        "Sampler",
        "periodic: every n-th pixel of a class, feature by feature and row by row (in large images tile by tile, as "
        "in OTB, where the tile size depends on RAM). random: selected at random, with the seed RAND, for any RAM.",
        SAMPLERS,
        section=sections.SAMPLES,
        advanced=True,
    )
    sampler_periodic_jitter: int = voc.integer(
        "sampler.periodic.jitter",
        "Jitter",
        "For the sampler periodic: maximum number of pixels of its class by which a sample is moved at random.",
        default=0,
        minimum=0,
        advanced=True,
        section=sections.SAMPLES,
    )
    rand: int | None = shared.seed(name="rand", otherwise=shared.DRAWN, advanced=True, section=sections.SAMPLES)
    out: str = voc.vector_out(
        "out",
        "Samples",
        "Points at pixel centres (or the points of the layer themselves), with all attributes of the feature that "
        "contains them, and its id in the field originfid.",
        geometry="point",
    )
    outrates: str | None = voc.file_out(
        "outrates",
        "Rates",
        "Text table with a row per class: requested samples, pixels, rate.",
        file_filter="Tables (*.csv)",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.strategy == "byclass" and not self.strategy_byclass_in:
            raise ParameterError(
                "{strategy} is byclass, but {strategy_byclass_in} is missing: choose a file with class,number lines.",
                strategy=field("strategy"),
                strategy_byclass_in=field("strategy_byclass_in"),
            )
        if self.strategy == "constant" and self.strategy_constant_nb is None:
            raise ParameterError(
                "{strategy} is constant, but {strategy_constant_nb} is missing: enter the number of samples per class.",
                strategy=field("strategy"),
                strategy_constant_nb=field("strategy_constant_nb"),
            )
