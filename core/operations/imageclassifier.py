"""ImageClassifier: the pixels of a raster through a trained classifier, into a map of classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.classifierchoices import FILE_FILTER
from ..parameters.classifiergroups import MapOutputs, statistics
from ..parameters.operation import Group, Operation
from ..parameters.sharedgroups import Memory


@dataclass(frozen=True)
class Inputs(Group):
    """The parameters that name what is classified, and by what."""

    image: Any = voc.raster(
        "in", "Image", "Its bands are the features, in the order in which the classifier was trained."
    )
    mask: Any = shared.mask("the image is classified only where it is not 0.")
    model: str = voc.file("model", "Classifier", "A classifier that was trained here.", file_filter=FILE_FILTER)
    imstat: str | None = statistics("imstat", "those that the classifier was trained with")
    nodata: float | None = shared.nodata(
        "A pixel is no-data where all bands have this value (nan is possible).", advanced=True
    )
    nodata_from_layer: bool = shared.nodata_from_layer()
    alpha: str = shared.alpha()


@dataclass(frozen=True)
class ImageClassifier(Operation, MapOutputs, Memory, Inputs):
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

    memory: int | None = shared.memory("the image and the classification")
