"""The frames of records in TFRecords files and their checksums, without TensorFlow.

A frame: length of the data (8 bytes), its masked CRC (4), data, its masked CRC (4).
Format: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details

The checksum is CRC-32C, of many records of one length at once, with NumPy alone: a CRC is linear over GF(2), so records
are cut into short chunks whose CRCs are computed side by side, two bytes a step, and then joined two by two; appending
n bytes to a message applies a 32 x 32 bit matrix, which depends on n alone, to its CRC. (Polynomial and bit order:
RFC 3720, appendix B.4; matrices: Mark Adler's crc32_combine in zlib.)
"""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from functools import cache, lru_cache
from pathlib import Path
from typing import IO, cast

import numpy as np

from ..errors import RecordsError
from ..phrases import Phrase

_HEAD = 12  # bytes: a length and its CRC
_CRC = 4  # bytes
_POLYNOMIAL = 0x82F63B78  # reflected
_CHUNK = 64  # bytes, about
_SIDE_BY_SIDE = 16384  # chunks computed together: few enough for the processor's cache
_ONES = np.uint32(0xFFFFFFFF)


# ------------------------------------------------------------- checksums


@cache
def _table(bits: int) -> np.ndarray:
    """Return what `bits` bits of a message do to a CRC of 0, uint32, shape (2**bits,)."""
    table = np.arange(1 << bits, dtype="uint32")
    for _ in range(bits):
        table = np.where(table & 1, (table >> np.uint32(1)) ^ np.uint32(_POLYNOMIAL), table >> np.uint32(1))
    return table.astype("uint32")


@cache
def _shift(length: int) -> np.ndarray:
    """Return the matrix of `length` zero bytes as the images of the 32 bits, uint32, shape (32,)."""
    bits = np.left_shift(np.uint32(1), np.arange(32, dtype="uint32"))
    if length == 0:
        return bits
    if length == 1:
        return _table(8)[bits & np.uint32(0xFF)] ^ (bits >> np.uint32(8))
    half = _shift(length // 2)
    doubled = _apply(half, half)
    return _apply(_shift(1), doubled) if length % 2 else doubled


def _apply(matrix: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the product of the matrix with each value, uint32."""
    result = np.zeros_like(values)
    for bit in range(32):
        result ^= np.where(values >> np.uint32(bit) & np.uint32(1), matrix[bit], np.uint32(0))
    return result


@lru_cache(maxsize=64)
def _shift_tables(length: int) -> np.ndarray:
    """Return the matrix of `length` zero bytes as tables for the low and high half, uint32, shape (2, 65536)."""
    halves = np.arange(1 << 16, dtype="uint32")
    matrix = _shift(length)
    return np.stack((_apply(matrix, halves), _apply(matrix, halves << np.uint32(16))))


def crc32c(records: np.ndarray) -> np.ndarray:
    """Return the CRC-32C of each record.

    Args:
        records: uint8, shape (n, length).

    Returns:
        uint32, shape (n,).
    """
    count, length = records.shape
    chunks = 1
    while chunks * _CHUNK < length:
        chunks *= 2
    size = -(-length // (2 * chunks)) * 2  # an even number of bytes, so that padding stays small
    step = max(1, _SIDE_BY_SIDE // chunks)
    parts = [_raw(records[start : start + step], chunks, size) for start in range(0, count, step)]
    start = _apply(_shift(length), np.array([_ONES]))  # a CRC starts with all bits set, and ends inverted
    return np.concatenate([np.empty(0, "uint32"), *parts]) ^ start[0] ^ _ONES


def _raw(records: np.ndarray, chunks: int, size: int) -> np.ndarray:
    """Return the CRCs that start at 0 and are not inverted; `chunks` is a power of two."""
    count, length = records.shape
    padded = np.zeros((count, chunks * size), "uint8")  # zeros in front change nothing where the CRC starts at 0
    padded[:, padded.shape[1] - length :] = records
    words = np.ascontiguousarray(padded.view("<u2").reshape(count * chunks, size // 2).T)
    table = _table(16)
    crc = np.zeros(count * chunks, "uint32")
    for word in words:
        crc = table[(crc ^ word) & np.uint32(0xFFFF)] ^ (crc >> np.uint32(16))
    while len(crc) > count:
        low, high = _shift_tables(size)
        left, right = crc[0::2], crc[1::2]
        crc = low[left & np.uint32(0xFFFF)] ^ high[left >> np.uint32(16)] ^ right
        size *= 2
    return crc


def masked_crc(crc: np.ndarray) -> np.ndarray:
    """Return the CRCs as TFRecords store them: rotated right by 15 bits, plus a constant."""
    rotated = (crc >> np.uint32(15)) | (crc << np.uint32(17))
    return rotated + np.uint32(0xA282EAD8)


# ---------------------------------------------------------------- frames


def compression_of(path: Path) -> str:
    """Return how the file is compressed, in TensorFlow's words: empty or `GZIP`.

    Raises:
        RecordsError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise RecordsError("Cannot read {path}: {reason}.", path=path, reason=error.strerror) from error
    packed = head[:2] == b"\x1f\x8b" and _first_wrong([head.ljust(_HEAD, b"\0")]) == 0
    return "GZIP" if packed else ""


def count_records(path: Path, compression: str) -> int:
    """Return the number of records in a file, found by reading the lengths only.

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
        raise RecordsError("Cannot read {path}: {reason}.", path=path, reason=error.strerror) from error
    wrong = _first_wrong(heads)
    if wrong < len(heads):
        raise damaged(path, wrong, Phrase("its length does not match its checksum"))
    if not whole:
        raise damaged(path, max(0, len(heads) - 1), Phrase("the file ends within it, or before the next"))
    return len(heads)


def damaged(path: object, record: int, why: str) -> RecordsError:
    """Return the error for a record, counted from 0, that cannot be read."""
    return RecordsError(
        "{path} is damaged at its record {record} (counted from 0): {why}. Write or copy the file again, or remove "
        "it from the folder.",
        path=path,
        record=record,
        why=why,
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
