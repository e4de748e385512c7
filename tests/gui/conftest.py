"""The plugin in a QGIS application with a display (Xvfb, or Qt's offscreen platform)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from qgis.core import QgsApplication
from qgis.gui import QgsBrowserGuiModel, QgsLayerTreeView
from qgis.PyQt.QtWidgets import QToolBar, QWidget

sys.path.append(str(Path(QgsApplication.pkgDataPath()) / "python" / "plugins"))

from processing.core.Processing import Processing
from qgis.utils import iface

from otbtf_qgis.plugin import OtbtfPlugin

# What Processing's dialogs ask of the application's main window, as of 3.22 to 3.44.
_browser, _toolbar, _layers = QgsBrowserGuiModel(), QToolBar(), QgsLayerTreeView()
iface.browserModel = lambda: _browser
iface.selectionToolBar = lambda: _toolbar
iface.layerTreeView = lambda: _layers


@pytest.fixture(scope="session")
def plugin(qgis_app: QgsApplication, qgis_iface: Any) -> Iterator[OtbtfPlugin]:
    Processing.initialize()
    plugin = OtbtfPlugin(qgis_iface)
    plugin.initProcessing()
    yield plugin
    plugin.unload()


@pytest.fixture
def screenshot(qgis_app: QgsApplication, pytestconfig: pytest.Config) -> Callable[[QWidget, str], Path]:
    """Saves a picture of a widget as build/screenshots/NAME.png, for people to look at."""
    # Beside pytest's cache, since the sources may be read-only.
    folder = pytestconfig.rootpath / Path(pytestconfig.getini("cache_dir")).parent / "screenshots"

    def save(widget: QWidget, name: str) -> Path:
        widget.show()
        QgsApplication.processEvents()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.png"
        assert widget.grab().save(str(path))
        return path

    return save
