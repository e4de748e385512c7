"""otbtf:labelimagesampleselection."""

from __future__ import annotations

from ..core.operations.labelimagesampleselection import LabelImageSampleSelection as Operation
from .base import OtbtfAlgorithm
from .classstyle import style_by_result


class LabelImageSampleSelection(OtbtfAlgorithm):
    """Points on the pixels of a label raster."""

    OPERATION = Operation

    @staticmethod
    def style(output, layer, results):
        style_by_result(layer, "class", results)
