"""otbtf:superimpose."""

from __future__ import annotations

from qgis.core import QgsProcessingAlgorithm

from ..core.operations.superimpose import Superimpose as Operation
from .base import OtbtfAlgorithm
from .translate import tr


class Superimpose(OtbtfAlgorithm):
    """An image on the grid of another."""

    OPERATION = Operation
    GROUP = "images"

    def displayName(self):
        return tr("Bring an image to the grid of another (Superimpose)")

    def description(self):
        return tr(
            "Interpolates an image on the grid of another, with the keys of OTB's Superimpose, for command lines "
            "that hold it. In dialogs use GDAL's warping tool."
        )

    def flags(self):
        # In the toolbox QGIS's own tools do this.
        return (
            super().flags()
            | QgsProcessingAlgorithm.Flag.FlagHideFromToolbox
            | QgsProcessingAlgorithm.Flag.FlagHideFromModeler
        )
