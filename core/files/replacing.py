"""Check, before a run, what its outputs would destroy; for all operations."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import stat
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..base.addresses import leads_to_server, masked
from ..errors import ParameterError
from ..parameters.kinds import Content, Key
from ..parameters.vectorsource import Address, VectorSource
from ..phrases import Phrase
from .memoryfiles import in_memory
from .privatecopies import is_database, original, source_to_open

_OF_A_MODEL = ("saved_model.pb*", "variables/*", "assets/*")

_SIDECARS = {
    ".shp": (".dbf", ".shx", ".prj", ".cpg", ".qix", ".sbn", ".sbx", ".qpj", ".idm", ".ind"),
    ".tab": (".dat", ".map", ".id", ".ind"),
    ".mif": (".mid",),
    ".csv": (".csvt", ".prj"),
    ".gml": (".gfs", ".xsd"),
    **dict.fromkeys((".img", ".dat", ".bil", ".bip", ".bsq", ".bin", ".raw"), (".hdr", ".prj", ".stx", ".clr", ".ige")),
}
"""Extensions of the files that are written, or removed, with an output of that extension."""
_BESIDE = (".aux.xml", ".ovr", ".msk", ".json", ".hdr")
"""What is appended to an output's name for files that are written, or removed, with it."""

_OF_FOLDERS = (
    re.compile(r"(.*/)?(\.z\w+|zarr\.json|[^/]+\.(array|group)\.json|(c/?)?\d+([./]\d+)*)"),  # Zarr
    re.compile(r"image_data(_ovr)?(\.aux\.xml)?|attrib|georef"),  # MFF2
)
"""Names of the files in rasters that are folders, of each such format."""

_TILES = ("tiles", "2d-gridded-coverage")
_SYSTEM_TABLES = re.compile(r"(gpkg|rtree|sqlite|ogr|nga|layer_styles|qgis_projects)(_.*)?", re.IGNORECASE)


def check_outputs(known: Iterable[Key], values: Mapping[str, Any]) -> None:
    """Raise ParameterError where an output would replace more than an older output of its own.

    That is a file which an input is, or refers to (the images of a virtual raster, the files of a shapefile), a file
    that holds other layers, one that is write-protected, a folder of other things, and another output.

    Args:
        known: the operation's keys.
        values: what is given, by key.
    """
    given = [(key, values[key.name]) for key in known if values.get(key.name)]
    outputs = [(key, str(path)) for key, path in given if key.kind.is_output]
    replaced = [
        (key, path, [name for name in _written(path) if _may_exist(name)])
        for key, path in outputs
        if key.kind.content is not Content.FOLDER
    ]
    _check_different(outputs)
    for key, path in outputs:
        if key.kind.content is Content.FOLDER and os.path.isfile(path):
            raise ParameterError("{key} is {path}, which is a file: choose a folder.", key=key.mention, path=path)
    for key, path, files in replaced:
        if files:
            _check_not_read(key, path, files, given)
        if os.path.isfile(path):
            _check_writable(key, path)
            _check_holds_no_other(key, path)
        elif os.path.isdir(path) and key.kind.content is Content.RASTER:
            _check_is_raster(key, path)


def _written(path: str) -> list[str]:
    """Return the files that are written or removed with an output."""
    stem, extension = os.path.splitext(path)
    beside = [path + end for end in _BESIDE]
    return [path, *beside, *(stem + end for end in _SIDECARS.get(extension.lower(), ()))]


def _may_exist(path: str) -> bool:
    """Return whether there is a file of this name; of one in memory only GDAL knows."""
    return os.path.exists(path) or in_memory(path)


def _check_different(outputs: list[tuple[Key, str]]) -> None:
    """Raise ParameterError where a file is two outputs; folders may be, each with its own files in it."""
    seen: dict[str, Key] = {}
    for key, path in outputs:
        other = seen.setdefault(os.path.abspath(path), key)
        if other is not key and {key.kind.content, other.kind.content} != {Content.FOLDER}:
            raise ParameterError(
                "{other} and {key} are both {path}: choose another file for one of them.",
                other=other.mention,
                key=key.mention,
                path=path,
            )


# ---------------------------------------------------------------- inputs


def _check_not_read(key: Key, path: str, files: list[str], given: list[tuple[Key, Any]]) -> None:
    """Raise ParameterError where one of the `files` that go with an output is read."""
    for other, value in given:
        content = None if other.kind.is_output else other.kind.content
        read_whole = content in (Content.FILE, Content.FOLDER)
        each = value if isinstance(value, (list, tuple)) else [value]
        if read_whole and any(_same(path, str(file)) for one in each for file in _read_whole(str(one))):
            raise ParameterError(
                "{key} is {path}, which is also an input ({other}): choose another file.",
                key=key.mention,
                path=path,
                other=other.mention,
            )
        if content not in (Content.RASTER, Content.LAYER):
            continue
        for source in each:
            name = masked(_text(source) or Phrase("a data set"))
            for file in _files_of(source, content is Content.LAYER):
                clash = next((mine for mine in files if _same(mine, file)), None)
                if clash == path and _same(path, _file_of(source)):
                    raise ParameterError(
                        "{key} is {path}, which is also an input: choose another file.", key=key.mention, path=path
                    )
                if clash:
                    told = Phrase("{other} ({name}) is read from it", other=other.mention, name=name)
                    if clash == path:
                        raise ParameterError(
                            "{key} is {path}, which is also an input: {told}. Choose another file.",
                            key=key.mention,
                            path=path,
                            told=told,
                        )
                    raise ParameterError(
                        "{key} is {path}, and writing it replaces {clash}, which is also an input: {told}. Choose "
                        "another file.",
                        key=key.mention,
                        path=path,
                        clash=clash,
                        told=told,
                    )
                if _mentions(file, path):
                    raise ParameterError(
                        "{key} is {path}, which is also an input ({file}): choose another file.",
                        key=key.mention,
                        path=path,
                        file=masked(file),
                    )
            if _mentions(_text(source), path):
                raise ParameterError(
                    "{key} is {path}, which is also an input ({name}): choose another file.",
                    key=key.mention,
                    path=path,
                    name=name,
                )


def _read_whole(path: str) -> list[Path]:
    """Return the files that make a model, or the one file that is read as it is; none where there is nothing."""
    place = Path(path).parent if Path(path).name.startswith("saved_model.pb") else Path(path)
    if place.is_dir():
        return [file for pattern in _OF_A_MODEL for file in place.glob(pattern)]
    return [place] if _may_exist(str(place)) else []


def _text(source: Any) -> str:
    """Return how a source is written, or what it was opened from; empty for a raster in memory."""
    if isinstance(source, (str, VectorSource)):
        return str(source)
    path = getattr(source, "path", getattr(source, "name", ""))  # the name is that of an `Opened`
    return path if isinstance(path, str) else ""


def _file_of(source: Any) -> str:
    return Address.of(_text(source)).path


def _files_of(source: Any, is_layer: bool) -> Iterator[str]:
    """Yield the files on this machine from which a source is read."""
    dataset = getattr(source, "dataset", source)
    if hasattr(dataset, "GetFileList"):
        from .filesbehind import files_behind

        yield from map(original, files_behind(dataset))
        return
    seen: set[str] = set()
    waiting = [_file_of(source)]
    while waiting:
        file = waiting.pop()
        if not file or file in seen or leads_to_server(file):
            continue
        seen.add(file)
        yield file
        if not is_database(file):  # which has nothing but itself, and may change by being opened
            from .contents import files_of

            found = files_of(file, is_layer)
            yield from found
            if is_layer:
                waiting += [name for name in found if name.lower().endswith(".vrt")]


def _same(one: str, two: str) -> bool:
    if in_memory(one) or in_memory(two):
        return one == two
    try:
        return os.path.samefile(one, two)
    except OSError:
        return False


def _mentions(text: str, path: str) -> bool:
    """Return whether the name of a part of a file (a subdataset, a file in an archive) names the file `path`."""
    if not re.match(r"/vsi|[A-Za-z0-9_]{2,}:", text):
        return False
    names = {os.path.abspath(path), os.path.realpath(path), path}
    return any(re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", text) for name in names)


# ---------------------------------------------------------------- containers


def _check_holds_no_other(key: Key, path: str) -> None:
    """Raise ParameterError where the file at `path` holds more than an output of that name."""
    may_be_layer = key.kind.content is Content.FILE and "*.gpkg" in key.file_filter
    others = _others(Content.LAYER if may_be_layer else key.kind.content, path)
    if others:
        raise ParameterError(
            "{key} is {path}, which holds {others}: that would be lost. Choose another file.",
            key=key.mention,
            path=path,
            others=_told(others),
        )


def _check_writable(key: Key, path: str) -> None:
    """Raise ParameterError if the file at `path` is write-protected: replacing it would succeed all the same."""
    if not os.access(path, os.W_OK) or not os.stat(path).st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
        raise ParameterError(
            "{key} is {path}, which exists and is write-protected: choose another file.", key=key.mention, path=path
        )


def _check_is_raster(key: Key, path: str) -> None:
    """Raise ParameterError where the folder at `path` is no older raster, of a format that makes folders, alone."""
    files = [item.relative_to(path).as_posix() for item in Path(path).rglob("*") if not item.is_dir()]
    if not files:
        raise ParameterError("{key} is {path}, which is a folder: choose a file.", key=key.mention, path=path)
    others = min(([name for name in files if not names.fullmatch(name)] for names in _OF_FOLDERS), key=len)
    if others:
        raise ParameterError(
            "{key} is {path}, which is a folder that holds {others}: that would be lost. Choose a file.",
            key=key.mention,
            path=path,
            others=_told(others),
        )
    _check_holds_no_other(key, path)


def _told(names: list[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def _others(content: Content | None, path: str) -> list[str]:
    """Return the names of what the file holds beside an older output with this content."""
    stem = Path(path).stem
    if is_database(path):
        held = _tables(path)
        if held is not None:
            own = {Content.RASTER: True, Content.LAYER: False}.get(content) if content else None
            return [name for name, tiles in held if name != stem or tiles is not own]
    if content is Content.FILE and not is_database(path):
        return []
    from .contents import other_layers, other_rasters  # a run without GDAL has no such output

    if content is Content.RASTER:
        return other_rasters(path)
    return other_layers(path, stem if content is Content.LAYER else "")


def _tables(path: str) -> list[tuple[str, bool]] | None:
    """Return the tables of a GeoPackage, and whether each holds a raster; None where it is another database."""
    file = source_to_open(path, ParameterError)
    address = f"file:{urllib.parse.quote(os.path.abspath(file))}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=1)) as database:
            tables = {str(name) for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if "gpkg_contents" not in tables:
                return None
            contents = dict(database.execute("SELECT table_name, data_type FROM gpkg_contents").fetchall())
    except sqlite3.Error:
        return None  # damaged or locked: opening it for writing says so
    found = {*contents, *tables}
    return sorted((name, contents.get(name) in _TILES) for name in found if not _SYSTEM_TABLES.fullmatch(name))
