"""otbtf:landcovermap."""

from __future__ import annotations

import json

from qgis.core import QgsProcessingOutputNumber, QgsProcessingOutputString

from ..core.operations.landcovermap import LandCoverMap as Operation
from .base import OtbtfAlgorithm
from .layerclasses import categories_of, palette_of
from .styling import style_classes
from .translate import tr


class LandCoverMap(OtbtfAlgorithm):
    """Images and labels to a map."""

    OPERATION = Operation
    GROUP = "training"

    def displayName(self):
        return tr("Make a land cover map")

    def description(self):
        return tr(
            "Learns from labels what each class looks like, and maps the whole image: chooses samples, holds some back for "
            "validation in other places, cuts patches, trains a network, applies it to the image and tells how good it "
            "is.\n\n"
            "Labels are a raster, or polygons, lines or points with a field that holds the class. Sparse labels train a "
            "network that looks at a patch around each pixel; dense ones, which cover much of the image, one that learns "
            "all pixels of a tile together. The steps are those of labelimagesampleselection or sampleselection, "
            "patchesextraction, tensorflowmodeltrain and tensorflowmodelserve, where each can be done by hand with all "
            "parameters."
        )

    def initAlgorithm(self, configuration=None):
        super().initAlgorithm(configuration)
        self.parameterDefinition("MODEL_SAVETO").setCreateByDefault(True)
        self.parameterDefinition("OUT_REPORT").setCreateByDefault(True)  # it is shown in the results viewer
        for name, label in (
            ("KAPPA", tr("Kappa of the validation")),
            ("OVERALL_ACCURACY", tr("Overall accuracy of the validation")),
            ("F1_MACRO", tr("Mean F-score of the classes in the validation")),
            ("SAMPLES_TRAINING", tr("Number of patches or tiles for training")),
            ("SAMPLES_VALIDATION", tr("Number of patches or tiles for validation")),
            ("EPOCHS_RUN", tr("Epochs that were trained")),
        ):
            self.addOutput(QgsProcessingOutputNumber(name, label))
        self.addOutput(QgsProcessingOutputString("MODE", tr("Mode that was taken")))

    def prepareAlgorithm(self, parameters, context, feedback):
        prepared = super().prepareAlgorithm(parameters, context, feedback)
        vector = self.vector_layer(parameters, "LABELS_VECTOR", context)
        found = categories_of(vector, self.parameterAsString(parameters, "LABELS_FIELD", context))
        found.update(palette_of(self.parameterAsRasterLayer(parameters, "LABELS_RASTER", context)))
        if found:
            self._inputs.setdefault("legend", json.dumps(found, ensure_ascii=False))
        return prepared

    @staticmethod
    def style(output, layer, results):
        style_classes(layer, results["CLASSES"])
