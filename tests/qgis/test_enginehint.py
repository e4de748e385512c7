"""The message bar that offers to install the engine."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from qgis.core import QgsSettings
from qgis.gui import QgsMessageBar
from qgis.PyQt.QtCore import QCoreApplication
from qgis.PyQt.QtWidgets import QPushButton

from otbtf_qgis.core.machine.installing import MARKER, _needs, engine_python
from otbtf_qgis.gui import enginehint
from otbtf_qgis.gui.enginehint import HIDDEN, EngineHint
from otbtf_qgis.provider import OtbtfProvider


class Window:
    """What the hint asks of the application."""

    def __init__(self) -> None:
        self.bar = QgsMessageBar()

    def messageBar(self) -> QgsMessageBar:
        return self.bar


@pytest.fixture
def folder(provider: OtbtfProvider, no_engine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the engine is looked for; there is none."""
    monkeypatch.setattr(provider, "engine_folder", lambda: str(tmp_path / "profile" / "engine"))
    return tmp_path / "profile" / "engine"


@pytest.fixture
def started(provider: OtbtfProvider, folder: Path) -> Iterator[Callable[[], QgsMessageBar]]:
    """Starts a session, and returns its message bar."""
    hints = []

    def start() -> QgsMessageBar:
        window = Window()
        hints.append((EngineHint(window, provider), window))
        assert window.bar.currentItem() is None  # not before the application is there
        QCoreApplication.processEvents()
        return window.bar

    yield start
    for hint, _ in hints:
        hint.remove()
    QgsSettings().remove(HIDDEN)


def words(bar: QgsMessageBar) -> str:
    return bar.currentItem().text()


def button(bar: QgsMessageBar, text: str) -> QPushButton:
    return next(item for item in bar.currentItem().findChildren(QPushButton) if item.text() == text)


def make(folder: Path, packages: list[str] | None) -> None:
    """Make what looks like an engine, made for these packages; None for one of before they were noted."""
    python = engine_python(folder)
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    marks = {"gpu": False} if packages is None else {"gpu": False, "packages": packages}
    (folder / MARKER).write_text(json.dumps(marks), encoding="utf-8")


def test_size_time_and_place_are_told_once_a_session(started: Any, folder: Path) -> None:
    bar = started()
    text = words(bar)
    assert "0.4 GB" in text and "2 GB" in text and "minutes" in text and len(text) < 100
    assert str(folder) in bar.currentItem().toolTip()
    assert len(bar.items()) == 1
    assert started().items()  # the next session


def test_it_is_not_shown_again_once_told_so(started: Any) -> None:
    bar = started()
    button(bar, "Do not show again").click()
    assert not bar.items()
    assert not started().items()


def test_the_button_installs_and_the_bar_goes_with_success(
    started: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(enginehint, "open_dialog", opened.append)
    bar = started()
    button(bar, "Install engine…").click()  # the dialog is closed without success
    assert opened == ["otbtf:installengine"] and bar.items()
    monkeypatch.setattr(enginehint, "open_dialog", lambda name: make(folder, _needs(sys.version_info[:2], ())))
    button(bar, "Install engine…").click()
    assert not bar.items()
    assert not started().items()


def test_an_engine_of_another_version_is_updated(started: Any, folder: Path) -> None:
    make(folder, None)
    bar = started()
    assert "needs more packages" in words(bar)
    assert button(bar, "Update engine…")


def test_an_interrupted_installation(started: Any, folder: Path) -> None:
    folder.mkdir(parents=True)
    bar = started()
    assert "was interrupted" in words(bar) and button(bar, "Install engine…")


def test_a_profile_that_cannot_be_written(started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write everything
    bar = started()
    assert "the profile cannot be written" in words(bar)
    assert [item.text() for item in bar.currentItem().findChildren(QPushButton)] == ["Do not show again"]


def test_an_interpreter_that_is_none_is_told(started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTBTF_PYTHON", "/nowhere/python")
    bar = started()
    assert "OTBTF_PYTHON is /nowhere/python, which does not exist" in words(bar)
    assert not any("engine…" in item.text() for item in bar.currentItem().findChildren(QPushButton))


def test_an_engine_that_somebody_chose_is_not_judged(started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTBTF_PYTHON", sys.executable)
    assert not started().items()


def test_unloading_takes_the_bar_away(provider: OtbtfProvider, folder: Path) -> None:
    window = Window()
    hint = EngineHint(window, provider)
    hint.remove()
    QCoreApplication.processEvents()
    assert not window.bar.items()
    hint.show()
    assert window.bar.items()
    hint.remove()
    assert not window.bar.items()
