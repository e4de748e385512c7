"""otbtf:patchesmosaic."""

from __future__ import annotations

from qgis.core import QgsProcessingOutputNumber

from ..core.operations.patchesmosaic import PatchesMosaic as Operation
from .base import OtbtfAlgorithm
from .translate import tr


class PatchesMosaic(OtbtfAlgorithm):
    """Patches side by side, to look at."""

    OPERATION = Operation
    GROUP = "sampling"

    def displayName(self):
        return tr("Show patches as a mosaic")

    def description(self):
        return tr(
            "Lays some patches of a patches image out side by side as one picture, each with its label below, for a look "
            "at the data before training on them."
        )

    def initAlgorithm(self, configuration=None):
        super().initAlgorithm(configuration)
        self.addOutput(QgsProcessingOutputNumber("PATCHES", tr("Number of patches shown")))
