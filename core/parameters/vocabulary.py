"""The keys of an operation, declared once, next to the field that holds each value.

An operation is a frozen dataclass. Each field is made by one of the functions here, which give it a `Key`: OTBTF's name
for it, what kind of value it takes, its default, its bounds and its help. From the keys follow the Processing parameters
of the QGIS algorithm, the strict reading of values (from a dialog, qgis_process, a JSON request, a script or a command
line) and the help pages. Rasters, layers and outputs belong to the sections Images, Labels and Output unless they name
another one; all other keys name theirs.

    @dataclass(frozen=True)
    class Threshold(Operation):
        image: str = raster("in", "Image", "The image to compare.")
        level: float = number("level", "Level", "Pixels above it become 1.", default=0.5, section=SETTINGS)

    parse(Threshold, {"in": "a.tif", "level": "0.7"})  ->  Threshold(image="a.tif", level=0.7)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from . import kinds
from .kinds import Key
from .sections import IMAGES, LABELS, OUTPUT


@dataclass(frozen=True)
class Numbered:
    """A field that holds one dataclass per source: source1.*, source2.*, ...; `listed` of them in documentation."""

    prefix: str
    item: type
    listed: int
    advanced: bool = False


def _field(key: Key) -> Any:
    return dataclasses.field(default=key.default, metadata={"key": key})


def rasters(name: str, label: str, help: str, *, required: bool = False, section: str = IMAGES, **more: Any) -> Any:
    """A list of rasters whose bands are stacked in the order given."""
    return _field(Key(name, kinds.RASTERS, label, help, (), required, section=section, **more))


def raster(name: str, label: str, help: str, *, required: bool = True, section: str = IMAGES, **more: Any) -> Any:
    """One raster."""
    return _field(Key(name, kinds.RASTER, label, help, None, required, section=section, **more))


def vector(name: str, label: str, help: str, *, required: bool = True, section: str = LABELS, **more: Any) -> Any:
    """One vector layer."""
    return _field(Key(name, kinds.VECTOR, label, help, None, required, section=section, **more))


def vectors(name: str, label: str, help: str, *, required: bool = True, section: str = LABELS, **more: Any) -> Any:
    """A list of vector layers."""
    return _field(Key(name, kinds.VECTORS, label, help, (), required, section=section, **more))


def attribute(
    name: str, label: str, help: str, *, of: str, required: bool = True, section: str = LABELS, **more: Any
) -> Any:
    """The name of a field of the vector layer whose key is `of`."""
    return _field(
        Key(name, kinds.FIELD, label, help, more.pop("default", None), required, of=of, section=section, **more)
    )


def attributes(name: str, label: str, help: str, *, of: str, section: str = LABELS, **more: Any) -> Any:
    """The names of fields of the vector layers whose key is `of`; as a text separated by semicolons, or by spaces."""
    return _field(Key(name, kinds.FIELDS, label, help, (), more.pop("required", True), of=of, section=section, **more))


def file(name: str, label: str, help: str, *, required: bool = True, **more: Any) -> Any:
    """An existing file (or folder, where the help says so)."""
    return _field(Key(name, kinds.FILE, label, help, None, required, **more))


def files(name: str, label: str, help: str, *, required: bool = False, **more: Any) -> Any:
    """A list of existing files (or folders, where the help says so)."""
    return _field(Key(name, kinds.FILES, label, help, (), required, **more))


def folder(name: str, label: str, help: str, *, required: bool = True, **more: Any) -> Any:
    """An existing folder."""
    return _field(Key(name, kinds.FOLDER, label, help, None, required, **more))


def text(name: str, label: str, help: str, *, default: str | None = "", **more: Any) -> Any:
    """A text; several words are separated by spaces."""
    return _field(Key(name, kinds.TEXT, label, help, default, **more))


def cluster(name: str, label: str, help: str, **more: Any) -> Any:
    """The address of a cluster; in a script also an executor of `concurrent.futures`."""
    return _field(Key(name, kinds.CLUSTER, label, help, "", **more))


def integer(name: str, label: str, help: str, *, default: int | None = None, **more: Any) -> Any:
    """A whole number."""
    return _field(Key(name, kinds.INTEGER, label, help, default, **more))


def number(name: str, label: str, help: str, *, default: float | None = None, **more: Any) -> Any:
    """A number; `nan` and `inf` are numbers too, but `nan` is not within bounds."""
    return _field(Key(name, kinds.NUMBER, label, help, default, **more))


def boolean(name: str, label: str, help: str, *, default: bool = False, **more: Any) -> Any:
    """A yes or no: on, off, true, false, 1, 0."""
    return _field(Key(name, kinds.BOOLEAN, label, help, default, **more))


def choice(name: str, label: str, help: str, choices: Iterable[str], *, default: str | None = None, **more: Any) -> Any:
    """One word of several; the first is the default."""
    words = tuple(choices)
    return _field(Key(name, kinds.CHOICE, label, help, words[0] if default is None else default, choices=words, **more))


def extent(name: str, label: str, help: str, **more: Any) -> Any:
    """A map extent, `xmin,xmax,ymin,ymax [authid]`."""
    return _field(Key(name, kinds.EXTENT, label, help, **more))


def raster_out(name: str, label: str, help: str, *, required: bool = True, section: str = OUTPUT, **more: Any) -> Any:
    """A raster to write."""
    return _field(Key(name, kinds.RASTER_OUT, label, help, None, required, section=section, **more))


def vector_out(name: str, label: str, help: str, *, required: bool = True, section: str = OUTPUT, **more: Any) -> Any:
    """A vector layer to write."""
    return _field(Key(name, kinds.VECTOR_OUT, label, help, None, required, section=section, **more))


def file_out(name: str, label: str, help: str, *, required: bool = False, section: str = OUTPUT, **more: Any) -> Any:
    """A file to write."""
    return _field(Key(name, kinds.FILE_OUT, label, help, None, required, section=section, **more))


def folder_out(name: str, label: str, help: str, *, required: bool = True, section: str = OUTPUT, **more: Any) -> Any:
    """A folder to write."""
    return _field(Key(name, kinds.FOLDER_OUT, label, help, None, required, section=section, **more))


def numbered(item: type, listed: int, prefix: str = "source", advanced: bool = False) -> Any:
    """One `item` dataclass per source; its keys are prefixed with `source1.`, `source2.`, ... (or another `prefix`).

    The parsed field is a tuple of the items of which any key was given; a gap in the numbers is an error. There may be
    any number of them; the first `listed` are among an operation's keys unasked. `advanced` folds all of them away.
    """
    return dataclasses.field(default=(), metadata={"numbered": Numbered(prefix, item, listed, advanced)})


def picked(group: type, name: str, **changed: Any) -> Any:
    """The field `name` of a group, for an operation that does not have all of them; attributes of its key may differ."""
    (field,) = (each for each in dataclasses.fields(group) if each.name == name)
    return _field(dataclasses.replace(field.metadata["key"], **changed))


def folded(group: type, name: str) -> Any:
    """The field `name` of a group, folded away in the dialog of an operation that has many others."""
    return picked(group, name, advanced=True)
