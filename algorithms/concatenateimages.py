"""otbtf:concatenateimages."""

from __future__ import annotations

from qgis.core import QgsProcessingAlgorithm

from ..core.operations.concatenateimages import ConcatenateImages as Operation
from .base import OtbtfAlgorithm
from .translate import tr


class ConcatenateImages(OtbtfAlgorithm):
    """Images as the bands of one."""

    OPERATION = Operation
    GROUP = "images"

    def displayName(self):
        return tr("Stack images as bands (ConcatenateImages)")

    def description(self):
        return tr(
            "Writes the bands of several images into one, with the keys of OTB's ConcatenateImages, for command "
            "lines that hold it. In dialogs several images can be given to each source as they are."
        )

    def flags(self):
        # In the toolbox QGIS's own tools do this.
        return (
            super().flags()
            | QgsProcessingAlgorithm.Flag.FlagHideFromToolbox
            | QgsProcessingAlgorithm.Flag.FlagHideFromModeler
        )
