"""otbtf:exportsavedmodel."""

from __future__ import annotations

from qgis.core import QgsProcessingOutputString

from ..core.operations.exportsavedmodel import ExportSavedModel as Operation
from .base import OtbtfAlgorithm
from .translate import tr


class ExportSavedModel(OtbtfAlgorithm):
    """A .keras file as a SavedModel."""

    OPERATION = Operation
    GROUP = "models"

    def displayName(self):
        return tr("Export a Keras model as a SavedModel")

    def description(self):
        return tr(
            "Writes a .keras file as a SavedModel, with the outputs that you choose: the model's own, or those of any "
            "of its layers. Crops add further outputs without the border that depends on what lies outside, as OTBTF's "
            "models have them (predictions_crop16).\n\n"
            "The model's geometry is found and kept in the sidecar mlm.json in the folder; class names and colours are "
            "taken over from the .keras file's own sidecar."
        )

    def initAlgorithm(self, configuration=None):
        super().initAlgorithm(configuration)
        self.addOutput(QgsProcessingOutputString("OUTPUTS", tr("Names of the SavedModel's outputs")))
        self.addOutput(QgsProcessingOutputString("SIDECAR_PATH", tr("The sidecar that was written")))
