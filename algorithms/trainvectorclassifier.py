"""otbtf:trainvectorclassifier."""

from __future__ import annotations

from ..core.operations.trainvectorclassifier import TrainVectorClassifier as Operation
from .base import OtbtfAlgorithm
from .classifiers import add_training_outputs, first_layer, legend_of
from .translate import tr


class TrainVectorClassifier(OtbtfAlgorithm):
    """Attributes of vector layers to a classifier."""

    OPERATION = Operation
    GROUP = "training"

    def displayName(self):
        return tr("Train a classifier on attributes")

    def description(self):
        return tr(
            "Learns a classifier (random forest, support vector machine, ...) from attributes of vector layers: of points "
            "with the pixel values of an image, as sampleextraction writes them, or of anything that has numbers and a "
            "class. otbtf:imageclassifier makes a map with it, from the image whose bands are these attributes.\n\n"
            "The report shows the confusion matrix and the scores of each class. The parameters are those of OTB's "
            "TrainVectorClassifier, and the defaults too; scikit-learn does the learning."
        )

    def initAlgorithm(self, configuration=None):
        super().initAlgorithm(configuration)
        add_training_outputs(self)

    def prepareAlgorithm(self, parameters, context, feedback):
        prepared = super().prepareAlgorithm(parameters, context, feedback)
        layer = first_layer(self, parameters, "IO_VD", context)
        legend = legend_of(layer, str(self._inputs.get("cfield", "")))
        if legend:
            self._inputs.setdefault("legend", legend)
        return prepared
