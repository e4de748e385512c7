"""otbtf:detectobjects."""

from __future__ import annotations

from ..core.operations.detectobjects import DetectObjects as Operation
from .base import OtbtfAlgorithm
from .classstyle import style_by_result


class DetectObjects(OtbtfAlgorithm):
    """The objects in an image, by a detector."""

    OPERATION = Operation

    @staticmethod
    def style(output, layer, results):
        style_by_result(layer, "class", results, outlined=True)
