"""OTBTF's entries in QGIS's Plugins menu."""

from __future__ import annotations

from qgis.PyQt import sip
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import QAction

from ..algorithms.base import ICONS
from ..algorithms.translate import tr
from ..provider import MODELS
from .models import edit_copy

NAME = "OTBTF"
LAND_COVER_MODEL = MODELS / "landcovermodel.model3"


class Menu:
    """Opens the dialogs of the engine's algorithms, and a copy of the land cover model.

    Args:
        iface: the application's interface.
    """

    def __init__(self, iface):
        self._iface = iface
        self._actions = [
            self._add(tr("Install engine…"), "engine", lambda: _open("otbtf:installengine")),
            self._add(tr("Engine report…"), "engine", lambda: _open("otbtf:enginereport")),
            self._add(tr("Copy the land cover model into my models and open it"), "models", self._edit_model),
        ]

    def remove(self):
        """Take the entries out of the menu."""
        for action in self._actions:
            if not sip.isdeleted(action):  # the main window, whose they are, may be gone
                self._iface.removePluginMenu(NAME, action)

    def _add(self, text, icon, work):
        action = QAction(QIcon(str(ICONS / f"{icon}.svg")), text, self._iface.mainWindow())
        action.triggered.connect(lambda: work())
        self._iface.addPluginToMenu(NAME, action)
        return action

    def _edit_model(self):
        try:
            path = edit_copy(LAND_COVER_MODEL)
        except OSError as error:
            self._iface.messageBar().pushWarning(NAME, tr("The model could not be copied: {}").format(error))
            return
        self._iface.messageBar().pushInfo(NAME, tr("The model is now among your models: {}").format(path))


def _open(algorithm: str) -> None:
    from processing import execAlgorithmDialog  # the Processing plugin may load after this one

    execAlgorithmDialog(algorithm)
