"""Identity of a model: findings about it are valid for the same files and the same graph.

Within a process, an `Identity` tells: it is made of what the file system says of all files that make the
model's values, at little cost. Where it must last, in a sidecar, `fingerprint` is made of their content.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .modelfiles import model_files, model_place

_SETTLED = 3_000_000_000
"""Nanoseconds after which a file that changes again has another time: the coarsest file systems count by 2 s."""

Status = tuple[str, int, int, int, int]
"""A file's path, size, times of change of its content and of its description in ns, and number in its file system."""


@dataclass(frozen=True)
class Identity:
    """Identity of a model within this process.

    Attributes:
        place: its folder or file.
        tags: of the graph in it, sorted; empty for a `.keras` or `.onnx` file.
        files: what the file system says of each file.
        contents: digests of files so young that a change would not show in what the file system says.
    """

    place: str
    tags: tuple[str, ...]
    files: tuple[Status, ...]
    contents: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(size for _, size, *_ in self.files)


def identity(path: str, tags: Sequence[str]) -> Identity:
    """Return which model lies at a path now.

    Args:
        path: a SavedModel's folder or the saved_model.pb inside, or a `.keras` or `.onnx` file.
        tags: of the graph of a SavedModel.
    """
    place = model_place(path)
    files = tuple(map(_status, model_files(place)))
    young = tuple(digest for digest in map(_young_content, files) if digest)
    own = tuple(sorted(set(tags))) if place.is_dir() else ()
    return Identity(os.path.realpath(place), own, files, young)


def fingerprint(path: str) -> str:
    """Return the SHA-256 of a model's content, as `sha256:...`: of the one file, or of all where it consists of several."""
    place = model_place(path)
    files = model_files(place)
    if not place.is_dir() and len(files) < 2:
        return "sha256:" + _content(_status(place))
    digest, folder = hashlib.sha256(), place if place.is_dir() else place.parent
    for file in files:
        digest.update(f"{file.relative_to(folder).as_posix()}\0{_content(_status(file))}\n".encode())
    return "sha256:" + digest.hexdigest()


def file_fingerprint(file: Path) -> str:
    """Return the SHA-256 of one file, as `sha256:...`."""
    return "sha256:" + _content(_status(file))


def _status(file: Path) -> Status:
    status = file.stat()
    return str(file.resolve()), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


_contents: dict[Status, tuple[str, int]] = {}
"""Digests of files that were read, and when."""

_young: set[Status] = set()
"""Files that were so young when a model was identified."""

_lock = threading.Lock()


def _young_content(status: Status) -> str:
    """Return the digest of a file that changed so lately that it could change again unseen; empty for others.

    It stays part of the identity when the file has grown older; that of a file which was read for another reason is none.
    """
    if status not in _young and _is_settled(status, time.time_ns()):
        return ""
    _young.add(status)
    return _content(status)


def _is_settled(status: Status, now: int) -> bool:
    _, _, changed, described, _ = status
    return now - max(changed, described) > _SETTLED


def _content(status: Status) -> str:
    """Return the digest of a file, read anew where it could have changed since without another status."""
    with _lock:
        known = _contents.get(status)
    if known and _is_settled(status, known[1]):
        return known[0]
    now = time.time_ns()
    digest = hashlib.sha256()
    with open(status[0], "rb") as stream:
        for part in iter(lambda: stream.read(1 << 20), b""):
            digest.update(part)
    with _lock:
        _contents[status] = digest.hexdigest(), now
    return digest.hexdigest()
