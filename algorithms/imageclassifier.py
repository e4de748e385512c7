"""otbtf:imageclassifier."""

from __future__ import annotations

from ..core.operations.imageclassifier import ImageClassifier as Operation
from .base import OtbtfAlgorithm
from .styling import style_outputs


class ImageClassifier(OtbtfAlgorithm):
    """A raster through a classifier, into a map."""

    OPERATION = Operation

    @staticmethod
    def style(output, layer, results):
        style_outputs(output, layer, results)
