"""otbtf:densepolygonclassstatistics."""

from __future__ import annotations

from qgis.core import QgsProcessingOutputNumber

from ..core.operations.densepolygonclassstatistics import DensePolygonClassStatistics as Operation
from .base import OtbtfAlgorithm
from .translate import tr


class DensePolygonClassStatistics(OtbtfAlgorithm):
    """Numbers of pixels by class and by feature."""

    OPERATION = Operation
    GROUP = "sampling"

    def displayName(self):
        return tr("Count the pixels of classes, each once")

    def description(self):
        return tr(
            "Counts the pixels of the image under each polygon of a training layer, and sums them up by class. A pixel "
            "under several polygons counts once, for the last of them.\n\n"
            "The XML file is the one that OTB's SampleSelection reads, and ours; the same numbers come as a table, too."
        )

    def initAlgorithm(self, configuration=None):
        super().initAlgorithm(configuration)
        self.addOutput(QgsProcessingOutputNumber("SAMPLES", tr("Number of pixels")))
        self.addOutput(QgsProcessingOutputNumber("CLASSES", tr("Number of classes")))
