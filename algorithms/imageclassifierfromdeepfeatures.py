"""otbtf:imageclassifierfromdeepfeatures."""

from __future__ import annotations

from ..core.operations.imageclassifierfromdeepfeatures import ImageClassifierFromDeepFeatures as Operation
from .base import OtbtfAlgorithm
from .classifiers import style_map
from .translate import tr


class ImageClassifierFromDeepFeatures(OtbtfAlgorithm):
    """Rasters through a network and a classifier, into a map."""

    OPERATION = Operation
    GROUP = "inference"

    def displayName(self):
        return tr("Classify an image by deep features")

    def description(self):
        return tr(
            "Applies a network to one or several rasters and a trained classifier to its features, and writes a map of "
            "classes; with a confidence map, how probable each is. The features are streamed from one to the other and "
            "kept nowhere.\n\n"
            "The classifier is one that otbtf:trainclassifierfromdeepfeatures has trained with the same network. The "
            "parameters are those of OTBTF's ImageClassifierFromDeepFeatures."
        )

    @staticmethod
    def style(output, layer, results):
        style_map(output, layer, results)
