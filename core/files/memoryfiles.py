"""Files in the memory of this process (GDAL's /vsimem/), for readers and writers other than GDAL; and outputs in storage.

TensorFlow, SQLite and our own texts need files on a disk: what they read is copied there first, and what an operation
writes is moved into memory when it is whole. Rasters to read stay where they are. An output in an object store is made on
a disk in the same way, and uploaded when it is whole.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..base.temporaries import scratch_folder
from ..errors import OtbtfError, ParameterError, RasterError, field
from ..parameters.kinds import Content, Key
from ..parameters.parsing import keys
from ..phrases import Phrase

PREFIX = "/vsimem/"
_STORES = tuple(f"/vsi{name}/" for name in ("s3", "gs", "az", "adls", "oss", "swift"))
"""Beginnings of paths in object stores, whose credentials GDAL takes from the environment."""

_COMPANIONS = (".aux.xml", ".msk", ".ovr", ".json")
_PIECE = 1 << 24


def check_reachable(values: Mapping[str, Any]) -> None:
    """Raise ParameterError for a file in the memory of another process, which the engine cannot see."""
    for name, value in values.items():
        for item in value if isinstance(value, (list, tuple)) else (value,):
            path = item.get("path") if isinstance(item, dict) else item
            if isinstance(path, str) and path.startswith(PREFIX):
                raise ParameterError(
                    "{name} is {path}, a file in the memory of QGIS, which the engine cannot read because it is "
                    "another process: save it to a disk.",
                    name=field(f"={name}"),
                    path=path,
                )


def _is_copied(key: Key) -> bool:
    """Return whether a key names what is read by others than GDAL's raster drivers."""
    return not key.kind.is_output and key.kind.content in (Content.LAYER, Content.FILE, Content.FOLDER)


class MemoryFiles:
    """Stands for the files in memory that one run reads and writes.

    Attributes:
        values: the operation's values, with paths on a disk in place of those in memory.
    """

    def __init__(self, operation: type, values: Mapping[str, Any], folder: Path) -> None:
        """Copy what is read into `folder`.

        Raises:
            ParameterError: a file to be read is not there.
        """
        self._folder, self._places, self._outputs = folder, dict[str, str](), list[str]()
        self.values = dict(values)
        for key in keys(operation, values):
            value = self.values.get(key.name)
            if key.kind.is_output and is_elsewhere(value):
                if not in_memory(value):
                    check_uploadable(str(value), key.mention)
                self.values[key.name] = self._place(str(value))
                self._outputs.append(str(value))
            elif _is_copied(key) and isinstance(value, (list, tuple)):
                self.values[key.name] = type(value)(self._copied(key.mention, item) for item in value)
            elif _is_copied(key):
                self.values[key.name] = self._copied(key.mention, value)

    def _place(self, path: str) -> str:
        """Return the path on the disk for one in memory; those of one folder share a folder."""
        parent, _, name = path.rstrip("/").rpartition("/")
        if parent not in self._places:
            self._places[parent] = str(self._folder / f"memory{len(self._places)}")
            os.mkdir(self._places[parent])
        return os.path.join(self._places[parent], name)

    def _copied(self, mention: str, source: Any) -> Any:
        if not in_memory(source):
            return source
        path, bar, rest = source.partition("|")
        place = self._place(path)
        found = [name for name in _listed(path) if name == path or name.startswith((f"{path}/", f"{path}."))]
        stem = path.rpartition(".")[0]
        found += [name for name in _listed(path) if stem and name.startswith(f"{stem}.") and name not in found]
        if not found:
            raise ParameterError(
                "{mention} is {path}, but there is no such file in the memory of this process.",
                mention=mention,
                path=path,
            )
        for name in found:
            _copy(name, Path(place).parent / name[len(path.rpartition("/")[0]) + 1 :])
        return place + bar + rest

    def bring_back(self) -> None:
        """Move what was written into memory or into the store, in place of what was there; the main files last.

        Raises:
            RasterError: the store does not take it.
        """
        from osgeo import gdal

        for output in self._outputs:
            for older in (output, *(output + ending for ending in _COMPANIONS)):
                with contextlib.suppress(RuntimeError):
                    if gdal.VSIStatL(older) is not None:
                        gdal.RmdirRecursive(older) if gdal.VSIStatL(older).IsDirectory() else gdal.Unlink(older)
        written = {Path(self._place(output)) for output in self._outputs}
        for parent, place in self._places.items():
            files = sorted(path for path in Path(place).rglob("*") if path.is_file())
            for file in sorted(files, key=lambda path: path in written):
                if any(_belongs(file, output) for output in written):
                    name = f"{parent}/{file.relative_to(place).as_posix()}"
                    if not in_memory(name):
                        _upload(file, name)
                        continue
                    gdal.MkdirRecursive(name.rpartition("/")[0], 0o755)  # else its folder is not listed
                    gdal.FileFromMemBuffer(name, file.read_bytes())

    def as_asked(self, value: Any) -> Any:
        """Return a result or a message with the paths that were asked for."""
        if isinstance(value, Phrase):
            return value.with_texts(self.as_asked)
        if isinstance(value, str):
            for parent, place in self._places.items():
                value = value.replace(place + os.sep, f"{parent}/")
        return value


@contextlib.contextmanager
def memory_files(operation: type, values: Mapping[str, Any]) -> Iterator[MemoryFiles | None]:
    """Yield what stands for the files in memory among the values; None where there are none.

    Raises:
        ParameterError: one of them is not there.
        OtbtfError: what the operation raises, with the paths that were asked for.
    """
    outputs = [values.get(key.name) for key in keys(operation, values) if key.kind.is_output]
    inside = any(in_memory(item) for value in values.values() for item in _items(value))
    if not inside and not any(map(is_elsewhere, outputs)):
        yield None
        return
    with scratch_folder() as folder:
        files = MemoryFiles(operation, values, folder)
        try:
            yield files
        except OtbtfError as error:
            error.args = (files.as_asked(error.message),)
            raise


def read_text(path: str) -> str:
    """Return what a small file of text holds, on a disk or in memory.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    if not in_memory(path):
        return Path(path).read_text(encoding="utf-8")
    with scratch_folder() as folder:
        if path not in _listed(path):
            raise FileNotFoundError(path)
        _copy(path, folder / "text")
        return (folder / "text").read_text(encoding="utf-8")


def _items(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else (value,)


def in_memory(value: Any) -> bool:
    """Return whether a value is the path of a file in this memory."""
    return isinstance(value, str) and value.startswith(PREFIX)


def is_elsewhere(value: Any) -> bool:
    """Return whether a value is the path of an output that is made on a disk first: in memory, or in an object store."""
    return isinstance(value, str) and value.startswith((PREFIX, *_STORES))


def check_uploadable(path: str, mention: str) -> None:
    """Write a small object beside an output in an object store, and remove it.

    Raises:
        ParameterError: the store does not take it.
    """
    from osgeo import gdal

    from .gdalcalls import collected_errors

    trial = f"{path}.{uuid.uuid4().hex[:8]}.trial"
    if told := _write(trial, [b"trial"]):
        raise ParameterError(
            "{mention} is {path}, where nothing can be written: {told}. Does the bucket exist, and are its "
            "credentials in the environment, as GDAL reads them?",
            mention=mention,
            path=path,
            told=told,
        )
    with collected_errors():
        gdal.Unlink(trial)


def _upload(file: Path, name: str) -> None:
    with open(file, "rb") as stream:
        if told := _write(name, iter(lambda: stream.read(_PIECE), b"")):
            raise RasterError(
                "The output {name} cannot be uploaded: {told}. Nothing was changed there.", name=name, told=told
            )


def _write(name: str, pieces: Iterable[bytes]) -> str:
    """Write pieces into a file of GDAL's; return what went wrong, or nothing."""
    from osgeo import gdal

    from .gdalcalls import collected_errors

    file = None
    with collected_errors() as errors:
        file = gdal.VSIFOpenL(name, "wb")
    if file is None:
        return str(errors)
    with collected_errors() as errors:
        for piece in pieces:
            if gdal.VSIFWriteL(piece, 1, len(piece), file) != len(piece):
                errors.failed = True
                break
        if gdal.VSIFCloseL(file) != 0:
            errors.failed = True
    return str(errors) if errors.failed else ""


def _listed(path: str) -> list[str]:
    """Return the files in memory that lie where a path does, and below it."""
    from osgeo import gdal

    parent = path.rpartition("/")[0]
    names = gdal.ReadDirRecursive(parent) or []
    return [f"{parent}/{name}" for name in names if not name.endswith("/")]


def _copy(name: str, target: Path) -> None:
    from .filebytes import parts_of

    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target, "wb") as stream:
        stream.writelines(parts_of(name, 1 << 24))


def _belongs(file: Path, output: Path) -> bool:
    """Return whether a file is an output, lies in one, or beside it under its name."""
    return output in (file, *file.parents) or file.name.startswith((f"{output.name}.", f"{output.stem}."))
