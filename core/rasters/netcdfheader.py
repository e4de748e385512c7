"""How long a classic netCDF file must be: its library gives zeros for what is missing at the end."""

from __future__ import annotations

import math
from collections.abc import Callable

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
"""Bytes of a value, by netCDF's number of its type."""

_STREAMED = (2**32 - 1, 2**64 - 1)  # a number of records that is not known


class _Header:
    """Reads a header from front to back (NetCDF Classic Format Specification, "The Format in Detail")."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at, self._version = data, 4, data[3]

    def number(self, size: int = 0) -> int:
        """Return the next whole number, of 4 bytes (of 8 in CDF-5) unless a size is given."""
        return int.from_bytes(self._bytes(size or (8 if self._version == 5 else 4)), "big")

    def place(self) -> int:
        """Return the next offset in the file."""
        return self.number(4 if self._version == 1 else 8)

    def skip(self, size: int) -> None:
        """Pass over so many bytes, and those that fill up four."""
        self._bytes((size + 3) // 4 * 4)

    def several(self, each: Callable[[], int]) -> list[int]:
        """Return what `each` returns for every item of the next list."""
        self.number(4)  # its tag
        return [each() for _ in range(self.number())]

    def _bytes(self, size: int) -> bytes:
        found = self._data[self._at : self._at + size]
        if len(found) < size:
            raise ValueError("the header is longer than what was read")
        self._at += size
        return found


def promised_bytes(data: bytes) -> int:
    """Return how many bytes a file must have.

    Args:
        data: its first bytes, which hold the header.

    Raises:
        ValueError: they do not, or the header is none.
    """
    if data[:3] != b"CDF" or data[3:4] not in (b"\1", b"\2", b"\5"):
        raise ValueError("no classic netCDF")
    header = _Header(data)
    records = header.number()

    def dimension() -> int:
        header.skip(header.number())
        return header.number()

    def attribute() -> int:
        header.skip(header.number())
        size = _SIZES.get(header.number(4), 0)
        header.skip(size * header.number())
        return 0

    dimensions = header.several(dimension)
    header.several(attribute)
    ends, record_ends, record_sizes = [0], [0], []

    def variable() -> int:
        header.skip(header.number())
        lengths = [dimensions[header.number()] for _ in range(header.number())]
        header.several(attribute)
        each = _SIZES.get(header.number(4), 0)
        header.number()
        begin = header.place()
        size = each * math.prod(lengths[1:] if lengths and not lengths[0] else lengths)
        if lengths and not lengths[0]:  # one value for each record
            record_ends.append(begin + size)
            record_sizes.append(size)
        else:
            ends.append(begin + size)
        return 0

    try:
        header.several(variable)
    except IndexError:
        raise ValueError("a variable has a dimension that there is not") from None
    if record_sizes and records > 0 and records not in _STREAMED:
        alone = len(record_sizes) == 1  # not filled up to four bytes then
        step = sum(size if alone else (size + 3) // 4 * 4 for size in record_sizes)
        ends.append(max(record_ends) + (records - 1) * step)
    return max(ends)
