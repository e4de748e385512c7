"""Values in a script: paths, arrays, datasets, extended filenames."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..base.addresses import masked
from ..base.progress import Progress
from ..errors import ParameterError, RasterError
from ..files.inputs import check_ordinary
from ..parameters.extendedfilenames import check_reading, output_values, split
from ..parameters.kinds import Content, Key
from ..parameters.parsing import keys
from ..parameters.rastersource import RasterSource, has_options
from ..parameters.vectorsource import VectorSource, described
from ..phrases import Phrase, plain


def understood(operation: type, values: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Return the values that a script gives as `parsing.parse` reads them.

    Paths may be `pathlib.Path`s. A raster may be an extended filename of OTB, a source as QGIS writes it
    (`image.tif|option:KEY=VALUE`), a `RasterSource` or the JSON object that it is in a request, an open `gdal.Dataset`,
    an `ArrayRaster` or an xarray DataArray; a raster to write may be an extended filename, alone or in a pair with its
    pixel type, as `("map.tif", "uint8")`. A layer may be a `VectorSource`, or the JSON object that it is in a request.

    Args:
        operation: its dataclass.
        values: OTBTF's keys to values.
        progress: told what of an extended filename is left out.

    Raises:
        ParameterError: a value is of no such kind, an option cannot be followed, or two values contradict each other.
        RasterError: a raster in memory is none, or the bands of an extended filename do not exist.
    """
    known = {key.name: key for key in keys(operation, values)}
    found: dict[str, Any] = {}
    notes: list[str] = []
    for name, value in values.items():
        key = known.get(name)
        if key is None or value is None:
            given = {name: value}
        elif key.kind.is_output and key.kind.content is Content.RASTER:
            given = output_values(key.mention, key, _words(value), known, notes)
        elif not key.kind.is_output and key.kind.content in _SOURCES:
            given = {name: key.kind.each(value, functools.partial(_SOURCES[key.kind.content], key, notes))}
        else:
            given = {name: _single(key, value)}
        for other, read in given.items():
            if other in found or (other != name and values.get(other) not in (None, read)):
                raise ParameterError(
                    "{other} is given twice, once by {name} ({value!r}): keep one.",
                    other=known[other].mention,
                    name=known[name].mention,
                    value=value,
                )
        found.update(given)
    for note in notes:
        progress.info(note)
    return found


def check_files(operation: type, values: Mapping[str, Any]) -> None:
    """Raise ParameterError where a file that is given to read or to replace is a pipe, a socket or a device.

    Opening one may wait for ever, where no Ctrl-C reaches.
    """
    known = {key.name: key for key in keys(operation, values)}
    for name, value in values.items():
        if name not in known or known[name].kind.content is None or isinstance(value, Iterator):
            continue
        for item in _items(value):
            if isinstance(item, (str, os.PathLike)):
                path = split(os.fspath(item))[0]
                said = Phrase("{name} is {path}, which", name=known[name].mention, path=masked(path))
                check_ordinary(path, said, ParameterError, only_itself=known[name].kind.is_output)


def _items(value: Any) -> list[Any]:
    """Return the rasters of a list; one alone, which may be an array or a description, is a list of one."""
    return list(value) if isinstance(value, (list, tuple, Iterator)) else [value]


def _words(value: Any) -> list[str]:
    return [os.fspath(word) for word in value] if isinstance(value, (list, tuple)) else [os.fspath(value)]


def _single(key: Key, value: Any) -> Any:
    if isinstance(value, (list, tuple)) and not (key.kind.is_list or key.kind.joins_lists):
        raise ParameterError(
            "{key} is {value!r}, but takes one value: {help}", key=key.mention, value=value, help=plain(key.help)
        )
    if isinstance(value, (list, tuple)):
        return type(value)(_path(item) for item in value)
    return _path(value)


def _layer(key: Key, notes: list[str], layer: Any) -> Any:
    """Return a layer as `vectors.vectorlayer.VectorLayer` opens it; note a coordinate system that is not its file's own."""
    try:
        layer = described(_single(key, layer))
    except ParameterError as error:
        raise ParameterError("{key}: {reason}", key=key.mention, reason=error.message) from None
    if isinstance(layer, VectorSource) and layer.crs:
        notes.append(
            Phrase(
                "{key}: {layer} is read in the coordinate system assigned to it, {crs}.",
                key=key.mention,
                layer=layer,
                crs=layer.crs,
            )
        )
    return layer


def _path(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _source(key: Key, notes: list[str], source: Any) -> Any:
    """Return what `rasters.rasteropening.open_dataset` opens."""
    source = _path(source)
    try:
        if isinstance(source, str):
            return _file(key, source, notes)
        from ..rasters.inmemory import in_memory

        source = in_memory(source)
        return _described(source, notes) if isinstance(source, RasterSource) else source
    except RasterError as error:
        raise RasterError("{key}: {reason}", key=key.mention, reason=error.message) from error


def _described(source: RasterSource, notes: list[str]) -> Any:
    if source.crs:
        from ..rasters.inmemory import crs_wkt
        from ..rasters.rasterreference import Reference

        name = Reference(crs_wkt(source.crs), True).describe()
        notes.append(
            Phrase(
                "{source} is read in the coordinate system assigned to it, {name}, instead of its own.",
                source=masked(source.path),
                name=name,
            )
        )
    return source.path if source.plain else source


def _file(key: Key, word: str, notes: list[str]) -> Any:
    file, options = split(word)
    if os.path.exists(word) or word.lstrip().startswith("<"):  # the XML of a VRT
        return word
    if has_options(word):
        return _described(RasterSource.of_text(word), notes)
    if not options:
        return word
    cure = Phrase("remove it, or prepare the image with gdal_translate.")
    asked = check_reading(key.mention, file, options, ("bands", "skipcarto"), cure, notes)
    without_place = asked.get("skipcarto", "false").lower() in ("true", "on", "yes", "1")
    if not without_place and not asked.get("bands"):
        return file
    from ..rasters.inmemory import selected

    return selected(file, asked.get("bands", ""), without_place)


_SOURCES: dict[Content | None, Callable[[Key, list[str], Any], Any]] = {Content.RASTER: _source, Content.LAYER: _layer}
"""The functions that turn a source in a script into one that the operation opens."""
