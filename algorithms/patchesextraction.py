"""otbtf:patchesextraction."""

from __future__ import annotations

from qgis.core import QgsProcessingOutputNumber, QgsProcessingOutputString

from ..core.operations.patchesextraction import PatchesExtraction as Operation
from .base import OtbtfAlgorithm
from .layerclasses import categories_of, complete_patches
from .translate import tr


class PatchesExtraction(OtbtfAlgorithm):
    """Patches around points."""

    OPERATION = Operation
    GROUP = "sampling"

    def displayName(self):
        return tr("Extract patches")

    def description(self):
        return tr(
            "Cuts a patch around each point out of one or several sources, for training. The patches of a source are "
            "stacked in one image, as wide as a patch, with a JSON beside it that says what it holds; the labels become "
            "an image one pixel wide; both can go to TFRecords as well.\n\n"
            "Sources may have different pixel sizes. A point is left out where its patch does not lie inside every "
            "source or holds no-data; how many are left out and why is reported."
        )

    def initAlgorithm(self, configuration=None):
        super().initAlgorithm(configuration)
        self.addOutput(QgsProcessingOutputNumber("PATCHES", tr("Number of patches")))
        self.addOutput(QgsProcessingOutputNumber("REJECTED", tr("Number of features left out")))
        self.addOutput(QgsProcessingOutputString("REASONS", tr("Why they were left out, as JSON")))

    def prepareAlgorithm(self, parameters, context, feedback):
        layer = self.parameterAsVectorLayer(parameters, "VEC", context)
        self._categories = categories_of(layer, self.parameterAsString(parameters, "FIELD", context))
        return super().prepareAlgorithm(parameters, context, feedback)

    def processAlgorithm(self, parameters, context, feedback):
        results = super().processAlgorithm(parameters, context, feedback)
        complete_patches(results, self._categories)
        return results
