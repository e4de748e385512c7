"""otbtf:tensorflowmodeltrain."""

from __future__ import annotations

from qgis.core import QgsProcessingOutputNumber

from ..core.operations.tensorflowmodeltrain import TensorflowModelTrain as Operation
from .base import OtbtfAlgorithm
from .translate import tr


class TensorflowModelTrain(OtbtfAlgorithm):
    """Patches to a trained model."""

    OPERATION = Operation
    GROUP = "training"
    MORE_SOURCES = 1  # the labels

    def displayName(self):
        return tr("Train a model")

    def description(self):
        return tr(
            "Trains a network on patches and says how good it is. The model is the name of a template (cnn16, unet, ...), a "
            ".keras file, a model that was trained here before, or a TensorFlow 1 graph with target nodes. Sources are "
            "patches images as patchesextraction writes them, the last one usually the labels, or TFRecords.\n\n"
            "The trained model is ready to serve, with its classes' names and colours. The report shows the curves of "
            "loss and metrics, confusion matrix and scores per class. A training that was stopped goes on from the end of "
            "its last epoch where RESUME is on. The parameters with a dot in OTBTF are those of its TensorflowModelTrain."
        )

    def initAlgorithm(self, configuration=None):
        super().initAlgorithm(configuration)
        self.parameterDefinition("MODEL_SAVETO").setCreateByDefault(True)
        self.parameterDefinition("OUT_REPORT").setCreateByDefault(True)  # it is shown in the results viewer
        for name, label in (
            ("KAPPA", tr("Kappa of the last validation")),
            ("OVERALL_ACCURACY", tr("Overall accuracy of the last validation")),
            ("F1_MACRO", tr("Mean F-score of the classes in the last validation")),
            ("RMSE", tr("Root mean square error of the last validation")),
            ("MAE", tr("Mean absolute error of the last validation")),
            ("R2", tr("Coefficient of determination of the last validation")),
            ("EPOCHS_RUN", tr("Epochs that were trained")),
            ("SAMPLES_PER_EPOCH", tr("Samples used in each epoch")),
        ):
            self.addOutput(QgsProcessingOutputNumber(name, label))
