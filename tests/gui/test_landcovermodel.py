"""The toolbox's entry that opens a copy of the land cover model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processing.core.ProcessingConfig import ProcessingConfig
from processing.gui.ProviderActions import ProviderContextMenuActions
from processing.modeler.ModelerDialog import ModelerDialog
from processing.modeler.ModelerUtils import ModelerUtils
from qgis.core import QgsApplication

from otbtf_qgis.gui.modelaction import EditCopy
from otbtf_qgis.plugin import OtbtfPlugin


@pytest.fixture
def folder(plugin: OtbtfPlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the user's models; the designer does without a main window."""
    monkeypatch.setattr("processing.modeler.ModelerDialog.iface", None)
    before = ModelerUtils.modelsFolders()
    ProcessingConfig.setSettingValue(ModelerUtils.MODELS_FOLDER, str(tmp_path))
    yield tmp_path
    ProcessingConfig.setSettingValue(ModelerUtils.MODELS_FOLDER, ";".join(before))
    QgsApplication.processingRegistry().providerById("model").refreshAlgorithms()


def test_a_copy_opens_in_the_designer(folder: Path, screenshot: Any, qgis_iface: Any) -> None:
    action = EditCopy(qgis_iface.messageBar())
    registry = QgsApplication.processingRegistry()
    try:
        assert action in ProviderContextMenuActions.actions
        action.setData(registry.algorithmById("otbtf:landcovermap"), None)
        assert not action.isEnabled()
        action.setData(registry.algorithmById("otbtf:landcovermodel"), None)
        assert action.isEnabled()
        action.execute()
    finally:
        action.remove()
    assert action not in ProviderContextMenuActions.actions
    path = str(folder / "landcovermodel.model3")
    assert Path(path).is_file()
    dialog = ModelerDialog.dlgs[-1]
    try:
        assert dialog.isVisible()
        steps = {child.algorithmId() for child in dialog.model().childAlgorithms().values()}
        assert "otbtf:tensorflowmodeltrain" in steps and len(steps) == 4
        assert dialog.model().sourceFilePath() == path
        screenshot(dialog, "landcovermodel")
    finally:
        dialog.close()
        ModelerDialog.dlgs.remove(dialog)
    assert QgsApplication.processingRegistry().algorithmById("model:landcovermodel") is not None
