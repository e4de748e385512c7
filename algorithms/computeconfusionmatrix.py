"""otbtf:computeconfusionmatrix."""

from __future__ import annotations

import json

from ..core.operations.computeconfusionmatrix import ComputeConfusionMatrix as Operation
from .base import OtbtfAlgorithm
from .layerclasses import categories_of, palette_of


class ComputeConfusionMatrix(OtbtfAlgorithm):
    """The accuracy of a map."""

    OPERATION = Operation

    def prepareAlgorithm(self, parameters, context, feedback):
        prepared = super().prepareAlgorithm(parameters, context, feedback)
        layer = self.vector_layer(parameters, "REF_VECTOR_IN", context)
        styles = [categories_of(layer, self.parameterAsString(parameters, "REF_VECTOR_FIELD", context))]
        for raster in ("REF_RASTER_IN", "IN"):
            styles.append(palette_of(self.parameterAsRasterLayer(parameters, raster, context)))
        names = {value: entry["name"] for style in styles for value, entry in style.items() if value and entry["name"]}
        if names:
            self._inputs.setdefault("class.names", json.dumps(names, ensure_ascii=False))
        return prepared
