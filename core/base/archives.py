"""Zip archives with models and states: the size of members is checked before they are unpacked."""

from __future__ import annotations

import lzma
import zipfile
import zlib

from ..phrases import Phrase
from .jsonvalues import LARGEST, Json, parse

_SMALL = 64 << 20  # bytes of an archive that may be packed as tightly as it likes
_TIGHTEST = 20
"""Largest ratio of unpacked members to the archive's size: weights hardly compress."""


DAMAGED = (OSError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
"""What Python's zipfile raises for damaged, truncated or encrypted archives."""


class OddArchive(ValueError):
    """An archive would unpack to an implausible size."""


def check_sizes(archive: zipfile.ZipFile) -> None:
    """Raise OddArchive if the sizes that the members declare are implausible for the file's size."""
    check_unpacked(_size(archive), sum(member.file_size for member in archive.infolist()))


def check_unpacked(packed: int, unpacked: int) -> None:
    """Raise OddArchive if the unpacked size, in bytes, is implausible for the file's size."""
    if unpacked > max(_SMALL, _TIGHTEST * packed):
        raise OddArchive(
            Phrase(
                "its {packed:.1f} MB would unpack to {unpacked:.0f} MB, which is implausible for weights",
                packed=packed / 1e6,
                unpacked=unpacked / 1e6,
            )
        )


def read_json(archive: zipfile.ZipFile, name: str, deepest: int = 500, infinite: bool = True) -> Json:
    """Return a JSON member; unpack at most the expected size.

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
