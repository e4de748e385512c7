"""Work in the background for a window."""

from __future__ import annotations

import time
from collections.abc import Callable

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QObject

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.gui.background import Latest


def wait_for(condition: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        QgsApplication.processEvents()
        time.sleep(0.002)


def test_a_request_ends_with_its_window(qgis_app: QgsApplication) -> None:
    """A model may take minutes to read, and keeps the engine from the next dialog meanwhile."""
    told: list[str] = []

    def work(progress: Progress) -> None:
        told.append("begun")
        while not progress.cancelled():
            time.sleep(0.005)
            assert time.monotonic() < end
        told.append("given up")

    end = time.monotonic() + 20
    window = QObject()
    latest = Latest(window, "work", lambda error: told.append(repr(error)))
    latest.ask(work, lambda _: told.append("answered"), pause=0)
    wait_for(lambda: told)
    window.deleteLater()
    QgsApplication.sendPostedEvents(window, 52)  # QEvent.DeferredDelete
    wait_for(lambda: len(told) > 1)
    assert told == ["begun", "given up"]
