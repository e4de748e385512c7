"""otbtf:trainclassifierfromdeepfeatures."""

from __future__ import annotations

from ..core.operations.trainclassifierfromdeepfeatures import TrainClassifierFromDeepFeatures as Operation
from .base import OtbtfAlgorithm
from .classifiers import add_training_outputs, first_layer, legend_of
from .translate import tr


class TrainClassifierFromDeepFeatures(OtbtfAlgorithm):
    """Features of a network, at samples, to a classifier."""

    OPERATION = Operation
    GROUP = "training"

    def displayName(self):
        return tr("Train a classifier on deep features")

    def description(self):
        return tr(
            "Learns a classifier (random forest, support vector machine, ...) from what a network makes of images: the "
            "values of one of its layers at samples that polygons, lines or points give. The features are computed at the "
            "samples only. otbtf:imageclassifierfromdeepfeatures makes a map with network and classifier.\n\n"
            "The report shows the confusion matrix and the scores of each class. The parameters are those of OTBTF's "
            "TrainClassifierFromDeepFeatures and OTB's TrainImagesClassifier, and the defaults too; scikit-learn does the "
            "learning."
        )

    def initAlgorithm(self, configuration=None):
        super().initAlgorithm(configuration)
        add_training_outputs(self)

    def prepareAlgorithm(self, parameters, context, feedback):
        prepared = super().prepareAlgorithm(parameters, context, feedback)
        layer = first_layer(self, parameters, "VD", context)
        legend = legend_of(layer, str(self._inputs.get("sample.vfn", "")))
        if legend:
            self._inputs.setdefault("legend", legend)
        return prepared
