"""Inputs of a run: ordinary files only, which do not change between their opening and the end of the run."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ..base.addresses import masked
from ..base.progress import Progress
from ..errors import OtbtfError, RasterError
from ..phrases import Phrase

State = tuple[int, ...]
"""Properties of a file and its state; they change if another file takes its name or a program writes to it."""

_DATABASES = (".gpkg", ".sqlite", ".db", ".mbtiles")

_LOOKED_AT = 10_000
"""Entries of a folder that are looked at."""

_SOCKET = Phrase("a socket")
_SPECIAL = (
    (stat.S_ISFIFO, Phrase("a named pipe")),
    (stat.S_ISSOCK, _SOCKET),
    (stat.S_ISCHR, Phrase("a device")),
    (stat.S_ISBLK, Phrase("a device")),
)
_STDIN = re.compile(r"/vsistdin[/?]")
_VIRTUAL = re.compile(r"/vsi(?:zip|gzip|tar|7z|rar|sparse|cached|subfile/[^,]*,|crypt/[^/]*file=)/?")
_QUOTED = re.compile(r'[\w-]+:"([^"]+)"')
_PREFIXED = re.compile(r"[A-Za-z][\w-]+:(?!//)(.+)")

_current: ContextVar[Inputs | None] = ContextVar("inputs", default=None)


class Inputs:
    """The files of one run.

    Attributes:
        whole: sources of virtual rasters that were checked and are not damaged; if one changes later, the run ends.
    """

    def __init__(self, progress: Progress, around: Inputs | None) -> None:
        """Begin with none; `around` holds those of the run of which this one is a step."""
        self.progress, self._around = progress, around
        self.whole: set[str] = set()
        self._files: dict[str, tuple[str, State]] = {}
        self._checks: dict[str, Callable[[], None]] = {}
        self._told: set[str] = set()
        self._telling = threading.Lock()

    def watch(self, path: str, name: str) -> None:
        """Remember what a file is now; `name` is what it is called in messages. A second time changes nothing."""
        if path not in self._files and (found := _state(path)) is not None:
            self._files[path] = name, found

    def watch_by(self, name: str, check: Callable[[], None]) -> None:
        """Have `check` called by `check_unchanged`; it raises where what is called `name` has changed."""
        self._checks.setdefault(name, check)

    def tell_once(self, what: str, message: str) -> None:
        """Write a line to the run's log, unless the log has one about the same subject."""
        if self._around is not None:
            self._around.tell_once(what, message)
        elif self._is_new(what):
            self.progress.info(message)

    def warn_once(self, message: str) -> None:
        """Write a warning to the run's log, unless the log has it; from any thread."""
        if self._around is not None:
            self._around.warn_once(message)
        elif self._is_new(message):
            self.progress.warning(message)

    def _is_new(self, what: str) -> bool:
        with self._telling:
            new = what not in self._told
            self._told.add(what)
        return new

    def check_unchanged(self) -> None:
        """Raise RasterError if a file is no longer as it was when it was opened."""
        for path, (name, before) in list(self._files.items()):
            if (now := _state(path)) != before:
                raise RasterError(_changed(path, name, before, now))
        for check in list(self._checks.values()):
            check()
        if self._around is not None:
            self._around.check_unchanged()


@contextmanager
def watched(progress: Progress) -> Iterator[None]:
    """Have a run's inputs watched, as far as this thread opens them; within another run, as those of its step."""
    token = _current.set(Inputs(progress, _current.get()))
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Inputs | None:
    """Return the inputs of the run in progress; None outside of any, as when a script calls the Python API."""
    return _current.get()


def check_unchanged() -> None:
    """Raise RasterError where an input of the run has changed since it was opened.

    Called before an output is moved to its place: what was read in parts while another program wrote belongs to two
    images.
    """
    if (inputs := _current.get()) is not None:
        inputs.check_unchanged()


def _state(path: str) -> State | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    # QGIS touches the databases that it shows, and SQLite sees to it that what is read is of one piece.
    time = 0 if path.lower().endswith(_DATABASES) else found.st_mtime_ns
    return found.st_dev, found.st_ino, found.st_size, time


def _changed(path: str, name: str, before: State, now: State | None) -> str:
    part = "" if path == name else Phrase(" (its file {path})", path=path)
    if now is None:
        what = Phrase("it was removed")
    elif now[:2] != before[:2]:
        what = Phrase("another file has its name")
    elif now[2] != before[2]:
        what = Phrase("it had {before} bytes, now {now}", before=before[2], now=now[2])
    else:
        what = Phrase("it was written to")
    return Phrase(
        "{name}{part} changed during reading ({what}), so its parts are inconsistent: run again when no other "
        "program writes to it.",
        name=name,
        part=part,
        what=what,
    )


# ---------------------------------------------------------------- what may be opened


def local_file(name: str) -> str:
    """Return the file or folder on this machine that a name for GDAL begins with; empty where there is none.

    Understood are paths, `path|layername=x`, `NETCDF:"path":x`, `GTIFF_DIR:1:path` and archives
    (`/vsizip/path/in/it`).
    """
    forms = [name, name.split("|")[0]]
    forms += [match[1] for match in (_QUOTED.match(name), _PREFIXED.fullmatch(name)) if match]
    for form in forms:
        plain = form
        while match := _VIRTUAL.match(plain):
            plain = plain[match.end() :]
        if plain != form:
            plain = plain.lstrip("{").partition("}")[0]
            plain = plain if os.path.isabs(plain) or os.path.lexists(plain.split("/")[0]) else f"/{plain}"
            while plain and not os.path.lexists(plain) and os.path.dirname(plain) != plain:
                plain = os.path.dirname(plain)
        if plain and plain != "/" and os.path.exists(plain):
            return plain
    return ""


def check_ordinary(name: str, said: str = "", error: type[OtbtfError] = RasterError, only_itself: bool = False) -> None:
    """Raise `error` where reading `name` could wait for ever: for a pipe, a socket, a device, or a folder with one.

    Args:
        name: a path, or another name for GDAL.
        said: begins the message; else it is the name.
        error: the exception's type.
        only_itself: True for an output: what lies in a folder does not matter.
    """
    said = said or masked(name)
    if _STDIN.match(name):
        raise error(Phrase("{said} is the standard input, which cannot be read here: give a file.", said=said))
    path = local_file(name)
    if not path:
        return
    if kind := _kind(path):
        raise error(Phrase("{said} is {kind}, and reading it might never end: give a file.", said=said, kind=kind))
    if os.path.isdir(path) and not only_itself:
        for entry in _entries(path):
            if (kind := _kind(entry)) and kind != _SOCKET:  # which no program can open
                raise error(
                    Phrase(
                        "{said} is a folder that holds {kind} ({entry}), and reading it might never end: give a file, "
                        "or a folder of files.",
                        said=said,
                        kind=kind,
                        entry=os.path.basename(entry),
                    )
                )


def _kind(path: str) -> str:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return ""
    return next((word for test, word in _SPECIAL if test(mode)), "")


def _entries(folder: str) -> Iterator[str]:
    """Yield the paths of what lies in a folder, and in that of a SavedModel's variables, as many as may be looked at."""
    for parent in (folder, os.path.join(folder, "variables")):
        with contextlib.suppress(OSError), os.scandir(parent) as found:
            for entry in itertools.islice(found, _LOOKED_AT):
                yield entry.path
