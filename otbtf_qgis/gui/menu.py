"""OTBTF's entries in QGIS's Plugins menu."""

from __future__ import annotations

from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import QAction

from ..algorithms.base import ICONS
from ..algorithms.translate import tr

NAME = "OTBTF"


class Menu:
    """Opens the dialogs of the engine's algorithms.

    Args:
        iface: the application's interface.
    """

    def __init__(self, iface):
        self._iface = iface
        self._actions = [
            self._add(tr("Install engine…"), "otbtf:installengine"),
            self._add(tr("Engine report…"), "otbtf:enginereport"),
        ]

    def remove(self):
        """Take the entries out of the menu."""
        for action in self._actions:
            self._iface.removePluginMenu(NAME, action)

    def _add(self, text, algorithm):
        action = QAction(QIcon(str(ICONS / "engine.svg")), text, self._iface.mainWindow())
        action.triggered.connect(lambda: _open(algorithm))
        self._iface.addPluginToMenu(NAME, action)
        return action


def _open(algorithm: str) -> None:
    from processing import execAlgorithmDialog  # the Processing plugin may load after this one

    execAlgorithmDialog(algorithm)
