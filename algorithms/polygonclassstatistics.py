"""otbtf:polygonclassstatistics."""

from __future__ import annotations

from qgis.core import QgsProcessingOutputNumber

from ..core.operations.polygonclassstatistics import PolygonClassStatistics as Operation
from .base import OtbtfAlgorithm
from .translate import tr


class PolygonClassStatistics(OtbtfAlgorithm):
    """Numbers of pixels by class and by feature."""

    OPERATION = Operation
    GROUP = "sampling"

    def displayName(self):
        return tr("Count the pixels of classes")

    def description(self):
        return tr(
            "Counts the pixels of the image under each polygon, line and point of a training layer, and sums them up by "
            "class. Each feature counts for itself, where several overlap too.\n\n"
            "The XML file is the one that OTB's SampleSelection reads, and ours; the same numbers come as a table, too."
        )

    def initAlgorithm(self, configuration=None):
        super().initAlgorithm(configuration)
        self.addOutput(QgsProcessingOutputNumber("SAMPLES", tr("Number of pixels")))
        self.addOutput(QgsProcessingOutputNumber("CLASSES", tr("Number of classes")))
