"""The plugin in a QGIS application with a display (Xvfb, or Qt's offscreen platform)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from qgis.core import QgsApplication
from qgis.gui import QgsBrowserGuiModel, QgsLayerTreeView
from qgis.PyQt import sip
from qgis.PyQt.QtWidgets import QToolBar, QWidget

sys.path.append(str(Path(QgsApplication.pkgDataPath()) / "python" / "plugins"))

from modeldialogs import make_models
from processing.core.Processing import Processing
from processing.gui.AlgorithmDialog import AlgorithmDialog
from qgis.utils import iface

from otbtf_qgis.gui.dialogs import Dialogs
from otbtf_qgis.gui.modelpanel import ModelPanel
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


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models: `net` has a sidecar with classes, two.keras has none, unsafe.keras is refused."""
    folder = tmp_path_factory.mktemp("models")
    make_models(folder)
    return folder


@pytest.fixture
def open_dialog(plugin: OtbtfPlugin) -> Iterator[Callable[[str], tuple[AlgorithmDialog, ModelPanel]]]:
    """Opens a dialog as QGIS does, and returns it with its panel."""
    opened: list[AlgorithmDialog] = []
    plugin.provider.use_dialogs(Dialogs(plugin.provider, None).make)

    def open_(identifier: str) -> tuple[AlgorithmDialog, ModelPanel]:
        algorithm = QgsApplication.processingRegistry().createAlgorithmById(identifier)
        dialog = algorithm.createCustomParametersWidget(parent=None)
        opened.append(dialog)
        dialog.resize(1000, 900)
        dialog.show()
        return dialog, dialog.model_panel

    yield open_
    plugin.provider.use_dialogs(None)
    for dialog in opened:
        if sip.isdeleted(dialog):
            continue
        dialog.close()
        dialog.deleteLater()
