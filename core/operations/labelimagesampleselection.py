"""LabelImageSampleSelection: points on the pixels of a label raster, a number of each class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.operation import NumberResult, Operation, TextResult

STRATEGIES = ("constant", "total", "smallest", "all", "atmost")


@dataclass(frozen=True)
class LabelImageSampleSelection(Operation):
    """See OTBTF's application of the same name."""

    TITLE = "Select samples from a label raster"
    GROUP = "sampling"
    DESCRIPTION = (
        "Selects a number of pixels of each class of a label raster, and writes points at their centres with the "
        "class in a field, ready for PatchesExtraction.\n\n"
        "The points have the names and colours of the classes in the raster's attribute table or palette."
    )
    RESULTS = (
        NumberResult("samples", "Number of samples"),
        NumberResult("classes", "Number of classes"),
        TextResult("legend", "Classes, their names, colours and samples, as JSON"),
    )
    RUN = "samples.labelimagesamples:select_labelled_pixels"

    inref: Any = voc.raster(
        "inref", "Label raster", "Raster of one band whose pixels are class labels.", section=sections.LABELS
    )
    strategy: str = voc.choice(
        "strategy",
        "Strategy",
        "constant: the same number for each class, at most the size of the smallest class. total: this number in "
        "total, in proportion to the class sizes. smallest: for each class, the size of the smallest class. all: "
        "every pixel. atmost: the number of constant for each class; a class with fewer pixels uses all of them.",
        STRATEGIES,
        section=sections.SAMPLES,
    )
    strategy_constant_nb: int = voc.integer(
        "strategy.constant.nb",
        "Samples per class",
        "For the strategies constant and atmost: number of samples per class.",
        default=1000,
        minimum=1,
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
    nodata: float | None = voc.number(
        "nodata",
        "No-data value",
        "Value of pixels without a label. Default: the layer's own no-data value, if NODATA_FROM_LAYER is on and the "
        "layer has one, otherwise -1.",
        section=sections.NODATA,
    )
    pad: int = voc.integer(
        "pad",
        "Border width",
        "Width of the border without samples, in pixels.",
        default=0,
        minimum=0,
        section=sections.SAMPLES,
    )
    seed: int | None = shared.seed(
        otherwise="every n-th pixel of a class, as OTBTF does", advanced=True, section=sections.SAMPLES
    )
    nodata_from_layer: bool = shared.nodata_from_layer()
    alpha: str = shared.alpha()
    outvec: str = voc.vector_out(
        "outvec", "Samples", "Points at the centres of the selected pixels, with a field class.", geometry="point"
    )
