"""ImageClassifier: a map of classes from a raster, by a trained classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.classifierchoices import FILE_FILTER
from ..parameters.classifiergroups import MapOutputs, statistics
from ..parameters.maskgroup import Masked
from ..parameters.nodatarules import PixelRule
from ..parameters.operation import Group, Operation
from ..parameters.sharedgroups import PARTS_RESULTS, Memory


@dataclass(frozen=True)
class Inputs(Group):
    """The image and the classifier."""

    image: Any = voc.raster(
        "in", "Image", "Image whose bands are the features, in the order of the classifier's training."
    )
    model: str = voc.file(
        "model",
        "Classifier",
        "Classifier trained with this plugin.",
        file_filter=FILE_FILTER,
        section=sections.CLASSIFIER,
    )
    imstat: str | None = statistics("imstat", "those of the classifier's training")
    nodata: float | None = shared.nodata(
        "Value of missing data (nan is possible); pixels in which all bands have it are no-data, unless NODATA_RULE says "
        "otherwise.",
        advanced=True,
    )
    nodata_from_layer: bool = shared.nodata_from_layer()
    alpha: str = shared.alpha()


@dataclass(frozen=True)
class ImageClassifier(Operation, MapOutputs, Memory, PixelRule, Masked, Inputs):
    """See OTB's application of the same name."""

    TITLE = "Classify by bands (with a trained classifier)"
    GROUP = "inference"
    DESCRIPTION = (
        "Applies a trained classifier to each pixel of a raster of any size and writes a map of classes and, if you "
        "want, a confidence map with the probability of the class of each pixel. The bands of the raster are the "
        "features, in the order of the classifier's training: pixel values, or the output of a network.\n\n"
        "The parameters are those of OTB's ImageClassifier."
    )
    RUN = "classifiers.classifyimage:classify_image"
    NEEDS_ENGINE = True
    RESULTS = PARTS_RESULTS

    memory: int | None = shared.memory("the image and the classification")
