"""The unfinished outputs of a run, and their removal if the run cannot remove them itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from . import ownership

ATTEMPTS = 5
PAUSE = 0.05  # seconds between two attempts

moving = threading.RLock()
"""Held while a hidden folder is announced and made, and while a whole output is moved to its place: what removes unfinished
ones waits, else it would miss the folder, or take a part."""

_MOVING_WAIT = 10.0  # seconds; a folder of many files on a slow server
_LAST_WAIT = 5.0  # seconds in which threads of a dying run may still write


def remove(path: str) -> bool:
    """Remove a file, a link or a whole folder; one that is gone already is no error. A lock in it is given back.

    A folder may resist while a dying run still writes into it, and on Windows while a file in it is
    open, so it is tried a few times.

    Returns:
        True when nothing is left at `path`.
    """
    ownership.release(path)
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE)
        with contextlib.suppress(OSError):  # whether it worked is seen below
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        if not os.path.lexists(path):
            return True
    return False


_INSIDE = "files"
"""The folder in a scratch folder, beside its lock, that is handed out."""

_listeners: list[Callable[[str], None]] = []


@contextlib.contextmanager
def announcing_to(listener: Callable[[str], None]) -> Iterator[None]:
    """Have a run hear of the scratch folders that are made until the context ends, so that its end removes them.

    Args:
        listener: takes the path of a folder before it is made; `Progress.temporary` of the run.
    """
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield an empty folder, which only this user can look into, among the system's temporary files.

    It is removed at the end. Where the process is killed, the run removes it that it was announced to, or whoever makes
    the next one.

    Raises:
        OSError: it cannot be made.
    """
    parent = Path(tempfile.gettempdir())
    ownership.remove_abandoned(parent)
    folder = parent / ownership.planned_name()
    with moving:  # a process that is about to end removes it, or it is not made
        for listener in list(_listeners):
            listener(str(folder))
        ownership.claim(folder)
    try:
        inside = folder / _INSIDE
        inside.mkdir()
        yield inside
    finally:
        remove(str(folder))


def scratch_folder_around(folder: str) -> Path | None:
    """Return the hidden folder of which `scratch_folder` has yielded the inside; None where `folder` is another one."""
    inside = Path(folder)
    return inside.parent if inside.name == _INSIDE and ownership.is_hidden(inside.parent.name) else None


class Temporaries:
    """The paths that the run in progress would remove if it came to its end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paths: list[str] = []

    def add(self, path: str) -> None:
        """Remember a file or folder to remove if the run dies."""
        with self._lock:
            self._paths.append(path)

    def forget(self) -> None:
        """Forget all paths: the run has ended and has looked after them."""
        with self._lock:
            self._paths.clear()

    def remove(self) -> list[str]:
        """Remove what is remembered; return the paths that could not be removed."""
        with self._lock:
            return self._remove()

    def remove_for_good(self) -> None:
        """Remove what is remembered, in a process that is about to end.

        Nothing is made or moved from now on: who wants to waits for the end, as does a second caller. Threads that write
        into a folder already may resist, or make it again (TensorFlow makes the folder of a checkpoint), so it is looked at
        until it stays away.
        """
        moving.acquire(timeout=_MOVING_WAIT)  # neither is ever given back
        self._lock.acquire()
        end = time.monotonic() + _LAST_WAIT
        gone = False
        while not gone and time.monotonic() < end:
            for path in self._paths:
                remove(path)
            time.sleep(PAUSE)
            gone = not any(map(os.path.lexists, self._paths))

    def _remove(self) -> list[str]:
        left = [path for path in self._paths if not remove(path)]
        self._paths.clear()
        return left
