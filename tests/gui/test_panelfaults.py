"""QGIS's own dialog stays, or opens, where the panel cannot be shown; the panel costs nothing before."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from application import TREE
from modeldialogs import SERVE, choose, value, wait_for
from processing.gui.AlgorithmDialog import AlgorithmDialog
from processing.gui.BatchAlgorithmDialog import BatchAlgorithmDialog
from qgis.core import QgsApplication
from qgis.PyQt.QtWidgets import QWidget

from otbtf_qgis.gui import dialogs, modelpanel
from otbtf_qgis.gui.dialogs import Dialogs
from otbtf_qgis.gui.fieldmenu import FieldMenu
from otbtf_qgis.plugin import LateDialogs, OtbtfPlugin


@pytest.fixture
def logged(qgis_app: QgsApplication) -> Iterator[list[str]]:
    lines: list[str] = []
    log = QgsApplication.messageLog()
    connection = log.messageReceived.connect(lambda text, tag, level: lines.append(text) if tag == "OTBTF" else None)
    yield lines
    log.messageReceived.disconnect(connection)


def test_without_what_is_expected_of_qgis_its_own_dialog_opens(
    open_dialog: Any, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> type:
        raise ImportError("no such dialog")

    class Strange(AlgorithmDialog):
        def mainWidget(self) -> QWidget:
            return QWidget()

    algorithm = QgsApplication.processingRegistry().createAlgorithmById(SERVE)
    for fault in (missing, lambda: Strange):
        monkeypatch.setattr(dialogs, "_dialog_class", fault)
        del logged[:]
        assert algorithm.createCustomParametersWidget(parent=None) is None
        assert any("without what OTBTF adds" in line for line in logged)


def test_a_form_that_cannot_be_told_leaves_the_dialog_of_qgis(
    plugin: OtbtfPlugin, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialogs, "form_of", lambda *_: 1 / 0)
    algorithm = QgsApplication.processingRegistry().createAlgorithmById(SERVE)
    assert Dialogs(plugin.provider, None).make(algorithm, None) is None
    assert "ZeroDivisionError" in logged[-1]


def test_starting_qgis_does_not_load_the_panel(models: Path) -> None:
    """Modules that only dialogs need are loaded with the first dialog."""
    script = """
import sys
from unittest.mock import MagicMock
from qgis.testing import start_app
start_app()
from qgis.PyQt.QtWidgets import QMainWindow
from otbtf_qgis.plugin import OtbtfPlugin
window = QMainWindow()
iface = MagicMock()
iface.mainWindow.return_value = window
plugin = OtbtfPlugin(iface)
plugin.initGui()
print([name for name in sys.modules if name.startswith("otbtf_qgis.gui.") and "panel" in name or "imagefit" in name])
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TREE), *sys.path]), "QT_QPA_PLATFORM": "offscreen"}
    run = [sys.executable, "-c", script]
    done = subprocess.run(run, env=environment, cwd=models, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr


def test_panel_modules_that_do_not_load_leave_the_dialog_of_qgis(
    plugin: OtbtfPlugin, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "otbtf_qgis.gui.dialogs", None)
    algorithm = QgsApplication.processingRegistry().createAlgorithmById(SERVE)
    assert LateDialogs(plugin.provider, None).make(algorithm, None) is None
    assert any("without what OTBTF adds" in line for line in logged)


def test_a_fault_of_the_panel_leaves_the_dialog(
    open_dialog: Any, models: Path, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dialog, panel = open_dialog(SERVE)
    monkeypatch.setattr(modelpanel.modeltext, "of_model", lambda *_: 1 / 0)
    choose(dialog, MODEL_DIR=models / "net")
    wait_for(lambda: logged, 30)
    assert "ZeroDivisionError" in logged[-1]
    assert not panel.isVisibleTo(panel.parentWidget())
    assert value(dialog, "MODEL_DIR") == str(models / "net")


def test_batch_keeps_the_dialog_of_qgis(open_dialog: Any) -> None:
    batch = BatchAlgorithmDialog(QgsApplication.processingRegistry().createAlgorithmById(SERVE))
    assert not batch.findChildren(FieldMenu)
    batch.deleteLater()
