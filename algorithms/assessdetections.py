"""otbtf:assessdetections."""

from __future__ import annotations

from ..core.operations.assessdetections import AssessDetections as Operation
from .base import OtbtfAlgorithm
from .classstyle import style_by_class
from .translate import tr


class AssessDetections(OtbtfAlgorithm):
    """Detected objects against a reference."""

    OPERATION = Operation

    @staticmethod
    def style(output, layer, results):
        rows = [
            {"value": "hit", "name": tr("hit"), "color": "#ffe14d"},
            {"value": "miss", "name": tr("miss"), "color": "#38c6ff"},
            {"value": "false alarm", "name": tr("false alarm"), "color": "#ff3b30"},
        ]
        if output == "OUT_ERRORS":
            style_by_class(layer, "kind", rows, outlined=True)
