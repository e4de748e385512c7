"""OTBTF's entries in QGIS's Plugins menu: what people look for first."""

from __future__ import annotations

from qgis.PyQt import sip
from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtGui import QDesktopServices, QIcon
from qgis.PyQt.QtWidgets import QAction

from ..algorithms.base import ICONS
from ..algorithms.helppages import start_page
from ..algorithms.translate import tr

NAME = "OTBTF"


class Menu:
    """Opens the first page of the help, and the dialogs that a first session needs.

    The last entry installs the engine, or reports on the one that is there.

    Args:
        iface: the application's interface.
        provider: the plugin's provider.
    """

    def __init__(self, iface, provider):
        self._iface, self._provider = iface, provider
        self._actions = [
            self._add(tr("Start here"), "icon", self._open_start_page),
            self._add(tr("Create example data…"), "start", lambda: open_dialog("otbtf:createexampledata")),
            self._add(tr("Make a land cover map…"), "start", lambda: open_dialog("otbtf:landcovermap")),
            self._add(tr("Serve a model…"), "inference", lambda: open_dialog("otbtf:tensorflowmodelserve")),
            self._add(tr("Install engine…"), "engine", self._open_engine),
        ]
        self._menu = iface.pluginMenu()
        self._menu.aboutToShow.connect(self._name_engine)

    def remove(self):
        """Take the entries out of the menu."""
        if not sip.isdeleted(self._menu):
            self._menu.aboutToShow.disconnect(self._name_engine)
        for action in self._actions:
            if not sip.isdeleted(action):  # the main window, whose they are, may be gone
                self._iface.removePluginMenu(NAME, action)

    def _add(self, text, icon, work):
        action = QAction(QIcon(str(ICONS / f"{icon}.svg")), text, self._iface.mainWindow())
        action.triggered.connect(lambda: work())
        self._iface.addPluginToMenu(NAME, action)
        return action

    def _name_engine(self):
        """Say what the last entry does, before the menu shows."""
        there = not self._provider.engine_problem()
        self._actions[-1].setText(tr("Engine report…") if there else tr("Install engine…"))

    def _open_engine(self):
        there = not self._provider.engine_problem()
        open_dialog("otbtf:enginereport" if there else "otbtf:installengine")

    def _open_start_page(self):
        address = start_page()
        if address:
            QDesktopServices.openUrl(QUrl(address))
        else:
            self._iface.messageBar().pushWarning(
                NAME, tr("This copy of the plugin has no help pages: install its zip.")
            )


def open_dialog(algorithm: str) -> None:
    """Open the dialog of an algorithm, by its id."""
    from processing import execAlgorithmDialog  # the Processing plugin may load after this one

    execAlgorithmDialog(algorithm)
