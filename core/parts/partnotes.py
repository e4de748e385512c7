"""The notes of parts that are done: a part counts from the moment its note lies beside it."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from ..base.jsonvalues import Json, OddJson, read
from ..base.progress import Progress
from ..files.staging import write_text_file
from .partedwork import MadePart
from .partplan import PartPlan
from .partsfolder import PartsFolder

_READ = 1 << 22  # bytes at a time


@dataclass(frozen=True)
class FileNote:
    """What is noted of one file of a part.

    Attributes:
        bytes: its size.
        sha256: of its content.
        block: width and height of its blocks, where it is a raster.
    """

    bytes: int
    sha256: str
    block: tuple[int, int] | None

    @classmethod
    def of(cls, file: Path, block: tuple[int, int] | None) -> FileNote:
        """Return the note of a file."""
        return cls(file.stat().st_size, _digest(file), block)


@dataclass(frozen=True)
class PartNote:
    """What is noted of a part.

    Attributes:
        plan: digest of the plan that it follows.
        files: one for each of the plan.
        counts: see `core.parts.partedwork.MadePart`.
        seconds: that it took.
        host: name of the machine.
    """

    plan: str
    files: tuple[FileNote, ...]
    counts: Mapping[str, int]
    seconds: float
    host: str

    @classmethod
    def of(cls, plan: PartPlan, files: Sequence[Path], made: MadePart, seconds: float) -> PartNote:
        """Return the note of a part, of which these are the files."""
        noted = tuple(FileNote.of(*each) for each in zip_longest(files, made.blocks))
        return cls(plan.digest, noted, dict(made.counts), round(seconds, 3), socket.gethostname())

    def write(self, place: Path, progress: Progress) -> None:
        """Write the note, whole or not at all.

        Raises:
            ParameterError: it cannot be written.
        """
        values = {**vars(self), "files": [vars(file) for file in self.files]}
        write_text_file(str(place), json.dumps(values, indent=1) + "\n", progress)


def valid_note(folder: PartsFolder, plan: PartPlan, number: int, thoroughly: bool = False) -> PartNote | None:
    """Return the note of a part that is done; None where it is not, or a file of it is not what was noted.

    Args:
        folder: of the parts.
        plan: that all follow.
        number: of the part.
        thoroughly: whether the content of its files is compared, too, which takes reading them.
    """
    try:
        note = _read(folder.note(number))
        same = note.plan == plan.digest and len(note.files) == len(plan.files)
        pairs = zip((folder.part(number, end) for end in plan.files), note.files)
        return note if same and all(_holds(*pair, thoroughly) for pair in pairs) else None
    except (OSError, OddJson):  # not there, or damaged: the part is computed again
        return None


def _holds(file: Path, note: FileNote, thoroughly: bool) -> bool:
    return file.stat().st_size == note.bytes and (not thoroughly or _digest(file) == note.sha256)


def _read(place: Path) -> PartNote:
    found = read(place)
    return PartNote(
        found["plan"].text(),
        tuple(map(_read_file, found["files"].items())),
        {name: count.whole(0) for name, count in found["counts"].fields()},
        found["seconds"].number(0, 1e9),
        found["host"].text(),
    )


def _read_file(found: Json) -> FileNote:
    block, size = found.get("block"), None
    if block is not None:
        width, height = (item.whole(1) for item in block.exactly(2))
        size = width, height
    return FileNote(found["bytes"].whole(0), found["sha256"].text(), size)


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with open(file, "rb") as stream:
        for part in iter(lambda: stream.read(_READ), b""):
            digest.update(part)
    return digest.hexdigest()
