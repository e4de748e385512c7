"""An engine whose operations a test can steer, and what Linux says became of its processes."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

import otbtf_qgis.core
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.engine import client
from otbtf_qgis.engine.client import Engine

PROGRAM = Path(__file__).parents[1] / "support" / "engine_operations.py"
TREE = Path(otbtf_qgis.core.__file__).absolute().parents[2]


def program(interpreter: Path, idle_minutes: float) -> list[str]:
    """The command of an engine whose operations a test can steer."""
    return [str(interpreter), str(PROGRAM), str(TREE), "--idle-minutes", str(idle_minutes)]


class Recorder(Progress):
    """Keeps what is reported, with the thread it came in, and cancels at the first event of a kind."""

    def __init__(self, cancel_at: str = "") -> None:
        self.events: list[tuple[str, Any]] = []
        self.starts = 0
        self.threads: set[int] = set()
        self.cancelled_at: float | None = None
        self.cancel_at = cancel_at

    def _record(self, kind: str, value: Any) -> None:
        self.events.append((kind, value))
        self.threads.add(threading.get_ident())
        if kind == self.cancel_at:
            self.cancelled_at = time.monotonic()

    def fraction(self, done: float) -> None:
        self._record("fraction", done)

    def info(self, message: str) -> None:
        if message == "Starting the engine …":
            self.starts += 1
        else:
            self._record("info", message)

    def warning(self, message: str) -> None:
        self._record("warning", message)

    def temporary(self, path: str) -> None:
        self._record("temporary", path)

    def cancelled(self) -> bool:
        return self.cancelled_at is not None

    def of(self, kind: str) -> list[Any]:
        return [value for name, value in self.events if name == kind]


def gone(pid: int) -> bool:
    """True once a process runs no more (an orphan may stay a zombie where nobody is its new parent)."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def soon(condition: Callable[[], bool], seconds: float = 2.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def open_files() -> set[str]:
    return {f"{fd} {os.readlink(f'/proc/self/fd/{fd}')}" for fd in os.listdir("/proc/self/fd") if _is_open(fd)}


def _is_open(fd: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{fd}")


OTHERS: set[int] = set()
"""Processes that other tests have left to run."""


def children(recursive: bool = False) -> list[psutil.Process]:
    """The processes that this one has started since the engine's fixture was made."""
    return [process for process in psutil.Process().children(recursive=recursive) if process.pid not in OTHERS]


@contextmanager
def steered_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Engine]:
    """An engine with the operations of engine_operations.py, of which nothing may be left in the end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(client, "command", program)
    files, threads = open_files(), set(threading.enumerate())
    OTHERS.clear()
    OTHERS.update(process.pid for process in psutil.Process().children(recursive=True))
    engine = Engine(lambda: Path(sys.executable))
    yield engine
    engine.stop()
    assert children(recursive=True) == []
    assert soon(lambda: not [t for t in threading.enumerate() if "otbtf" in t.name and t not in threads])
    assert soon(lambda: open_files() <= files), open_files() - files


def pid_of(engine: Engine) -> int:
    return int(engine.run("echo", {}, Progress())["pid"])
