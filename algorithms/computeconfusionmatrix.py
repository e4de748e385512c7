"""otbtf:computeconfusionmatrix."""

from __future__ import annotations

import json

from qgis.core import QgsProcessingOutputNumber, QgsProcessingOutputString

from ..core.operations.computeconfusionmatrix import ComputeConfusionMatrix as Operation
from .base import OtbtfAlgorithm
from .layerclasses import categories_of, palette_of
from .translate import tr


class ComputeConfusionMatrix(OtbtfAlgorithm):
    """How good a map is."""

    OPERATION = Operation
    GROUP = "inference"

    def displayName(self):
        return tr("Assess the accuracy of a map")

    def description(self):
        return tr(
            "Compares a map of classes with a reference (a raster, points, lines or polygons) and writes the confusion "
            "matrix and a report: precision, recall and F-score of each class, kappa, overall accuracy, and accuracies "
            "and areas adjusted for what each class covers, with 95 % confidence intervals (Olofsson et al., 2014).\n\n"
            "Parameters and the matrix are those of OTB's ComputeConfusionMatrix. Unlike there, a class that occurs in "
            "the map alone counts in the scores too."
        )

    def initAlgorithm(self, configuration=None):
        super().initAlgorithm(configuration)
        self.parameterDefinition("OUT_REPORT").setCreateByDefault(True)  # it is shown in the results viewer
        for name, label in (
            ("KAPPA", tr("Kappa")),
            ("OVERALL_ACCURACY", tr("Overall accuracy")),
            ("F1_MACRO", tr("Mean F-score of the classes")),
            ("OVERALL_ACCURACY_ADJUSTED", tr("Overall accuracy, adjusted for area")),
            ("OVERALL_ACCURACY_ADJUSTED_CI", tr("Half of its 95 % confidence interval")),
            ("SAMPLES", tr("Number of pixels or points compared")),
        ):
            self.addOutput(QgsProcessingOutputNumber(name, label))
        self.addOutput(QgsProcessingOutputString("CLASSES", tr("Scores and areas of each class, as JSON")))

    def prepareAlgorithm(self, parameters, context, feedback):
        prepared = super().prepareAlgorithm(parameters, context, feedback)
        layer = self.vector_layer(parameters, "REF_VECTOR_IN", context)
        styles = [categories_of(layer, self.parameterAsString(parameters, "REF_VECTOR_FIELD", context))]
        for raster in ("REF_RASTER_IN", "IN"):
            styles.append(palette_of(self.parameterAsRasterLayer(parameters, raster, context)))
        names = {value: entry["name"] for style in styles for value, entry in style.items() if value and entry["name"]}
        if names:
            self._inputs.setdefault("class.names", json.dumps(names, ensure_ascii=False))
        return prepared
