"""LabelImageSampleSelection: points on the pixels of a label raster, as many of each class as asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
        "Chooses pixels of a label raster, so many of each class, and writes points at their centres with the class "
        "in a field: ready for PatchesExtraction.\n\n"
        "The points take over the names and colours of the classes from the raster's attribute table or palette."
    )
    RESULTS = (
        NumberResult("samples", "Number of samples"),
        NumberResult("classes", "Number of classes"),
        TextResult("legend", "Classes, their names, colours and samples, as JSON"),
    )
    RUN = "samples.labelimagesamples:select_labelled_pixels"

    inref: Any = voc.raster("inref", "Label raster", "A raster of one band whose pixels are class labels.")
    strategy: str = voc.choice(
        "strategy",
        "Strategy",
        "constant: the same number for each class, no more than the smallest class has. total: so many altogether, each "
        "class by its share. smallest: as many as the smallest class has. all: every pixel. atmost: the number of constant for "
        "each class, and all of a class that has fewer.",
        STRATEGIES,
    )
    strategy_constant_nb: int = voc.integer(
        "strategy.constant.nb", "Samples per class", "For the strategies constant and atmost.", default=1000, minimum=1
    )
    strategy_total_v: int = voc.integer(
        "strategy.total.v", "Samples altogether", "For the strategy total.", default=1000, minimum=1
    )
    nodata: float | None = voc.number(
        "nodata",
        "No-data value",
        "Value of pixels without a label. Not given: the layer's own, where NODATA_FROM_LAYER is on and it has one, "
        "else -1.",
    )
    pad: int = voc.integer(
        "pad", "Border", "Width in pixels of a border of the raster in which no sample is taken.", default=0, minimum=0
    )
    seed: int | None = shared.seed("the draw", otherwise="every n-th pixel of a class, as OTBTF does")
    nodata_from_layer: bool = shared.nodata_from_layer()
    alpha: str = shared.alpha()
    outvec: str = voc.vector_out(
        "outvec", "Samples", "Points at the centres of the chosen pixels, with a field class.", geometry="point"
    )
