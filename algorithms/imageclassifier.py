"""otbtf:imageclassifier."""

from __future__ import annotations

from ..core.operations.imageclassifier import ImageClassifier as Operation
from .base import OtbtfAlgorithm
from .classifiers import style_maps


class ImageClassifier(OtbtfAlgorithm):
    """A raster through a classifier, into a map."""

    OPERATION = Operation

    @staticmethod
    def style(output, layer, results):
        style_maps(output, layer, results)
