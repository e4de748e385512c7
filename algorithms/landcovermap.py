"""otbtf:landcovermap."""

from __future__ import annotations

import json

from ..core.operations.landcovermap import LandCoverMap as Operation
from .base import OtbtfAlgorithm
from .classstyle import style_by_class
from .layerclasses import categories_of, palette_of
from .styling import style_outputs


class LandCoverMap(OtbtfAlgorithm):
    """Images and labels to a map."""

    OPERATION = Operation

    def prepareAlgorithm(self, parameters, context, feedback):
        prepared = super().prepareAlgorithm(parameters, context, feedback)
        vector = self.vector_layer(parameters, "LABELS_VECTOR", context)
        found = categories_of(vector, self.parameterAsString(parameters, "LABELS_FIELD", context))
        found.update(palette_of(self.parameterAsRasterLayer(parameters, "LABELS_RASTER", context)))
        if found:
            self._inputs.setdefault("legend", json.dumps(found, ensure_ascii=False))
        return prepared

    @staticmethod
    def style(output, layer, results):
        if output == "OUT_POLYGONS":
            style_by_class(layer, "class", json.loads(results["CLASSES"]))
        else:
            style_outputs(output, layer, results)
