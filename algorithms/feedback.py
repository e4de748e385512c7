"""An operation's progress, shown through QGIS's feedback."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from qgis.core import QgsApplication, QgsProcessingFeedback
from qgis.PyQt.QtCore import QCoreApplication, QThread

from ..core.base.languages import quoted
from ..core.base.progress import Progress
from ..core.errors import as_key, field, worded
from ..core.parameters.kinds import Key
from ..core.parameters.mentions import shown
from .translate import tr
from .weblayers import EXTENT, PIXEL_SIZE


class FeedbackProgress(Progress):
    """Passes progress and messages to a QgsProcessingFeedback, and its cancelling back.

    QgsProcessingFeedback keeps its log without a lock of its own; this one lets any thread report.
    """

    keeps_mentions = True

    def __init__(self, feedback: QgsProcessingFeedback, operation: Any):
        """Wrap `feedback` for a run of an operation; call it in the thread that runs the algorithm."""
        self._feedback = feedback
        self._operation = operation
        self._lock = threading.Lock()
        in_main_thread = QThread.currentThread() == QCoreApplication.instance().thread()
        # The application's dialogs run algorithms in a thread, so their clicks get through by themselves. qgis_process
        # runs them in its main thread: Ctrl-C arrives only when we look for events. A script that calls us in the
        # main thread of the application must not have its user's clicks handled in the middle of a line.
        self._home = threading.get_ident() if in_main_thread and QgsApplication.platform() == "qgis_process" else None

    def fraction(self, done: float) -> None:
        """Show the share of the work that is done."""
        with self._lock:
            self._feedback.setProgress(100 * done)

    def info(self, message: str) -> None:
        """Show a line in the log."""
        with self._lock:
            self._feedback.pushInfo(in_words(message, self._operation))

    def warning(self, message: str) -> None:
        """Show a line in the log, highlighted."""
        with self._lock:
            self._feedback.pushWarning(in_words(message, self._operation))

    def cancelled(self) -> bool:
        """Return True once the user has pressed Cancel, or Ctrl-C in qgis_process."""
        self.poll()
        return self._feedback.isCanceled()

    def poll(self) -> None:
        """Let qgis_process see its signals; elsewhere do nothing."""
        if threading.get_ident() == self._home:
            QCoreApplication.processEvents()


def in_words(message: str, operation: Any) -> str:
    """Return a message in the user's language, which names parameters as its reader knows them.

    In QGIS these are the labels of the form, in quotation marks; in qgis_process and other programs the names of the
    parameters.
    """
    return _in_words(message, operation, _label if QgsApplication.platform() == "desktop" else _name)


def in_labels(message: str, operation: Any) -> str:
    """Return a message in the user's language for a form, which shows labels and no names of parameters."""
    return _in_words(message, operation, _label)


def _in_words(message: str, operation: Any, word: Callable[[Key], str]) -> str:
    message = worded(message, lambda path: _of_web_layers(path, word))
    return tr(worded(shown(message, operation, word), as_key))


def _of_web_layers(path: str, word: Callable[[Key], str]) -> str:
    """Return the word for a parameter that QGIS adds to operations; other mentions stay."""
    found = next((key for key in (EXTENT, PIXEL_SIZE) if path == f"={key.name}"), None)
    return word(found) if found else field(path)


def _label(key: Key) -> str:
    return quoted(tr(key.label))


def _name(key: Key) -> str:
    return key.parameter
