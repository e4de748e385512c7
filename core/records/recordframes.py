"""The frames of records in TFRecords files, read without TensorFlow.

A frame: length of the data (8 bytes), its masked CRC (4), data, its masked CRC (4).
Format: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
"""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from pathlib import Path
from typing import IO, cast

import numpy as np

from ..errors import RecordsError
from .crc32c import crc32c
from .recordwriting import masked_crc

_HEAD = 12
_CRC = 4


def compression_of(path: Path) -> str:
    """Return how the file is compressed, in TensorFlow's words: empty or `GZIP`.

    Raises:
        RecordsError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise RecordsError(f"Cannot read {path}: {error.strerror}.") from error
    packed = head[:2] == b"\x1f\x8b" and _first_wrong([head.ljust(_HEAD, b"\0")]) == 0
    return "GZIP" if packed else ""


def count_records(path: Path, compression: str) -> int:
    """Return the number of records in a file, found by going from length to length.

    Without compression the data itself is passed over, so that this reads little.

    Args:
        path: the file.
        compression: see `compression_of`.

    Raises:
        RecordsError: the file ends inside a record, or a length is damaged; the message says at which record.
    """
    heads: list[bytes] = []
    try:
        with cast("IO[bytes]", gzip.open(path) if compression else path.open("rb")) as file:
            whole = _walk(file, None if compression else os.fstat(file.fileno()).st_size, heads)
    except (zlib.error, EOFError, gzip.BadGzipFile):
        whole = False
    except OSError as error:
        raise RecordsError(f"Cannot read {path}: {error.strerror}.") from error
    wrong = _first_wrong(heads)
    if wrong < len(heads):
        raise damaged(path, wrong, "its length is not what was written")
    if not whole:
        raise damaged(path, max(0, len(heads) - 1), "the file ends within it, or before the next")
    return len(heads)


def damaged(path: object, record: int, why: str) -> RecordsError:
    """Return the error for a record, counted from 0, that cannot be read."""
    return RecordsError(
        f"{path} is damaged at its record {record} (counted from 0): {why}. Write or copy the file again, or take it out "
        "of the folder."
    )


def _walk(file: IO[bytes], size: int | None, heads: list[bytes]) -> bool:
    """Append the head of each record to `heads`; return whether the last one is whole.

    Args:
        file: the records.
        size: in bytes; None where only reading tells.
        heads: receives them.
    """
    position = 0
    while True:
        head = file.read(_HEAD)
        if not head:
            return True
        heads.append(head.ljust(_HEAD, b"\0"))
        if len(head) < _HEAD:
            return False
        position += _HEAD + int(struct.unpack("<Q", head[:8])[0]) + _CRC
        if size is not None and position > size:
            return False
        if file.seek(position) < position:
            return False


def _first_wrong(heads: list[bytes]) -> int:
    """Return the first record whose length does not fit its CRC; the number of records if all do."""
    if not heads:
        return 0
    table = np.frombuffer(b"".join(heads), "uint8").reshape(-1, _HEAD)
    stored = np.ascontiguousarray(table[:, 8:]).view("<u4")[:, 0]
    wrong = np.flatnonzero(masked_crc(crc32c(np.ascontiguousarray(table[:, :8]))) != stored)
    return int(wrong[0]) if len(wrong) else len(heads)
