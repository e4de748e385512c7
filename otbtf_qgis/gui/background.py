"""Work in the background for a window: the latest request counts, and earlier ones are given up."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from qgis.core import QgsApplication, QgsTask
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QObject, QThread, QTimer

from ..core.base.progress import Progress
from ..core.errors import Cancelled

_PAUSE = 250
"""Milliseconds without another change before work begins: a path is typed letter by letter."""

_AGAIN = 100
"""Milliseconds between two looks at whether a thread is free."""


class TookTooLong(Exception):
    """Work has not ended within its time, and is given up.

    Attributes:
        seconds: the time.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(f"not done within {seconds} s")
        self.seconds = seconds


class TaskProgress(Progress):
    """The progress of a task, which its user may cancel."""

    def __init__(self, task: QgsTask) -> None:
        self._task = task

    def cancelled(self) -> bool:
        """Return True once the task is given up."""
        return bool(self._task.isCanceled())


class _Work(QgsTask):
    """Calls a function in the background, and hands what it returned, or raised, to another in the main thread."""

    def __init__(self, title: str, work: Callable[[Progress], Any], done: Callable[[_Work], None]) -> None:
        super().__init__(title, QgsTask.Flag.CanCancel)
        self._work, self._done = work, done
        self.outcome: Any = None
        self.error: Exception | None = None

    def run(self) -> bool:
        try:
            self.outcome = self._work(TaskProgress(self))
        except Cancelled:
            return False
        except Exception as error:  # noqa: BLE001 (an exception in a task's thread would be lost)
            self.error = error
        return True

    def finished(self, result: bool) -> None:
        self._done(self)


class Latest(QObject):
    """Works in the background; only what was asked for last is answered.

    What was given up may go on for a while: GDAL waits for a server that does not answer, and cannot be interrupted. It
    takes at most half of QGIS's threads, of which there are few; beyond that, later requests wait for it.

    Args:
        parent: a request ends with it.
        title: what the task manager calls it.
        failed: called in the main thread with what the work raised, or with `TookTooLong`.
        limit: seconds that a request may take, its waiting for others included; 0 for any time.
    """

    def __init__(self, parent: QObject, title: str, failed: Callable[[Exception], None], limit: int = 0) -> None:
        super().__init__(parent)
        self._limit, self._late = limit, QTimer(self)
        self._late.setSingleShot(True)
        self._late.timeout.connect(self._give_up_late)
        self._title, self._failed = title, failed
        self._request: tuple[Callable[[Progress], Any], Callable[[Any], None]] | None = None
        self._task: _Work | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._begin)
        self._begun: list[_Work] = []  # some of them given up; the list outlives this object, to be given up with it
        self.destroyed.connect(partial(_give_up, self._begun))

    def ask(self, work: Callable[[Progress], Any], answer: Callable[[Any], None], pause: int = _PAUSE) -> None:
        """Call `work` in the background after a pause (in ms), and `answer` in the main thread with what it returns."""
        self.drop()
        self._request = work, answer
        self._timer.start(pause)
        if self._limit:
            self._late.start(self._limit * 1000)

    def drop(self) -> None:
        """Give up what was asked for, and answer no more."""
        self._request = None
        self._timer.stop()
        self._late.stop()
        self._task = None
        _give_up(self._begun)

    def _begin(self) -> None:
        if self._request is None:
            return
        self._begun[:] = filter(_goes_on, self._begun)
        if len(self._begun) >= max(1, QThread.idealThreadCount() // 2):
            self._timer.start(_AGAIN)
            return
        self._task = _Work(self._title, self._request[0], self._end)
        self._begun.append(self._task)
        QgsApplication.taskManager().addTask(self._task)

    def _give_up_late(self) -> None:
        self.drop()
        self._failed(TookTooLong(self._limit))

    def _end(self, task: _Work) -> None:
        if task is not self._task or self._request is None or sip.isdeleted(self):
            return
        answer, self._task, self._request = self._request[1], None, None
        self._late.stop()
        if task.error is not None:
            self._failed(task.error)
        else:
            answer(task.outcome)


def _goes_on(task: _Work) -> bool:
    """Return whether a task has not ended; QGIS deletes those that have."""
    return not sip.isdeleted(task) and task.status() not in (QgsTask.TaskStatus.Complete, QgsTask.TaskStatus.Terminated)


def _give_up(begun: list[_Work]) -> None:
    """Cancel tasks."""
    for task in filter(_goes_on, begun):
        task.cancel()
