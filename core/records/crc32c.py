"""CRC-32C of many records of one length at once, with NumPy alone.

A CRC is linear over GF(2): records are cut into short chunks whose CRCs are computed side by side, two
bytes a step, and then joined two by two; appending n bytes to a message applies a 32 x 32 bit matrix,
which depends on n alone, to its CRC. (Polynomial and bit order: RFC 3720, appendix B.4; matrices: Mark
Adler's crc32_combine in zlib.)
"""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np

_POLYNOMIAL = 0x82F63B78  # reflected
_CHUNK = 64  # bytes, about
_SIDE_BY_SIDE = 16384  # chunks computed together: few enough for the processor's cache
_ONES = np.uint32(0xFFFFFFFF)


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
