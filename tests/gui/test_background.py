"""Work in the background for a window."""

from __future__ import annotations

import threading
import time

from modeldialogs import pause, wait_for
from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QObject, QThread

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.gui.background import Latest


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
    wait_for(lambda: told, 10)
    window.deleteLater()
    QgsApplication.sendPostedEvents(window, 52)  # QEvent.DeferredDelete
    wait_for(lambda: len(told) > 1, 10)
    assert told == ["begun", "given up"]


def test_work_has_a_limit_of_time_in_all(qgis_app: QgsApplication) -> None:
    told: list[str] = []

    def slow(progress: Progress) -> None:
        for _ in range(400):
            time.sleep(0.05)
            progress.check()

    window = QObject()
    images = Latest(window, "work", lambda error: told.append(str(error)), limit=1)
    images.ask(slow, lambda _: told.append("answered"), pause=0)
    assert 0.9 < wait_for(lambda: told, 10) < 5
    images.ask(lambda _: "in time", told.append, pause=0)
    pause(1.2)
    assert told == ["not done within 1 s", "in time"]


def test_what_cannot_be_interrupted_leaves_threads_to_others(qgis_app: QgsApplication) -> None:
    """Servers that do not answer keep neither a model from being read, nor a run of QGIS from beginning."""
    told: list[str] = []
    released, window = threading.Event(), QObject()
    images, models = (Latest(window, "work", lambda error: told.append(repr(error))) for _ in range(2))
    begun: list[int] = []

    def hang(progress: Progress) -> None:
        begun.append(1)
        released.wait(20)

    try:
        for _ in range(QThread.idealThreadCount() + 1):
            images.ask(hang, lambda _: told.append("hung"), pause=0)
            pause(0.15)
        models.ask(lambda _: "read", told.append, pause=0)
        wait_for(lambda: told, 5)
        assert told == ["read"] and len(begun) == max(1, QThread.idealThreadCount() // 2)
    finally:
        released.set()
    wait_for(lambda: len(told) > 1, 10)  # the last of them comes to its turn
    assert told == ["read", "hung"]
