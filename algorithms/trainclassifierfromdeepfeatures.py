"""otbtf:trainclassifierfromdeepfeatures."""

from __future__ import annotations

from ..core.operations.trainclassifierfromdeepfeatures import TrainClassifierFromDeepFeatures as Operation
from .base import OtbtfAlgorithm
from .classifiers import first_layer, legend_of


class TrainClassifierFromDeepFeatures(OtbtfAlgorithm):
    """Features of a network, at samples, to a classifier."""

    OPERATION = Operation

    def prepareAlgorithm(self, parameters, context, feedback):
        prepared = super().prepareAlgorithm(parameters, context, feedback)
        layer = first_layer(self, parameters, "VD", context)
        legend = legend_of(layer, str(self._inputs.get("sample.vfn", "")))
        if legend:
            self._inputs.setdefault("legend", legend)
        return prepared
