"""otbtf:extractroi."""

from __future__ import annotations

from qgis.core import QgsProcessingAlgorithm

from ..core.operations.extractroi import ExtractROI as Operation
from .base import OtbtfAlgorithm
from .translate import tr


class ExtractROI(OtbtfAlgorithm):
    """A part of an image."""

    OPERATION = Operation
    GROUP = "images"

    def displayName(self):
        return tr("Extract a region of an image (ExtractROI)")

    def description(self):
        return tr(
            "Writes a part of an image, with the keys of OTB's ExtractROI, for command lines that hold it. In "
            "dialogs use GDAL's clipping tools."
        )

    def flags(self):
        # In the toolbox QGIS's own tools do this.
        return (
            super().flags()
            | QgsProcessingAlgorithm.Flag.FlagHideFromToolbox
            | QgsProcessingAlgorithm.Flag.FlagHideFromModeler
        )
