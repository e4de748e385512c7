"""The dialogs that a user sees, and what they hand to the algorithms."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from osgeo import gdal
from processing.gui.AlgorithmDialog import AlgorithmDialog
from processing.gui.ConfigDialog import ConfigDialog
from qgis.core import QgsApplication, QgsProcessingContext, QgsProcessingParameterDefinition
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QImage
from qgis.PyQt.QtWidgets import QWidget

from otbtf_qgis.algorithms import algorithm_classes
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.plugin import OtbtfPlugin

Screenshot = Callable[[QWidget, str], Path]


@pytest.fixture
def image(tmp_path: Path) -> str:
    path = str(tmp_path / "image.tif")
    data = gdal.GetDriverByName("GTiff").Create(path, 8, 6, 1, gdal.GDT_Byte)
    data.SetGeoTransform((1000, 10, 0, 2000, 0, -10))
    data.GetRasterBand(1).WriteRaster(0, 0, 8, 6, bytes(range(48)))
    return path


class SlowEngine:
    """Stands where the engine does: reports progress for a while, and notes what it is asked."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.steps = 5

    def warm(self) -> None: ...

    def stop(self) -> None: ...

    def run(
        self, operation: str, values: Mapping[str, Any], progress: Progress, poll: Callable[[], None]
    ) -> dict[str, Any]:
        self.requests.append(dict(values))
        for step in range(self.steps):
            progress.check()
            progress.fraction((step + 1) / self.steps)
            time.sleep(0.02)
        return {}


@pytest.fixture
def engine(plugin: OtbtfPlugin, monkeypatch: pytest.MonkeyPatch) -> SlowEngine:
    engine = SlowEngine()
    monkeypatch.setattr(plugin.provider, "_engine", engine)
    monkeypatch.setenv("OTBTF_PYTHON", sys.executable)
    return engine


@pytest.fixture
def open_dialog(plugin: OtbtfPlugin) -> Iterator[Callable[[str], AlgorithmDialog]]:
    opened: list[AlgorithmDialog] = []

    def open_(identifier: str) -> AlgorithmDialog:
        dialog = AlgorithmDialog(QgsApplication.processingRegistry().createAlgorithmById(identifier))
        dialog.resize(1000, 900)
        dialog.show()
        opened.append(dialog)
        return dialog

    yield open_
    for dialog in opened:
        dialog.close()
        dialog.deleteLater()


def run(dialog: AlgorithmDialog) -> list[bool]:
    """Press Run and wait for the end; return whether it succeeded, in a list that is empty if it never began."""
    outcome: list[bool] = []
    dialog.algorithmFinished.connect(lambda ok, results: outcome.append(ok))
    dialog.runAlgorithm()
    end = time.monotonic() + 20
    while not outcome and time.monotonic() < end:
        QgsApplication.processEvents()
        time.sleep(0.01)
    return outcome


def colours(path: Path) -> int:
    image = QImage(str(path))
    return len({image.pixel(x, y) for x in range(0, image.width(), 7) for y in range(0, image.height(), 7)})


@pytest.mark.parametrize("name", [algorithm.OPERATION.__name__.lower() for algorithm in algorithm_classes()])
def test_every_dialog_opens(open_dialog: Callable[[str], AlgorithmDialog], screenshot: Screenshot, name: str) -> None:
    dialog = open_dialog(f"otbtf:{name}")
    assert colours(screenshot(dialog, name)) > 3  # it is not blank
    wrappers = dialog.mainWidget().wrappers
    for parameter in dialog.algorithm().parameterDefinitions():
        hidden = bool(parameter.flags() & QgsProcessingParameterDefinition.Flag.FlagHidden)
        assert (parameter.name() in wrappers) is not hidden


def test_what_a_dialog_sends_passes_the_check(
    engine: SlowEngine, open_dialog: Callable[[str], AlgorithmDialog], image: str
) -> None:
    dialog = open_dialog("otbtf:tensorflowmodelserve")
    dialog.setParameters({"SOURCE1_IL": [image], "MODEL_DIR": "model", "OUT": "/tmp/o.tif"})
    parameters = dialog.createProcessingParameters()
    ok, message = dialog.algorithm().checkParameterValues(parameters, QgsProcessingContext())
    assert (ok, message) == (True, "")
    ok, message = dialog.algorithm().checkParameterValues({**parameters, "MODEL_DIR": None}, QgsProcessingContext())
    assert not ok
    assert "MODEL_DIR" in message


def test_running_from_the_dialog(
    engine: SlowEngine, open_dialog: Callable[[str], AlgorithmDialog], screenshot: Screenshot, tmp_path: Path
) -> None:
    """Only what the user set reaches core, apart from defaults; and the progress is the task manager's."""
    dialog = open_dialog("otbtf:enginereport")
    dialog.setParameters({"OUT_HTML": None, "OUT_JSON": str(tmp_path / "r.json")})
    shown: list[float] = []
    manager = QgsApplication.taskManager()
    connection = manager.progressChanged.connect(lambda task, progress: shown.append(progress))
    try:
        assert run(dialog) == [True]
    finally:
        manager.progressChanged.disconnect(connection)
    assert engine.requests == [{"out.json": str(tmp_path / "r.json")}]
    assert any(0 < value < 100 for value in shown)
    screenshot(dialog, "enginereport_log")


def test_serving_from_the_dialog(engine: SlowEngine, open_dialog: Callable[[str], AlgorithmDialog], image: str) -> None:
    """Dialogs send the defaults of all parameters shown: the second source is not in use by that."""
    dialog = open_dialog("otbtf:tensorflowmodelserve")
    dialog.setParameters({"SOURCE1_IL": [image], "MODEL_DIR": "model", "OUT": "TEMPORARY_OUTPUT"})
    run(dialog)  # there is no output to load, so QGIS says that it failed
    request = engine.requests[0]
    assert request["source1.il"] == [image]
    assert [key for key in request if key.startswith("source2")] == []
    assert (request["out.pixeltype"], request["device"]) == ("auto", "auto")


def test_options_page(plugin: OtbtfPlugin, screenshot: Screenshot) -> None:
    page = ConfigDialog()
    page.resize(900, 500)
    page.tree.expandAll()
    group = page.model.findItems("OTBTF", Qt.MatchFlag.MatchExactly | Qt.MatchFlag.MatchRecursive)[-1]
    page.show()
    page.tree.scrollTo(group.index(), page.tree.ScrollHint.PositionAtTop)
    screenshot(page, "options")
    names = {setting.name for setting in page.items if setting.group == "OTBTF"}
    assert names == {"OTBTF_INTERPRETER", "OTBTF_SOURCES", "OTBTF_MEMORY", "OTBTF_DEVICE"}
    page.close()
