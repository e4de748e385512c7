"""otbtf:tensorboard."""

from __future__ import annotations

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtGui import QDesktopServices

from ..core.operations.tensorboard import TensorBoard as Operation
from .base import OtbtfAlgorithm
from .translate import tr


class TensorBoard(OtbtfAlgorithm):
    """Curves of trainings in the browser."""

    OPERATION = Operation

    _address = ""

    def _run(self, values, progress):
        if QgsApplication.platform() == "qgis_process":
            return super()._run(values, progress)  # what it starts would end with it
        self._address = self.provider().open_tensorboard(values, progress, progress.poll)
        progress.info(tr("TensorBoard: {}").format(self._address))
        return {"address": self._address}

    def postProcessAlgorithm(self, context, feedback):
        # In the main thread, to which the desktop belongs. A script without one gets the address alone.
        if self._address and QgsApplication.platform() == "desktop":
            QDesktopServices.openUrl(QUrl(self._address))
        return {}
