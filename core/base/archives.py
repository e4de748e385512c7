"""Zip archives that hold models and states: how much is unpacked is known before it is."""

from __future__ import annotations

import lzma
import zipfile
import zlib

from .jsonvalues import LARGEST, Json, parse

_SMALL = 64 << 20  # bytes of an archive that may be packed as tightly as it likes
_TIGHTEST = 20
"""How many times larger unpacked members may be than the archive: weights are no texts, and stay about as large."""


DAMAGED = (OSError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
"""What Python's zipfile raises for damaged, truncated or encrypted archives."""


class OddArchive(ValueError):
    """An archive would unpack to far more than it can honestly hold."""


def check_sizes(archive: zipfile.ZipFile) -> None:
    """Raise OddArchive where the members say that they unpack to far more than the file has."""
    check_unpacked(_size(archive), sum(member.file_size for member in archive.infolist()))


def check_unpacked(packed: int, unpacked: int) -> None:
    """Raise OddArchive where what becomes of a file, in bytes, is far more than the file has."""
    if unpacked > max(_SMALL, _TIGHTEST * packed):
        raise OddArchive(
            f"its {packed / 1e6:.1f} MB would unpack to {unpacked / 1e6:.0f} MB, which no weights are packed into"
        )


def read_json(archive: zipfile.ZipFile, name: str, deepest: int = 500, infinite: bool = True) -> Json:
    """Return a JSON member, of which no more is unpacked than is expected of one.

    Raises:
        OddJson: it is too large, or no JSON.
        KeyError: it is missing; also whatever stands in `DAMAGED`.
    """
    with archive.open(name) as member:
        return parse(member.read(LARGEST + 1), deepest=deepest, infinite=infinite)


def _size(archive: zipfile.ZipFile) -> int:
    """Return the bytes of the file."""
    file = archive.fp
    assert file is not None  # nosec B101 (tells mypy)
    place = file.tell()
    size = file.seek(0, 2)
    file.seek(place)
    return size
