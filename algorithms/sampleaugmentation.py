"""otbtf:sampleaugmentation."""

from __future__ import annotations

from ..core.operations.sampleaugmentation import SampleAugmentation as Operation
from .base import OtbtfAlgorithm
from .classstyle import style_by_result


class SampleAugmentation(OtbtfAlgorithm):
    """New samples of a class."""

    OPERATION = Operation

    @staticmethod
    def style(output, layer, results):
        style_by_result(layer, results["FIELD"], results)
