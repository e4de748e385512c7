"""The process that owns a hidden folder, and whether the folder can be removed because that process has ended.

A folder's name says who made it: a digest of host, boot and process namespace, the process's number and when it
started. A process number alone says little: containers on one machine often share a host name, and each counts its
processes from 1. For what the name cannot tell (another machine or container, a system without /proc), a lock file
inside the folder is held as long as the process lives.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import socket
import stat
import sys
import threading
import time
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_PREFIX = ".otbtf-"
_NAMES = re.compile(
    rf"{re.escape(_PREFIX)}(?:(?P<place>[0-9a-f]{{16}}|x)-(?P<pid>\d+)-(?P<start>\d+)-[0-9a-f]{{16}}|.+-\d+-[0-9a-f]{{8}})"
)
"""Names of the folders; the second form is that of version 0.1, which identifies the process less well."""

LOCK = ".lock"
"""The lock file inside a folder."""

_DAY = 24 * 3600.0
_UNKNOWN = "x"

_held: dict[str, int] = {}
_guard = threading.Lock()


# ------------------------------------------------------------------ making


def planned_name() -> str:
    """Return the name of a new folder of this process."""
    pid = os.getpid()
    return f"{_PREFIX}{_place() or _UNKNOWN}-{pid}-{_started(pid) or 0}-{secrets.token_hex(8)}"


def is_hidden(name: str) -> bool:
    """Return whether a name is one of these folders'."""
    return name.startswith(_PREFIX)


def claim(folder: Path) -> None:
    """Make `folder`, which only this user can look into, and hold its lock until it is released.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(mode=0o700)  # fails where there is anything of that name, a link too
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _lock(lock)  # a file system without locks: the name and the age have to do
    with _guard:
        _held[str(folder)] = lock


def release(folder: str) -> None:
    """Release the lock of a folder, which must precede its removal; it is no error if this process does not hold it."""
    with _guard:
        lock = _held.pop(folder, None)
    if lock is not None:
        os.close(lock)


# ---------------------------------------------------------------- removing


def remove_abandoned(parent: Path) -> None:
    """Remove the hidden folders in `parent` whose processes have ended.

    Where a folder was made on this machine, since it was started, and among the processes that are seen here, the
    process is looked up. Any other one is removed only where its lock is free and nothing in it has changed for a day.
    """
    for folder in parent.glob(f"{_PREFIX}*"):
        if is_abandoned(folder, folder.name):
            shutil.rmtree(folder, ignore_errors=True)


def is_abandoned(folder: Path, name: str) -> bool:
    """Return whether the process that made a folder has ended, as `remove_abandoned` sees it.

    Args:
        folder: the folder.
        name: what `planned_name` returned to that process.
    """
    found = _NAMES.fullmatch(name)
    if not found or folder.is_symlink() or not folder.is_dir():
        return False
    ours = found["place"] not in (None, _UNKNOWN) and found["place"] == _place() and found["start"] != "0"
    return _is_gone(int(found["pid"]), int(found["start"])) if ours else _is_old(folder) and _is_free(folder)


def _is_gone(pid: int, start: int) -> bool:
    """Return whether the process that had this number when it started has ended, on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # it belongs to another user
        pass
    now = _started(pid)
    return now is not None and now != start  # the number belongs to a later process


def _is_old(folder: Path) -> bool:
    """Return whether nothing in the folder has changed for a day."""
    limit = time.time() - _DAY
    try:
        for place, folders, files in os.walk(folder):
            if any(os.lstat(os.path.join(place, name)).st_mtime >= limit for name in (".", *folders, *files)):
                return False
    except OSError:  # it is being removed
        return False
    return os.access(folder, os.R_OK | os.X_OK)  # else nothing in it was seen


def _is_free(folder: Path) -> bool:
    """Return whether the folder's lock can be taken; one that was never made counts as free."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        lock = os.open(folder / LOCK, flags, 0o600)
    except OSError:
        return False
    try:
        return stat.S_ISREG(os.fstat(lock).st_mode) and _lock(lock)
    finally:
        os.close(lock)


def locked_elsewhere(file: int) -> bool:
    """Take the lock of an open file, without waiting; return whether another opening of it has the lock.

    On a file system without locks nobody has it.
    """
    try:
        _take_lock(file)
    except OSError as error:
        return error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
    return False


def _lock(file: int) -> bool:
    """Take the lock of an open file, without waiting; return whether that was possible."""
    try:
        _take_lock(file)
    except OSError:
        return False
    return True


def _take_lock(file: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    else:
        # Belongs to the opened file: neither another opening nor its closing in this process gives it away, as it
        # would with lockf. On NFS the kernel makes it a lock of the server.
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


# --------------------------------------------------------------- processes


def _place() -> str:
    """Return a digest of host, boot and process namespace; empty if the system does not provide them."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = os.readlink("/proc/self/ns/pid")
    except (OSError, ValueError):
        return ""
    return hashlib.sha256(f"{socket.gethostname()} {boot} {namespace}".encode()).hexdigest()[:16]


def _started(pid: int) -> int | None:
    """Return the start of a process, in ticks since boot; None if it is unknown or the process has ended."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        # A /proc that was mounted for another namespace numbers processes in another way.
        if os.readlink("/proc/self") == str(os.getpid()):
            state, *rest = (
                Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            )
            return -1 if state in ("Z", "X") else int(rest[18])  # ended, and nobody has asked how
    return None
