"""otbtf:labelimagesampleselection."""

from __future__ import annotations

from qgis.core import QgsProcessingOutputNumber, QgsProcessingOutputString

from ..core.operations.labelimagesampleselection import LabelImageSampleSelection as Operation
from .base import OtbtfAlgorithm
from .classstyle import style_by_result
from .translate import tr


class LabelImageSampleSelection(OtbtfAlgorithm):
    """Points on the pixels of a label raster."""

    OPERATION = Operation
    GROUP = "sampling"

    def displayName(self):
        return tr("Select samples from a label raster")

    def description(self):
        return tr(
            "Chooses pixels of a label raster, so many of each class, and writes points at their centres with the class "
            "in a field: ready for PatchesExtraction.\n\n"
            "The points take over the names and colours of the classes from the raster's attribute table or palette."
        )

    def initAlgorithm(self, configuration=None):
        super().initAlgorithm(configuration)
        self.addOutput(QgsProcessingOutputNumber("SAMPLES", tr("Number of samples")))
        self.addOutput(QgsProcessingOutputNumber("CLASSES", tr("Number of classes")))
        self.addOutput(QgsProcessingOutputString("LEGEND", tr("Classes, their names, colours and samples, as JSON")))

    @staticmethod
    def style(output, layer, results):
        style_by_result(layer, "class", results)
