"""otbtf:sampleselection."""

from __future__ import annotations

from ..core.operations.sampleselection import SampleSelection as Operation
from .base import OtbtfAlgorithm
from .classstyle import style_by_result
from .layerclasses import categories_of, with_categories


class SampleSelection(OtbtfAlgorithm):
    """Points on the pixels of polygons, lines and points that have a class."""

    OPERATION = Operation

    def prepareAlgorithm(self, parameters, context, feedback):
        layer = self.vector_layer(parameters, "VEC", context)
        self._categories = categories_of(layer, self.parameterAsString(parameters, "FIELD", context))
        return super().prepareAlgorithm(parameters, context, feedback)

    def processAlgorithm(self, parameters, context, feedback):
        results = super().processAlgorithm(parameters, context, feedback)
        with_categories(results, self._categories)
        return results

    @staticmethod
    def style(output, layer, results):
        style_by_result(layer, results["FIELD"], results)
