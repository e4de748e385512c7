"""otbtf:sampleextraction."""

from __future__ import annotations

from qgis.core import QgsProcessingOutputNumber, QgsProcessingOutputString

from ..core.operations.sampleextraction import SampleExtraction as Operation
from .base import OtbtfAlgorithm
from .classstyle import style_by_result
from .translate import tr


class SampleExtraction(OtbtfAlgorithm):
    """Pixel values as attributes of points."""

    OPERATION = Operation
    GROUP = "sampling"

    def displayName(self):
        return tr("Extract pixel values under points")

    def description(self):
        return tr(
            "Writes the points again with the values of the image's bands under them, in the fields value_0, value_1 and "
            "so on. Parameters are those of OTB's SampleExtraction; the points are reprojected to the image."
        )

    def initAlgorithm(self, configuration=None):
        super().initAlgorithm(configuration)
        self.addOutput(QgsProcessingOutputNumber("SAMPLES", tr("Number of points")))
        self.addOutput(QgsProcessingOutputNumber("OUTSIDE", tr("Number of points outside the image")))
        self.addOutput(QgsProcessingOutputString("FIELD", tr("Class field of the output")))
        self.addOutput(QgsProcessingOutputString("LEGEND", tr("Classes, their names and colours, as JSON")))

    @staticmethod
    def style(output, layer, results):
        if "FIELD" in results:
            style_by_result(layer, results["FIELD"], results)
