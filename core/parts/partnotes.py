"""The notes of parts that are done: a part counts from the moment its note lies beside it."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from osgeo import gdal

from ..base.jsonvalues import Json, OddJson, read
from ..base.progress import Progress
from ..files.gdalcalls import collected_errors
from ..files.staging import write_text_file
from .partedwork import Counted
from .partplan import PartPlan
from .partsfolder import PartsFolder

_READ = 1 << 22  # bytes at a time


@dataclass(frozen=True)
class FileNote:
    """What is noted of one file of a part.

    Attributes:
        bytes: its size.
        sha256: of its content.
        block: width and height of its blocks.
    """

    bytes: int
    sha256: str
    block: tuple[int, int]

    @classmethod
    def of(cls, file: Path) -> FileNote:
        """Return the note of a file."""
        with collected_errors():
            dataset = gdal.Open(str(file))  # a band does not outlive it
            width, height = dataset.GetRasterBand(1).GetBlockSize()
        return cls(file.stat().st_size, _digest(file), (width, height))


@dataclass(frozen=True)
class PartNote:
    """What is noted of a part.

    Attributes:
        plan: digest of the plan that it follows.
        files: one for each raster of the output.
        replaced, clipped: values that its pixel type does not hold; see `core.rasters.conversion.Converter`.
        without_data: pixels that are no-data, where the operation counts them.
        seconds: that it took.
        host: name of the machine.
    """

    plan: str
    files: tuple[FileNote, ...]
    replaced: int
    clipped: int
    without_data: int
    seconds: float
    host: str

    @classmethod
    def of(cls, plan: PartPlan, files: Sequence[FileNote], counted: Counted, seconds: float) -> PartNote:
        """Return the note of a part."""
        counts = counted.replaced, counted.clipped, counted.without_data
        return cls(plan.digest, tuple(files), *counts, round(seconds, 3), socket.gethostname())

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
        same = note.plan == plan.digest and len(note.files) == len(plan.rasters)
        pairs = zip((folder.part(number, raster.name) for raster in plan.rasters), note.files)
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
        found["replaced"].whole(0),
        found["clipped"].whole(0),
        found["without_data"].whole(0),
        found["seconds"].number(0, 1e9),
        found["host"].text(),
    )


def _read_file(found: Json) -> FileNote:
    width, height = (item.whole(1) for item in found["block"].exactly(2))
    return FileNote(found["bytes"].whole(0), found["sha256"].text(), (width, height))


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with open(file, "rb") as stream:
        for part in iter(lambda: stream.read(_READ), b""):
            digest.update(part)
    return digest.hexdigest()
