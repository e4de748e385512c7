"""Private copies of input files that opening would change: an input is only ever read.

SQLite files (GeoPackage, SpatiaLite, MBTiles, ...) are the ones that do. In write-ahead mode, or with a `-wal` or a
hot `-journal` beside it, SQLite makes files beside the database to read it, and takes what lies beside it into it. Such
a file is copied with what lies beside it, and the copy is read, as a reader sees the file: with what was committed,
without what was not. Others are read where they lie.

What a virtual data set (VRT) names is read so too: a copy of its XML names the copies.

Copies last as long as the run that makes them (`private_copies`); those that are made outside a run, as long as this
process. How SQLite's files work: https://www.sqlite.org/fileformat.html, walformat.html and lockingv3.html.
"""

from __future__ import annotations

import atexit
import contextlib
import html
import os
import re
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from ..base.progress import Progress
from ..base.temporaries import remove, scratch_folder
from ..errors import OtbtfError
from ..phrases import Phrase

_MAGIC = b"SQLite format 3\0"
_VERSIONS = slice(18, 20)  # in the header: of the format for writing and for reading; 2 means write-ahead mode
_PREFIX = re.compile(r"(?:GPKG|SQLITE|SPATIALITE|RASTERLITE|MBTILES):\"?|vrt://", re.IGNORECASE)
_LOG_HEADER = 32  # bytes at the beginning of a write-ahead log, which change when it starts again
_REFERENCE = re.compile(r"<(SourceFilename|SourceDataset|SrcDataSource)\b([^>]*)>([^<]*)<")
_RELATIVE = re.compile(r"\srelativeToVRT\s*=\s*(['\"])1\1", re.IGNORECASE)
_LEADING = re.compile(r"((?:\w{2,}:|\d+:)*\"?)(.*)", re.DOTALL)  # a subdataset's format, and the path behind it
_MAY_CHANGE = (
    *(".gpkg", ".sqlite", ".db", ".mbtiles", ".vrt", "vrt://"),
    *("gpkg:", "sqlite:", "spatialite:", "rasterlite:", "mbtiles:"),
)
"""Parts of the names of files that opening may change, in lower case."""
_READ_ALONG = (".aux.xml", ".msk")  # what GDAL looks for beside any raster
_ATTEMPTS = 5
_SETTLED = 0.05  # seconds after which a file's time of change tells a further change
_LOOKS = 100  # at whether it is so old, in an attempt
_PART = 1 << 24  # bytes copied between two looks at the user's wish to stop

_Stamp = tuple[Any, ...]


class _Copies:
    """The copies of one run, or of all that is read outside of runs.

    Args:
        progress: hears of the copies, and asks to stop.
        once: whether a file is copied only once, so that the whole run sees one state of it.
    """

    def __init__(self, progress: Progress, once: bool) -> None:
        self._progress, self._once = progress, once
        self._lock = threading.Lock()
        self._made: dict[Any, str] = {}
        self._folders: list[contextlib.ExitStack] = []

    def of(self, path: str, error: type[OtbtfError]) -> str:
        """Return the copy of a database; see `source_to_open`."""
        with self._lock:
            real = os.path.realpath(path)
            key = real if self._once else (real, _stamp(real), _state(real + "-wal"))
            if key not in self._made:
                self._made[key] = self._copied(path, real, error)
            return self._made[key]

    def written(self, path: str, text: str) -> str:
        """Return a file that is called as `path`, and holds another text."""
        with self._lock:
            key = (path, text)
            if key not in self._made:
                with self._place(path) as copy:
                    Path(copy).write_text(text, encoding="utf-8")
                self._made[key] = copy
            return self._made[key]

    def remove(self) -> None:
        """Remove all copies."""
        with self._lock:
            for copy in self._made.values():
                _originals.pop(copy, None)
            self._made.clear()
            while self._folders:
                self._folders.pop().close()

    def _copied(self, path: str, real: str, error: type[OtbtfError]) -> str:
        files = [end for end in ("", "-wal", "-journal") if os.path.exists(real + end)]
        size = sum(os.path.getsize(real + end) for end in files)
        _check_room(path, size, error)
        self._progress.info(
            Phrase(
                "Opening {path} would change it (SQLite's write-ahead log, or an unfinished transaction): reading a "
                "private copy of {size:.1f} MB.",
                path=path,
                size=size / 1e6,
            )
        )
        with self._place(path) as copy:
            self._consistent(path, real, copy, error)
            _settle(path, copy, error)
            for end in _READ_ALONG:
                if os.path.exists(path + end):
                    shutil.copyfile(path + end, copy + end)
        return copy

    @contextlib.contextmanager
    def _place(self, path: str) -> Iterator[str]:
        """Yield where a file is to be made that stands for `path`; it stays unless that fails."""
        with contextlib.ExitStack() as folder:
            copy = str(folder.enter_context(scratch_folder()) / Path(path).name)
            yield copy
            _originals[copy] = path
            self._folders.append(folder.pop_all())

    def _consistent(self, path: str, real: str, copy: str, error: type[OtbtfError]) -> None:
        """Copy a database and what belongs to it, again where another program changed it meanwhile."""
        for _ in range(_ATTEMPTS):
            for end in ("", "-wal", "-journal"):
                remove(copy + end)
            if not self._is_settled(real):
                continue
            before = _stamp(real)
            for end in ("", "-wal", "-journal"):
                self._copy_file(real + end, copy + end)
            if _stamp(real) == before:
                return
        raise error(
            Phrase(
                "{path} changed during copying, {attempts} times in a row, because another program keeps writing to it: "
                "wait until that program has finished, or save the layer to another file and choose that.",
                path=path,
                attempts=_ATTEMPTS,
            )
        )

    def _is_settled(self, real: str) -> bool:
        """Wait until a file is old enough for a further change to show in its time; False where that takes long."""
        for _ in range(_LOOKS):
            if abs(time.time() - os.stat(real).st_mtime) > _SETTLED:
                return True
            self._progress.check()
            time.sleep(_SETTLED / 5)
        return False

    def _copy_file(self, source: str, target: str) -> None:
        with contextlib.suppress(FileNotFoundError), _parts(source) as parts, open(target, "wb") as file:
            for part in parts:
                self._progress.check()
                file.write(part)


_outside = _Copies(Progress(), once=False)
atexit.register(_outside.remove)
_current: ContextVar[_Copies | None] = ContextVar("otbtf_private_copies", default=None)
_originals: dict[str, str] = {}
"""Each copy that exists, and the path of the file that it stands for."""


@contextlib.contextmanager
def private_copies(progress: Progress) -> Iterator[None]:
    """Keep the copies that are made inside until it is left; inside another such run, until that is left."""
    if _current.get() is not None:
        yield
        return
    copies = _Copies(progress, once=True)
    token = _current.set(copies)
    try:
        yield
    finally:
        _current.reset(token)
        copies.remove()


def source_to_open(source: str, error: type[OtbtfError]) -> str:
    """Return what to open in place of `source` so that it stays as it is: mostly `source` itself.

    Args:
        source: what GDAL opens: a path, a name such as `GPKG:path:table`, or the XML of a virtual data set.
        error: what is raised.

    Raises:
        OtbtfError: the file has to be copied, and cannot be.
        Cancelled: while it was copied.
    """
    return _source_to_open(source, error, {})


def _source_to_open(source: str, error: type[OtbtfError], found: dict[str, str]) -> str:
    """See `source_to_open`; `found` holds what was returned, so that each virtual data set is read once, in a circle too."""
    if source not in found:
        found[source] = source
        found[source] = _without_memory(source, error, found)
    return found[source]


def _without_memory(source: str, error: type[OtbtfError], found: dict[str, str]) -> str:
    if source.lstrip().startswith("<"):
        return _with_readable_parts(source, "", error, found)
    path = file_in(source)
    try:
        if path.lower().endswith(".vrt"):
            text = _text(path)
            changed = _with_readable_parts(text, path, error, found)
            return source if changed == text else source.replace(path, _copies().written(path, changed), 1)
        if not path or not _changes_when_opened(path):
            return source
        return source.replace(path, _copies().of(path, error), 1)
    except OSError as failure:
        raise error(
            Phrase(
                "Opening {path} would change it, and it cannot be copied ({reason}): close it in the program that "
                "writes to it, or save the layer to another file and choose that.",
                path=path,
                reason=failure.strerror,
            )
        ) from failure


def _copies() -> _Copies:
    return _current.get() or _outside


def _with_readable_parts(xml: str, path: str, error: type[OtbtfError], found: dict[str, str]) -> str:
    """Return the XML of a virtual data set, in which copies take the place of files that would change."""
    if not _may_change(xml):
        return xml
    folder = os.path.dirname(os.path.abspath(path)) if path else ""
    replaced = []

    def part(match: re.Match[str]) -> str:
        tag, attributes = match[1], match[2]
        name = from_folder(html.unescape(match[3]).strip(), attributes, folder)
        readable = _source_to_open(name, error, found) if _may_change(name) else name
        replaced.append(readable != name)
        return f"<{tag}{_RELATIVE.sub(' ', attributes)}>{html.escape(readable)}<"

    changed = _REFERENCE.sub(part, xml)
    return changed if any(replaced) else xml


def _may_change(text: str) -> bool:
    lower = text.lower()  # searching it for each takes a tenth of what a regular expression takes in megabytes of XML
    return any(part in lower for part in _MAY_CHANGE)


def from_folder(name: str, attributes: str, folder: str) -> str:
    """Return the name of a source in the XML of a virtual data set, which may be relative to its folder."""
    if not folder or not _RELATIVE.search(attributes):
        return name
    leading, rest = _LEADING.fullmatch(name).groups()  # type: ignore[union-attr]
    return str(leading + os.path.join(folder, rest))


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError):  # GDAL says what is wrong with it
        return ""


def original(source: str) -> str:
    """Return what the user called `source`, which may be a copy or a name that holds one."""
    for copy, path in list(_originals.items()):
        if copy in source:
            return source.replace(copy, path, 1)
    return source


def file_in(source: str) -> str:
    """Return the path of the local file that `source` is or names; empty where it is none."""
    if os.path.isfile(source):
        return source
    rest = source[match.end() :] if (match := _PREFIX.match(source)) else ""
    while rest and not os.path.isfile(rest):
        rest = rest[: max(map(rest.rfind, ':,"?'))] if any(mark in rest for mark in ':,"?') else ""
    return rest


def _changes_when_opened(path: str) -> bool:
    """Return whether SQLite would write to a file, or beside it, to read it."""
    real = os.path.realpath(path)
    header = _header(real)
    beside = os.path.exists(real + "-wal") or _is_hot(real + "-journal")
    return header.startswith(_MAGIC) and (beside or 2 in header[_VERSIONS])


def is_database(path: str) -> bool:
    """Return whether a file is one of SQLite's."""
    return _header(os.path.realpath(path)).startswith(_MAGIC)


def is_unfinished(path: str) -> bool:
    """Return whether there is work beside a database that is not in it yet, or may have to be undone."""
    real = os.path.realpath(path)
    return bool(_first_bytes(real + "-wal", 1)) or _is_hot(real + "-journal")


def is_closed(path: str) -> bool:
    """Return whether no program can have a database open that is in write-ahead mode: each keeps a log beside it."""
    real = os.path.realpath(path)
    return 2 in _header(real)[_VERSIONS] and not os.path.exists(real + "-wal")


def _is_hot(journal: str) -> bool:
    """Return whether a rollback journal may hold a transaction to undo: a finished one is empty, or begins with 0."""
    return _first_bytes(journal, 1) not in (b"", b"\0")


def _header(real: str) -> bytes:
    """Return the beginning of a database; empty where it cannot be read."""
    # Only with files beside it, this process can have locks on it that matter; see `_hold`.
    if os.name == "nt" or not any(os.path.exists(real + end) for end in ("-wal", "-journal")):
        return _first_bytes(real, 100)
    try:
        return os.pread(_hold(real), 100, 0)
    except OSError:
        return b""


def _first_bytes(path: str, count: int) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(count)
    except OSError:
        return b""


def _stamp(real: str) -> _Stamp:
    """Return what differs once a database has changed other than by frames appended to its log."""
    return (*_state(real), _first_bytes(real + "-wal", _LOG_HEADER), *_state(real + "-journal"))


def _state(path: str) -> _Stamp:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return (None,)
    return status.st_ino, status.st_size, status.st_mtime_ns


_held: dict[tuple[int, int], int] = {}
_holding = threading.Lock()


def _hold(path: str) -> int:
    """Return a descriptor of a file that stays open.

    Where a process closes any descriptor of a file, POSIX drops all locks that it has on the file: those, too, with
    which QGIS's SQLite, in the same process, tells other programs that it is at work
    (https://www.sqlite.org/howtocorrupt.html, 2.2).
    """
    with _holding:
        status = os.stat(path)
        key = status.st_dev, status.st_ino
        if key not in _held:
            _held[key] = os.open(path, os.O_RDONLY)
        return _held[key]


@contextlib.contextmanager
def _parts(path: str) -> Iterator[Iterator[bytes]]:
    """Yield the parts of a file; a database's descriptor stays open where closing it would drop locks."""
    if os.name == "nt" or path.endswith(("-wal", "-journal")):
        with open(path, "rb") as file:
            yield iter(lambda: file.read(_PART), b"")
        return
    descriptor = _hold(path)

    def read() -> Iterator[bytes]:
        offset = 0
        while part := os.pread(descriptor, _PART, offset):
            offset += len(part)
            yield part

    yield read()


def _check_room(path: str, size: int, error: type[OtbtfError]) -> None:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if free < size:
        raise error(
            Phrase(
                "Opening {path} would change it, and {folder} has only {free:.1f} MB free for a copy of {size:.1f} MB: "
                "close the file in the program that writes to it, or set the environment variable TMPDIR (TEMP on "
                "Windows) to another folder.",
                path=path,
                folder=folder,
                free=free / 1e6,
                size=size / 1e6,
            )
        )


def _settle(path: str, copy: str, error: type[OtbtfError]) -> None:
    """Bring a copy to the state that a reader sees, in one file that does not change by being opened."""
    try:
        with contextlib.closing(sqlite3.connect(copy, timeout=0, isolation_level=None)) as database:
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()  # undoes what was not committed
            database.execute("PRAGMA journal_mode=DELETE").fetchone()
    except sqlite3.Error as failure:
        raise error(
            Phrase(
                "Cannot read {path}: {failure}. The file is damaged or incomplete: get it again.",
                path=path,
                failure=failure,
            )
        ) from failure
    for end in ("-wal", "-shm", "-journal"):
        remove(copy + end)
