"""What tells whether the files of a row, its inputs and its outputs, are still the same: size and time of change of each.

Databases, whose time changes when they are only looked at, are told by their content. What lies at an address is told by
the address.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from osgeo import gdal

from ..base.addresses import leads_to_server, masked
from ..errors import OtbtfError, RasterError
from ..files.filesbehind import files_behind
from ..files.gdalcalls import collected_errors, open_unchanged
from ..files.privatecopies import is_database, original
from ..models.identity import file_fingerprint
from ..parameters.extendedfilenames import split
from ..parameters.kinds import Content, Key
from ..parameters.vectorsource import Address


def inputs_identity(
    known: tuple[Key, ...], values: dict[str, Any], run: str, others: tuple[str, ...] = ()
) -> dict[str, str]:
    """Return what tells each file that the values of an operation name, by path.

    Signatures in addresses, which expire, are left out.

    Args:
        known: the operation's keys.
        values: its values.
        run: stands for the run of the table.
        others: further rasters that are read.
    """
    found: dict[str, str] = {}
    for key in known:
        if key.name not in values or key.kind.is_output or key.kind.content is None:
            continue
        value = values[key.name]
        for item in value if isinstance(value, (list, tuple)) else [value]:
            source = split(str(item))[0]
            if key.kind.content is Content.RASTER:
                found.update(_raster_told(run, source))
            else:
                found.update({masked(path): _told(path) for path in _files(key.kind.content, source)})
    for raster in others:
        found.update(_raster_told(run, raster))
    return found


@functools.lru_cache(maxsize=16)
def _raster_told(run: str, source: str) -> Mapping[str, str]:
    """Return what tells each file of a raster, by path.

    Rows may share a virtual raster of thousands of files, so they are looked at once in a run. If one changes later in the
    run, the next run finds another identity, and computes the row again.
    """
    return {masked(path): _told(path) for path in _files_of_raster(source)}


def output_identity(path: str) -> str:
    """Return what tells an output, a file or a folder, from another at its path; empty where there is none."""
    if not os.path.isdir(path):
        return _told(path)
    return digest(*(f"{file} {_told(file)}" for file in _files(Content.FOLDER, path)))


def _files(content: Content, source: str) -> Iterator[str]:
    """Yield the files that a source consists of, as far as they lie on this machine."""
    if content is Content.LAYER:
        yield Address.of(source).path
    elif os.path.isdir(source):
        yield from sorted(str(path) for path in Path(source).rglob("*") if path.is_file())
    else:
        yield source


def _files_of_raster(source: str) -> list[str]:
    if leads_to_server(source):
        return []
    dataset = None
    with collected_errors(), contextlib.suppress(OtbtfError):  # what is wrong with it is said when it is read
        dataset = open_unchanged(source, gdal.OF_RASTER, RasterError)
    return [source] if dataset is None else [original(file) for file in files_behind(dataset)]


def _told(path: str) -> str:
    if leads_to_server(path):
        return ""
    if is_database(path) and os.path.isfile(path):
        return file_fingerprint(Path(path))
    found = None
    with collected_errors():
        found = gdal.VSIStatL(path)
    return "" if found is None else f"{found.size} bytes, {_changed(path, found)}"


def _changed(path: str, found: Any) -> str:
    try:
        return f"{os.stat(path).st_mtime_ns} ns"
    except OSError:
        return f"{found.mtime} s"


def digest(*parts: str) -> str:
    """Return a short digest of texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
