"""SQLite files as other programs leave them: in write-ahead mode, with a log or a journal beside them, or in use."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

_PROGRAM = """
import os, sqlite3, sys
path, how, committed, pending = sys.argv[1:]
database = sqlite3.connect(path, isolation_level=None)
for name in ("ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY", "ST_IsEmpty"):  # what a GeoPackage's triggers name
    database.create_function(name, 1, lambda shape: 0)
if how in ("closed", "log", "in use"):
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA wal_autocheckpoint=0")
database.execute(committed)
if how == "closed":
    database.close()
    sys.exit()
database.execute("PRAGMA cache_size=1")  # so that what is not committed goes to the disk, as there is much of it
database.execute("BEGIN IMMEDIATE")
database.execute(pending)
database.execute("CREATE TABLE much (blob)")
for _ in range(100):
    database.execute("INSERT INTO much VALUES (randomblob(4000))")
if how in ("log", "journal"):
    os._exit(0)
print("ready", flush=True)
sys.stdin.read()
database.execute("COMMIT")
database.close()
"""

DEAD = ("closed", "log", "journal")
"""In write-ahead mode, but closed; with what a program that died has committed to the log; with a hot journal."""

ALIVE = ("in use", "in use with a journal")
"""A program is in the middle of a transaction, in write-ahead mode or not."""


def leave(path: str, how: str, committed: str, pending: str) -> None:
    """Commit an SQL statement, begin another, and die, as `how` of DEAD says."""
    subprocess.run([sys.executable, "-c", _PROGRAM, path, how, committed, pending], check=True)


@contextlib.contextmanager
def in_use(path: str, how: str, committed: str, pending: str) -> Iterator[None]:
    """Commit an SQL statement, begin another, and commit that once the context is left."""
    words = [sys.executable, "-c", _PROGRAM, path, how, committed, pending]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None and program.stdout.readline() == b"ready\n"
        yield
        program.communicate(b"")
    assert program.returncode == 0
