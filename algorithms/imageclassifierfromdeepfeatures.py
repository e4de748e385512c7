"""otbtf:imageclassifierfromdeepfeatures."""

from __future__ import annotations

from ..core.operations.imageclassifierfromdeepfeatures import ImageClassifierFromDeepFeatures as Operation
from .base import OtbtfAlgorithm
from .styling import style_outputs


class ImageClassifierFromDeepFeatures(OtbtfAlgorithm):
    """Rasters through a network and a classifier, into a map."""

    OPERATION = Operation

    @staticmethod
    def style(output, layer, results):
        style_outputs(output, layer, results)
