"""All files behind a raster: those of the sources of virtual rasters too, of which GDAL lists one level."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Callable, Iterator

from osgeo import gdal

from ..base.addresses import leads_to_server
from ..errors import RasterError
from .gdalcalls import collected_errors, open_unchanged
from .inputs import local_file
from .privatecopies import file_in, from_folder, original

_ELEMENT = re.compile(r"<([\w:]+)([^<>]*)>([^<>]+)</")
_SOURCES = ("SourceFilename", "SourceDataset", "SrcDataSource")
_OF_A_PLACE = re.compile(r"\s(?:relativeToVRT|shared)\s*=\s*(?:\"[^\"]*\"|'[^']*')", re.IGNORECASE)
_MAY_BE_A_FILE = re.compile(r"(?=[^\n]*[A-DF-Za-df-z])[^\n]*[./\\][^\n]*")
_PROPERTIES = re.compile(r"\s*<SourceProperties\b[^>]*/>")
"""What GDAL knows of a source: only once it has opened it."""

_NODATA = re.compile(r"(?<=<NODATA>)\s*([-+.\deE]+)\s*(?=</NODATA>)")
"""The no-data value of a source, which GDAL writes in its own way once it has opened the source: 0 for 0.0."""

_OF_ONE_FILE = (".tif", ".tiff", ".jp2", ".png", ".jpg", ".aux.xml", ".ovr", ".msk")
"""Endings of files that need not be opened to know what else is read with them."""


class Behind:
    """What lies behind an open raster."""

    def __init__(self, dataset: gdal.Dataset) -> None:
        """Look; sources at addresses are not opened."""
        self._files: dict[str, None] = {}
        self._texts: list[tuple[str, str]] = []
        self._seen: dict[str, None] = {}
        self._look(dataset)

    @property
    def files(self) -> list[str]:
        """The names of all files from which it is read, as far as they can be told, each once."""
        return list(self._files)

    @property
    def names(self) -> list[str]:
        """The names of files, those that are not there too, and of what is no file, such as a part of one."""
        return list(dict.fromkeys([*self._files, *self._seen]))

    def texts(self, told: Callable[[str], str]) -> list[str]:
        """Return the XML of each virtual raster, in which `told` of a name takes the place of each name of a file."""
        return [_NODATA.sub(_plain_number, _with_names(text, folder, told)) for text, folder in self._texts]

    def _look(self, dataset: gdal.Dataset) -> None:
        own = dataset.GetDescription()
        listed = _listed(dataset)
        for path in listed:
            self._files[path] = None
        self._seen[own] = None
        text = _xml(dataset)
        if not text:
            return
        folder = "" if own.lstrip().startswith("<") else os.path.dirname(own)
        self._texts.append((text, folder))
        for name in [*listed, *_names(text, folder), *filter(None, [file_in(own)])]:
            if name not in self._seen:
                self._seen[name] = None
                self._look_at_source(name)

    def _look_at_source(self, name: str) -> None:
        if os.path.isfile(name):
            self._files[name] = None
            if os.path.isfile(name + ".msk"):
                self._files[name + ".msk"] = None
        if not name.lower().endswith(_OF_ONE_FILE) and (inner := _opened(name)) is not None:
            self._look(inner)


def files_behind(dataset: gdal.Dataset) -> list[str]:
    """Return the names of all files from which an open raster is read; of private copies, those of the copies."""
    return Behind(dataset).files


def absolute_xml(dataset: gdal.Dataset) -> str:
    """Return the XML of a virtual raster as it is open, with names that any folder and process finds.

    Returns:
        The XML; empty for a raster of another format.
    """
    own = dataset.GetDescription()

    def told(name: str) -> str:
        name = original(name)
        return html.escape(os.path.abspath(name) if os.path.exists(name) else name, quote=False)

    return _with_names(_xml(dataset), "" if own.lstrip().startswith("<") else os.path.dirname(own), told)


def _listed(dataset: gdal.Dataset) -> list[str]:
    with collected_errors():
        return dataset.GetFileList() or []
    return []


def _xml(dataset: gdal.Dataset) -> str:
    """Return the XML of a virtual raster as it is open, which may differ from its file; empty for any other."""
    with collected_errors():
        driver = dataset.GetDriver()
        if driver is not None and driver.ShortName == "VRT":
            return str((dataset.GetMetadata_List("xml:VRT") or [""])[0])
    return ""


def _names(text: str, folder: str) -> Iterator[str]:
    """Yield the names of files in the XML of a virtual raster."""
    for match in _ELEMENT.finditer(text):
        if name := _name(match, folder):
            yield name


def _with_names(text: str, folder: str, told: Callable[[str], str]) -> str:
    def element(match: re.Match[str]) -> str:
        name = _name(match, folder)
        return f"<{match[1]}{_OF_A_PLACE.sub('', match[2])}>{told(name)}</" if name else match[0]

    return _ELEMENT.sub(element, _PROPERTIES.sub("", text))


def _plain_number(match: re.Match[str]) -> str:
    try:
        return f"{float(match[1]):.16g}"
    except ValueError:
        return match[0]


def _name(match: re.Match[str], folder: str) -> str:
    """Return the name of a file that is the text of an element: of a source any, of others one that is there."""
    name = html.unescape(match[3]).strip()
    if match[1] in _SOURCES:
        return from_folder(name, match[2], folder)
    if not _MAY_BE_A_FILE.fullmatch(name):
        return ""
    return next((path for path in (os.path.join(folder, name), name) if os.path.isfile(path)), "")


def _opened(name: str) -> gdal.Dataset | None:
    """Open a source of a virtual raster if more may lie behind it than its file."""
    if leads_to_server(name):
        return None
    local = local_file(name)
    if local and not os.path.isfile(local) and not os.path.isdir(local):  # a pipe: opening one may wait for ever
        return None
    inner = None
    with collected_errors():  # what is wrong with a source is said when it is read
        inner = open_unchanged(name, gdal.OF_RASTER, RasterError)
    return inner
