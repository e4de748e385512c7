"""otbtf:imageclassifier."""

from __future__ import annotations

from ..core.operations.imageclassifier import ImageClassifier as Operation
from .base import OtbtfAlgorithm
from .classifiers import style_map
from .translate import tr


class ImageClassifier(OtbtfAlgorithm):
    """A raster through a classifier, into a map."""

    OPERATION = Operation
    GROUP = "inference"

    def displayName(self):
        return tr("Classify an image")

    def description(self):
        return tr(
            "Applies a trained classifier to each pixel of a raster, however large it is, and writes a map of classes; "
            "with a confidence map, how probable each is. The raster's bands are the features, in the order in which the "
            "classifier was trained: pixel values, or what a network makes of them.\n\n"
            "The parameters are those of OTB's ImageClassifier."
        )

    @staticmethod
    def style(output, layer, results):
        style_map(output, layer, results)
