"""ImageClassifier: the pixels of a raster through a trained classifier, into a map of classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError
from ..parameters import vocabulary as voc
from ..parameters.classifierchoices import FILE_FILTER
from ..parameters.classifiergroups import MapOutputs
from ..parameters.operation import Operation


@dataclass(frozen=True)
class Inputs:
    """The parameters that name what is classified, and by what."""

    image: Any = voc.raster(
        "in", "Image", "Its bands are the features, in the order in which the classifier was trained."
    )
    mask: Any = voc.raster(
        "mask",
        "Mask",
        "Raster of one band on the image's grid: only where it is not 0 is the image classified.",
        required=False,
    )
    model: str = voc.file("model", "Classifier", "A classifier that was trained here.", file_filter=FILE_FILTER)
    imstat: str | None = voc.file(
        "imstat",
        "Statistics",
        "XML file of OTB's ComputeImagesStatistics: means and standard deviations in place of those that the classifier was "
        "trained with, as for an image of another date. Not given: those of the training.",
        required=False,
        file_filter="XML files (*.xml)",
        advanced=True,
    )
    nodata: float | None = voc.number(
        "nodata",
        "No-data value",
        "A pixel is no-data where all bands have this value (nan is possible). Not given: the layer's own, where "
        "NODATA_FROM_LAYER is on.",
        advanced=True,
    )
    nodata_from_layer: bool = voc.boolean(
        "nodata_from_layer",
        "No-data value from the layer",
        "Where the no-data value is not given, use the layer's own. Off: its masks, and no-data values set in its "
        "properties, do not count either.",
        default=True,
        advanced=True,
    )
    alpha: str = voc.alpha()
    memory: int | None = voc.integer(
        "memory",
        "Memory (MB)",
        "Budget for the image and the classification, in MB. Not given: a quarter of the machine's, at most 4096.",
        minimum=64,
        advanced=True,
    )
    ram: int | None = voc.integer("ram", "RAM (MB)", "OTB's name for MEMORY.", minimum=64, advanced=True)


@dataclass(frozen=True)
class ImageClassifier(Operation, MapOutputs, Inputs):
    """See OTB's application of the same name."""

    TITLE = "Classify an image"
    GROUP = "inference"
    DESCRIPTION = (
        "Applies a trained classifier to each pixel of a raster, however large it is, and writes a map of classes; "
        "with a confidence map, how probable each is. The raster's bands are the features, in the order in which the "
        "classifier was trained: pixel values, or what a network makes of them.\n\n"
        "The parameters are those of OTB's ImageClassifier."
    )
    RUN = "classifiers.classifyimage:classify_image"
    NEEDS_ENGINE = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.memory and self.ram and self.memory != self.ram:
            raise ParameterError(
                f"MEMORY is {self.memory} and RAM is {self.ram}: they mean the same, give one of them."
            )
