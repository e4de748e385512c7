"""otbtf:trainvectorclassifier."""

from __future__ import annotations

from ..core.operations.trainvectorclassifier import TrainVectorClassifier as Operation
from .base import OtbtfAlgorithm
from .classifiers import first_layer, legend_of


class TrainVectorClassifier(OtbtfAlgorithm):
    """Attributes of vector layers to a classifier."""

    OPERATION = Operation

    def prepareAlgorithm(self, parameters, context, feedback):
        prepared = super().prepareAlgorithm(parameters, context, feedback)
        layer = first_layer(self, parameters, "IO_VD", context)
        legend = legend_of(layer, str(self._inputs.get("cfield", "")))
        if legend:
            self._inputs.setdefault("legend", legend)
        return prepared
