"""otbtf:managenodata."""

from __future__ import annotations

from qgis.core import QgsProcessingAlgorithm

from ..core.operations.managenodata import ManageNoData as Operation
from .base import OtbtfAlgorithm
from .translate import tr


class ManageNoData(OtbtfAlgorithm):
    """Masks and values of no-data."""

    OPERATION = Operation
    GROUP = "images"

    def displayName(self):
        return tr("Manage no-data pixels (ManageNoData)")

    def description(self):
        return tr(
            "Makes a mask of no-data pixels, gives them a new value, or applies a mask, with the keys of OTB's "
            "ManageNoData, for command lines that hold it."
        )

    def flags(self):
        # In the toolbox QGIS's own tools do this.
        return (
            super().flags()
            | QgsProcessingAlgorithm.Flag.FlagHideFromToolbox
            | QgsProcessingAlgorithm.Flag.FlagHideFromModeler
        )
