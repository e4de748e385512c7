"""otbtf:maptopolygons."""

from __future__ import annotations

from ..core.operations.maptopolygons import MapToPolygons as Operation
from .base import OtbtfAlgorithm
from .classstyle import style_by_result


class MapToPolygons(OtbtfAlgorithm):
    """The outlines of a map's classes as polygons."""

    OPERATION = Operation

    @staticmethod
    def style(output, layer, results):
        style_by_result(layer, "class", results, outlined=results.get("CLASSES") == 1)  # objects on an image
