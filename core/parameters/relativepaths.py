"""Paths relative to the user's folder, made absolute for a process that works in another one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..base.addresses import address_of

_ARCHIVES = r"/vsi(?:zip|gzip|tar|7z|rar|subfile|sparse|crypt)/"
_BORDERS = re.compile(rf"://|[|?\"'{{}}:,&=]|(?:{_ARCHIVES})+")
"""What may stand before or after a path in the name of a subdataset, a layer or a file in an archive."""

_FILES_OF_VRT = re.compile(r"(<(?:SourceFilename|SourceDataset|SrcDataSource)\b[^>]*>)([^<]+)(?=<)")


def with_paths(change: Callable[[str], str], value: Any) -> Any:
    """Return a value with its paths changed: a path, a description that holds one, or a list of these."""
    if isinstance(value, (list, tuple)):
        return [with_paths(change, item) for item in value]
    if isinstance(value, Mapping) and isinstance(value.get("path"), str):
        return {**value, "path": change(value["path"])}
    return change(value) if isinstance(value, str) else value


def absolute_path(path: str) -> str:
    """Return the path of a file or folder, made absolute as it stands: links and `..` in it mean what they meant."""
    if not path.strip() or os.path.isabs(path) or "://" in path:
        return path
    return os.path.join(os.getcwd(), re.sub(r"^(?:\./+)+", "", path))


def absolute_file(path: str) -> str:
    """Return the path of a file that is read, made absolute; a bare name of none that is there may name something else.

    MODEL_DIR may name a template.
    """
    return absolute_path(path) if os.path.exists(path) or os.path.dirname(path) else path


def absolute_source(source: str) -> str:
    """Return what GDAL opens with the file in it absolute: a path, a layer, a subdataset, an archive, a VRT's XML.

    What names no file that is there, and is not simply a path, is returned as it is.
    """
    if address_of(source) or (os.path.isabs(source) and not re.match(_ARCHIVES, source)):
        return source
    if source.lstrip().startswith("<"):
        return _FILES_OF_VRT.sub(lambda match: match[1] + _absolute_where_there(match[2]), source)
    if os.path.exists(source) or not _BORDERS.search(source):
        return absolute_path(source)
    start, end = max(_existing(source), key=lambda span: span[1] - span[0], default=(0, 0))
    return source[:start] + absolute_path(source[start:end]) + source[end:] if end else source


def _absolute_where_there(path: str) -> str:
    return absolute_path(path) if os.path.exists(path) else absolute_source(path) if _BORDERS.search(path) else path


def _existing(source: str) -> Iterator[tuple[int, int]]:
    """Yield where in a name the paths of existing files stand, from border to border."""
    borders = list(_BORDERS.finditer(source))
    starts = [0, *(border.end() for border in borders)]
    ends = [*(border.start() for border in borders), len(source)]
    if re.match(r"\w+:", source):
        starts = starts[1:]  # the driver's name, whatever file may be called so
    if re.match(_ARCHIVES, source):
        ends += [slash.start() for slash in re.finditer("/", source)]  # the archive ends before one of them
    for start in starts:
        for end in ends:
            if end > start and os.path.exists(source[start:end]):
                yield start, end
