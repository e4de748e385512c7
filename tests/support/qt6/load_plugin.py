"""Load the plugin as a QGIS built with Qt 6 would, and print as JSON what came of it.

Started by tests/core/whole/test_qt6.py, with PyQt6, the stubs beside this file and our package on the path.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys

from qgis.core import QgsApplication
from qgis.PyQt.QtSvg import QSvgRenderer
from qgis.PyQt.QtWidgets import QApplication, QMainWindow, QMenu

import otbtf_qgis

application = QApplication([])


class Interface:
    """What the plugin asks of the application."""

    def __init__(self):
        self.window, self.menu, self.entries = QMainWindow(), QMenu(), []

    def mainWindow(self):
        return self.window

    def pluginMenu(self):
        return self.menu

    def messageBar(self):
        return None  # nothing is said

    def addPluginToMenu(self, name, action):
        self.entries.append(action.text())

    def removePluginMenu(self, name, action):
        self.entries.remove(action.text())


def plugin_side() -> list[str]:
    """Import all modules but those of core, and return their names."""
    names = [module.name for module in pkgutil.walk_packages(otbtf_qgis.__path__, "otbtf_qgis.")]
    names = [name for name in names if name.split(".")[1] not in ("core", "resources")]
    for name in names:
        importlib.import_module(name)
    return names


interface = Interface()
plugin = otbtf_qgis.classFactory(interface)
plugin.initGui()
provider = plugin.provider
for algorithm in provider.algorithms:
    if algorithm.__class__.__module__.startswith("otbtf_qgis"):
        algorithm.displayName(), algorithm.shortHelpString(), algorithm.icon()
found = {
    "modules": plugin_side(),
    "algorithms": [type(algorithm).__name__ for algorithm in provider.algorithms],
    "entries": list(interface.entries),
    "icon": QSvgRenderer(provider.svgIconPath()).isValid() and not provider.icon().isNull(),
}
plugin.unload()
found["left"] = [interface.entries, list(QgsApplication.processingRegistry().providers)]
found["other Qt"] = [name for name in sys.modules if name.startswith("PyQt5")]
print(json.dumps(found))
