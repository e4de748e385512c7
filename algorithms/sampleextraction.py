"""otbtf:sampleextraction."""

from __future__ import annotations

from ..core.operations.sampleextraction import SampleExtraction as Operation
from .base import OtbtfAlgorithm
from .classstyle import style_by_result


class SampleExtraction(OtbtfAlgorithm):
    """Pixel values as attributes of points."""

    OPERATION = Operation

    @staticmethod
    def style(output, layer, results):
        if "FIELD" in results:
            style_by_result(layer, results["FIELD"], results)
