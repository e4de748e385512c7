"""The TensorBoards that run beside QGIS, each in an engine process. Nothing of QGIS in here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from ..core.base.progress import Progress
from ..core.errors import Cancelled, OtbtfError
from .client import POLL

OPERATION = "TensorBoard"

Poll = Callable[[], None]
Run = Callable[[str, dict[str, Any], Progress, Poll], dict[str, Any]]
"""Runs an operation in an engine process: see `Engine.run`."""


class TensorBoards:
    """Starts TensorBoards, one for each set of parameters; they end with the engine, which QGIS stops."""

    def __init__(self, run: Run) -> None:
        """Make it; nothing is started yet."""
        self._run = run
        self._boards: dict[str, _Board] = {}

    def open(self, values: Mapping[str, Any], progress: Progress, poll: Poll) -> str:
        """Return the address of the TensorBoard with these parameters, once it is up; start it if need be.

        Args:
            values: of the operation, by key.
            progress: hears of the start, and may cancel it.
            poll: called at least every 100 ms while waiting.

        Raises:
            OtbtfError: it cannot be started; the message says why.
            Cancelled: `progress` asked to stop.
        """
        key = repr(sorted(values.items()))
        board = self._boards.get(key)
        if board is None or board.ended:
            progress.info("Starting TensorBoard; this takes some seconds.")
            board = self._boards[key] = _Board(self._run, dict(values))
        return board.wait(progress, poll)


class _Board(Progress):
    """One TensorBoard: the operation, running in a thread of its own, and what it tells."""

    def __init__(self, run: Run, values: dict[str, Any]) -> None:
        self._up, self._ended, self._unwanted = threading.Event(), threading.Event(), threading.Event()
        self._address = ""
        self._failure: OtbtfError | None = None
        threading.Thread(target=self._live, args=(run, values), name="otbtf TensorBoard", daemon=True).start()

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    def wait(self, progress: Progress, poll: Poll) -> str:
        """Return the address once it is up."""
        while not self._up.wait(POLL):
            poll()
            if self._failure is not None:
                raise self._failure
            if progress.cancelled():
                self._unwanted.set()
                raise Cancelled
        return self._address

    def _live(self, run: Run, values: dict[str, Any]) -> None:
        try:
            run(OPERATION, values, self, lambda: None)
        except Cancelled:
            pass
        except OtbtfError as error:
            self._failure = error  # for whoever waits; later it is the engine that was stopped, as it should be
        finally:
            self._ended.set()

    # --------------------------------------------- what the operation tells

    def info(self, message: str) -> None:
        if message.startswith("http://"):
            self._address = message

    def fraction(self, done: float) -> None:
        if done >= 1:
            self._up.set()

    def cancelled(self) -> bool:
        return self._unwanted.is_set()
