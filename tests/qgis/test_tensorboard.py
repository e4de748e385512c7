"""otbtf:tensorboard: returns while it goes on, and opens the browser where there is a desktop."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import processing
import pytest
from qgis.core import QgsApplication, QgsProcessingException

from otbtf_qgis.algorithms import tensorboard
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import Cancelled

ADDRESS = "http://127.0.0.1:6006/"


class Desktop:
    """Notes what is opened, and in which thread."""

    def __init__(self) -> None:
        self.opened: list[tuple[str, int]] = []

    def openUrl(self, url: Any) -> bool:
        self.opened.append((url.toString(), threading.get_ident()))
        return True


@pytest.fixture
def desktop(monkeypatch: pytest.MonkeyPatch) -> Desktop:
    desktop = Desktop()
    monkeypatch.setattr(tensorboard, "QDesktopServices", desktop)
    return desktop


@pytest.fixture
def board(engine: Any) -> Iterator[Any]:
    """An engine whose TensorBoard is up at once, and goes on until the test ends."""
    end = threading.Event()

    def serve(values: dict[str, Any], progress: Progress) -> dict[str, Any]:
        progress.info(ADDRESS)
        progress.fraction(1.0)
        end.wait()
        raise Cancelled

    engine.answer = serve
    yield engine
    end.set()


def platform(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(tensorboard, "QgsApplication", SimpleNamespace(platform=lambda: name))


def test_the_browser_opens_in_the_main_thread(
    board: Any, desktop: Desktop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    platform(monkeypatch, "desktop")
    for _ in range(2):
        assert processing.run("otbtf:tensorboard", {"LOGDIR": str(tmp_path)}) == {"ADDRESS": ADDRESS}
    assert desktop.opened == [(ADDRESS, threading.get_ident())] * 2
    assert board.requests == [("TensorBoard", {"logdir": str(tmp_path)})]  # started once


def test_a_script_gets_the_address_alone(board: Any, desktop: Desktop, tmp_path: Path) -> None:
    assert QgsApplication.platform() not in ("desktop", "qgis_process")
    results = processing.run("otbtf:tensorboard", {"LOGDIR": str(tmp_path / "other")})
    assert results == {"ADDRESS": ADDRESS}
    assert desktop.opened == []


def test_in_qgis_process_it_runs_until_it_is_stopped(
    board: Any, desktop: Desktop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    platform(monkeypatch, "qgis_process")

    def stopped(values: dict[str, Any], progress: Progress) -> dict[str, Any]:
        raise Cancelled

    board.answer = stopped
    with pytest.raises(QgsProcessingException, match="Cancelled"):
        processing.run("otbtf:tensorboard", {"LOGDIR": str(tmp_path)})
    assert desktop.opened == []
