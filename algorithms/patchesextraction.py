"""otbtf:patchesextraction."""

from __future__ import annotations

from ..core.operations.patchesextraction import PatchesExtraction as Operation
from .base import OtbtfAlgorithm
from .layerclasses import categories_of, complete_patches


class PatchesExtraction(OtbtfAlgorithm):
    """Patches around points."""

    OPERATION = Operation

    def prepareAlgorithm(self, parameters, context, feedback):
        layer = self.parameterAsVectorLayer(parameters, "VEC", context)
        self._categories = categories_of(layer, self.parameterAsString(parameters, "FIELD", context))
        return super().prepareAlgorithm(parameters, context, feedback)

    def processAlgorithm(self, parameters, context, feedback):
        results = super().processAlgorithm(parameters, context, feedback)
        complete_patches(results, self._categories)
        return results
