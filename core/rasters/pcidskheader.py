"""Required lengths of a PCIDSK raster's files: GDAL gives zeros for missing parts of channels in tiles or files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

Read = Callable[[str, int, int], bytes]
"""Returns bytes of a file, from an offset; fewer where it ends."""

_BLOCK = 512
_CHANNEL = 1024  # bytes of a channel's header
_POINTER = 32  # bytes that tell of a segment
_SIZES = {"8U": 1, "16S": 2, "16U": 2, "32R": 4, "C16U": 4, "C16S": 4, "C32R": 8}
_LAYER, _TILES, _PLACE = 18, 38, 6  # bytes that tell of a layer, of its tiles, and of a block of the file


def promised_files(path: str, read: Read) -> Iterator[tuple[str, int]]:
    """Yield files and the bytes that they must have at least.

    Args:
        path: the file with the header.
        read: reads of it.
    """
    head = read(path, 0, _BLOCK)
    if _text(head, 360, 8) in ("PIXEL", "BAND"):
        yield path, _BLOCK * _number(head, 16, 16)
        return
    columns, lines, first = (_number(head, at, size) for at, size in ((384, 8), (392, 8), (336, 16)))
    tiled = False
    for channel in range(_number(head, 376, 8)):
        told = read(path, (first - 1) * _BLOCK + channel * _CHANNEL, _CHANNEL)
        name, size = _text(told, 64, 64), _SIZES.get(_text(told, 160, 8), 0)
        tiled |= name.startswith("/SIS=")
        if name and size and not name.startswith(("/", "<")) and columns and lines:
            last = (lines - 1) * _number(told, 192, 8) + (columns - 1) * _number(told, 184, 8)
            yield os.path.join(os.path.dirname(path), name), _number(told, 168, 16) + last + size
    # Room for tiles is made in advance, so that the file may be shorter than its header tells.
    yield path, _end_of_tiles(path, read, head) if tiled else _BLOCK * _number(head, 16, 16)


def _end_of_tiles(path: str, read: Read, head: bytes) -> int:
    """Return where the last block that belongs to a channel ends; 0 where the directory is none that we know."""
    pointers = read(path, (_number(head, 440, 16) - 1) * _BLOCK, _number(head, 456, 8) * _BLOCK)

    def segment(number: int) -> tuple[int, int]:
        told = pointers[(number - 1) * _POINTER : number * _POINTER]
        begin = (_number(told, 12, 11) - 1) * _BLOCK
        return begin + _CHANNEL, begin + _number(told, 23, 9) * _BLOCK

    names = [_text(pointers, at + 4, 8) for at in range(0, len(pointers), _POINTER)]
    if "TileDir" not in names:
        return 0
    begin, end = segment(names.index("TileDir") + 1)
    told = read(path, begin, max(end - begin, 0))
    if told[:10] != b"VERSION  1" or told[509:510] == b"B":
        return 0
    layers, size = _binary(told, 10, 4), _binary(told, 14, 4)
    places = 512 + layers * (_LAYER + _TILES) + _LAYER
    ends = [0]
    for at in range(512, 512 + layers * _LAYER, _LAYER):
        start = places + _binary(told, at + 2, 4) * _PLACE
        for place in range(start, start + _binary(told, at + 6, 4) * _PLACE, _PLACE):
            ends.append(segment(_binary(told, place, 2))[0] + (_binary(told, place + 2, 4) + 1) * size)
    return max(ends)


def _text(data: bytes, at: int, size: int) -> str:
    return data[at : at + size].decode("latin-1").strip(" \0")


def _number(data: bytes, at: int, size: int) -> int:
    text = _text(data, at, size)
    return int(text) if text.isdecimal() else 0


def _binary(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")
