"""The bytes of files wherever GDAL reads them: on disk, in archives, in memory, on servers."""

from __future__ import annotations

from collections.abc import Iterator

from osgeo import gdal

_FROM_END = 2  # as in io.SEEK_END


def size_of(path: str) -> int:
    """Return the size of a file; 0 where there is none."""
    found = gdal.VSIStatL(path)
    return 0 if found is None else int(found.size)


def part_of(path: str, offset: int, size: int) -> bytes:
    """Return `size` bytes from `offset` on, fewer at the end of the file; none where it cannot be read."""
    file = gdal.VSIFOpenL(path, "rb") if offset >= 0 and size > 0 else None
    if file is None:
        return b""
    try:
        gdal.VSIFSeekL(file, offset, 0)
        return bytes(gdal.VSIFReadL(1, size, file) or b"")
    finally:
        gdal.VSIFCloseL(file)


def end_of(path: str, size: int) -> bytes:
    """Return the last `size` bytes of a file, all of a shorter one; none where it cannot be read."""
    file = gdal.VSIFOpenL(path, "rb")
    if file is None:
        return b""
    try:
        gdal.VSIFSeekL(file, 0, _FROM_END)
        gdal.VSIFSeekL(file, max(0, gdal.VSIFTellL(file) - size), 0)
        return bytes(gdal.VSIFReadL(1, size, file) or b"")
    finally:
        gdal.VSIFCloseL(file)


def parts_of(path: str, size: int = 1 << 20) -> Iterator[bytes]:
    """Yield a file in parts of `size` bytes, the last of which may be shorter; nothing where it cannot be read."""
    file = gdal.VSIFOpenL(path, "rb")
    if file is None:
        return
    try:
        while part := bytes(gdal.VSIFReadL(1, size, file) or b""):
            yield part
    finally:
        gdal.VSIFCloseL(file)
