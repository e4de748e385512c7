"""Runs operations in engine processes: what the Processing algorithms call. Nothing of QGIS in here."""

from __future__ import annotations

import atexit
import itertools
import queue
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..core.base.progress import Progress
from ..core.errors import Cancelled, EngineError, OtbtfError
from ..core.phrases import Phrase
from .process import EngineProcess, command

POLL = 0.1  # seconds between two looks at whether the user has asked to stop
PATIENCE = 2.0  # seconds that a cancelled operation has to stop by itself


class Engine:
    """Runs operations in engine processes, of which one at most stays warm between runs.

    Each run has a process to itself, so several may go on at once, each in a thread of its own.
    """

    def __init__(self, interpreter: Callable[[], Path], idle_minutes: float = 10.0) -> None:
        """Make an engine; nothing is started yet.

        Args:
            interpreter: called before each run; returns the Python to use, which may have changed,
                or raises an EngineError that says how to install one.
            idle_minutes: the warm process ends by itself after so long without work.
        """
        self._interpreter = interpreter
        self._idle_minutes = idle_minutes
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._warm: EngineProcess | None = None
        self._busy: set[EngineProcess] = set()

    @property
    def running(self) -> int:
        """How many operations are running."""
        with self._lock:
            return len(self._busy)

    def warm(self) -> None:
        """Start a process if there is none waiting, so that TensorFlow is loaded when a run comes.

        Returns at once.

        Raises:
            EngineError: there is no interpreter.
        """
        self._hand_back(self._take())

    def run(
        self,
        operation: str,
        values: Mapping[str, Any],
        progress: Progress,
        poll: Callable[[], None] | None = None,
    ) -> dict[str, Any]:
        """Run an operation in an engine process and return its results.

        Args:
            operation: its name, such as `TensorflowModelServe`.
            values: values by OTBTF's keys, of types that JSON has.
            progress: receives what the operation reports, in this thread, and may cancel it.
            poll: called in this thread at least every 100 ms while waiting.

        Raises:
            OtbtfError: what the operation found wrong, for the user.
            EngineError: there is no engine, or it died; the message says how.
            Cancelled: `progress` asked to stop; the operation has stopped or was killed.
        """
        progress.check()
        process = self._take()
        outcome = self._converse(process, operation, values, progress, poll)
        if outcome is None and process.retired:  # it left for want of work just as the request came
            process = self._take()
            outcome = self._converse(process, operation, values, progress, poll)
        for path in process.left:
            progress.warning(
                Phrase(
                    "The engine left the unfinished file or folder {path}, which could not be removed: delete it.",
                    path=path,
                )
            )
        progress.check()  # whatever came of it after the user asked to stop
        if outcome is None:
            raise EngineError(process.obituary(operation))
        if outcome["event"] == "cancelled":
            raise Cancelled
        if outcome["event"] == "error":
            raise OtbtfError(outcome["message"])
        return dict(outcome["results"])

    def stop(self) -> None:
        """End all processes, with whatever they are doing. A later run starts a new one."""
        with self._lock:
            processes = [*self._busy, *([self._warm] if self._warm else [])]
            self._warm = None
        for process in processes:
            process.stop()
        for process in processes:
            process.wait()
        atexit.unregister(self.stop)

    # -------------------------------------------------------------- processes

    def _take(self) -> EngineProcess:
        """Return the warm process, or a new one."""
        arguments = command(self._interpreter(), self._idle_minutes)
        with self._lock:
            process, self._warm = self._warm, None
            outdated = process if process and process.arguments != arguments else None
            if process is None or outdated or not process.usable:
                process = EngineProcess(arguments)
                atexit.unregister(self.stop)
                atexit.register(self.stop)
            self._busy.add(process)
        if outdated:
            outdated.stop()
        return process

    def _hand_back(self, process: EngineProcess) -> None:
        """Keep a process for the next run, unless there is one already."""
        with self._lock:
            self._busy.discard(process)
            if process.usable and not (self._warm and self._warm.usable):
                self._warm = process
                return
        process.stop()

    # ----------------------------------------------------------- conversation

    def _converse(
        self,
        process: EngineProcess,
        operation: str,
        values: Mapping[str, Any],
        progress: Progress,
        poll: Callable[[], None] | None,
    ) -> dict[str, Any] | None:
        """Send a request and return the event that ends it, or None if the process ended instead."""
        number = next(self._numbers)
        deadline: float | None = None
        try:
            if not process.ready:
                progress.info(Phrase("Starting the engine …"))
            process.send({"id": number, "run": operation, "values": dict(values)})
            while True:
                if poll is not None:
                    poll()
                if deadline is None and progress.cancelled():
                    process.send({"cancel": number})
                    deadline = time.monotonic() + PATIENCE
                elif deadline is not None and time.monotonic() > deadline:
                    process.kill()
                    return None
                try:
                    event = process.events.get(timeout=POLL)
                except queue.Empty:
                    continue
                if event is None:
                    return None
                if event.get("id") == number and _report(event, progress):
                    return event
        except BaseException:
            process.kill()  # it is in the middle of something, and nobody will read how it ends
            raise
        finally:
            self._hand_back(process)


def _report(event: Mapping[str, Any], progress: Progress) -> bool:
    """Pass an event on to `progress`; return True for one that ends the request."""
    kind = event["event"]
    if kind == "progress":
        progress.fraction(event["fraction"])
    elif kind == "info":
        progress.info(event["message"])
    elif kind == "warning":
        progress.warning(event["message"])
    elif kind == "temporary":
        progress.temporary(event["path"])
    return kind in ("result", "error", "cancelled")
