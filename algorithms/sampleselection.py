"""otbtf:sampleselection."""

from __future__ import annotations

from qgis.core import QgsProcessingOutputNumber, QgsProcessingOutputString

from ..core.operations.sampleselection import SampleSelection as Operation
from .base import OtbtfAlgorithm
from .classstyle import style_by_result
from .layerclasses import categories_of, with_categories
from .translate import tr


class SampleSelection(OtbtfAlgorithm):
    """Points on the pixels of polygons, lines and points that have a class."""

    OPERATION = Operation
    GROUP = "sampling"

    def displayName(self):
        return tr("Select samples from polygons")

    def description(self):
        return tr(
            "Chooses pixels of the image under polygons, lines or points that have a class, so many of each class, and "
            "writes points there with the attributes of the feature and its id: ready for PatchesExtraction and "
            "SampleExtraction.\n\n"
            "Parameters, numbers and positions are those of OTB's SampleSelection. The statistics of "
            "PolygonClassStatistics are computed on the way where they are not given."
        )

    def initAlgorithm(self, configuration=None):
        super().initAlgorithm(configuration)
        self.addOutput(QgsProcessingOutputNumber("SAMPLES", tr("Number of samples")))
        self.addOutput(QgsProcessingOutputNumber("CLASSES", tr("Number of classes")))
        self.addOutput(QgsProcessingOutputString("FIELD", tr("Class field of the output")))
        self.addOutput(QgsProcessingOutputString("LEGEND", tr("Classes, their names, colours and samples, as JSON")))

    def prepareAlgorithm(self, parameters, context, feedback):
        layer = self.vector_layer(parameters, "VEC", context)
        self._categories = categories_of(layer, self.parameterAsString(parameters, "FIELD", context))
        return super().prepareAlgorithm(parameters, context, feedback)

    def processAlgorithm(self, parameters, context, feedback):
        results = super().processAlgorithm(parameters, context, feedback)
        with_categories(results, self._categories)
        return results

    @staticmethod
    def style(output, layer, results):
        style_by_result(layer, results["FIELD"], results)
