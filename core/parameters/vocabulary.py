"""The keys of an operation, declared once, next to the field that holds each value.

An operation's parameters are a frozen dataclass. Each field is made by one of the functions here,
which give it a `Key`: OTBTF's name for it, what kind of value it takes, its default, its bounds and
its help. From the keys follow the Processing parameters of the QGIS algorithm, the strict reading of
values (from a dialog, qgis_process, a JSON request, a script or a command line) and the help pages.

    @dataclass(frozen=True)
    class Threshold:
        image: str = raster("in", "Image", "The image to compare.")
        level: float = number("level", "Level", "Pixels above it become 1.", default=0.5)

    parse(Threshold, {"in": "a.tif", "level": "0.7"})  ->  Threshold(image="a.tif", level=0.7)
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ..errors import ParameterError

T = TypeVar("T")


class Kind(enum.Enum):
    """What a key holds; the second column is the type of the parsed value."""

    RASTERS = (
        "rasters"  # tuple[str, ...]: sources that GDAL opens, in the order given; see core.parameters.rastersource too
    )
    RASTER = "raster"  # str, or a source of that kind
    VECTOR = (
        "vector"  # str: a source that OGR opens, `path|layername=name` included; see core.parameters.vectorsource too
    )
    VECTORS = "vectors"  # tuple of such sources, in the order given
    FIELD = "field"  # str: name of a field of the vector named by `of`
    FIELDS = "fields"  # tuple[str, ...]: several of them
    FILE = "file"  # str: an existing file (or, for a model, a folder)
    FOLDER = "folder"  # str: an existing folder
    TEXT = "text"  # str
    INTEGER = "integer"  # int
    NUMBER = "number"  # float
    BOOLEAN = "boolean"  # bool
    CHOICE = "choice"  # str, one of `choices`
    EXTENT = "extent"  # str: "xmin,xmax,ymin,ymax [authid]"
    RASTER_OUT = "raster output"  # str
    VECTOR_OUT = "vector output"  # str
    FILE_OUT = "file output"  # str
    FOLDER_OUT = "folder output"  # str


OUTPUTS = (Kind.RASTER_OUT, Kind.VECTOR_OUT, Kind.FILE_OUT, Kind.FOLDER_OUT)


@dataclass(frozen=True)
class Key:
    """One parameter of an operation, as the user meets it.

    Attributes:
        name: OTBTF's key (`source1.rfieldx`), or our own in the same style.
        kind: what it holds.
        label: a few words, shown beside the input.
        help: one or two sentences: meaning, unit, what happens when it is left out.
        default: the value used when it is not given; None means "not given".
        required: True where leaving it out is an error.
        choices: the words of a CHOICE.
        minimum, maximum: inclusive bounds of an INTEGER or NUMBER.
        advanced: True to fold it away in the dialog.
        of: for a FIELD, the key of its vector.
        file_filter: for FILE and FILE_OUT, a filter as Qt writes it.
        geometry: for VECTOR, `point`, `line`, `polygon` or empty for any; for documentation and
            the choice of layers only, core checks the data itself.
        created: for an output that may be left out, True where dialogs offer to make it, as reports that the results
            viewer shows.
        group: number of the source the key belongs to (1, 2, ...), 0 for the operation's own.
    """

    name: str
    kind: Kind
    label: str
    help: str
    default: Any = None
    required: bool = False
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    advanced: bool = False
    of: str = ""
    file_filter: str = ""
    geometry: str = ""
    created: bool = False
    group: int = 0

    @property
    def parameter(self) -> str:
        """The name of the Processing parameter: upper case, dots to underscores."""
        return parameter_name(self.name)


@dataclass(frozen=True)
class _Numbered:
    """A field that holds one dataclass per source: source1.*, source2.*, ...; `listed` of them in documentation."""

    prefix: str
    item: type
    listed: int


def parameter_name(key: str) -> str:
    """`source1.rfieldx` -> `SOURCE1_RFIELDX`."""
    return key.upper().replace(".", "_")


# ---------------------------------------------------------------- declaring


def _field(key: Key) -> Any:
    return dataclasses.field(default=key.default, metadata={"key": key})


def rasters(name: str, label: str, help: str, *, required: bool = False, **more: Any) -> Any:
    """A list of rasters whose bands are stacked in the order given."""
    return _field(Key(name, Kind.RASTERS, label, help, (), required, **more))


def raster(name: str, label: str, help: str, *, required: bool = True, **more: Any) -> Any:
    """One raster."""
    return _field(Key(name, Kind.RASTER, label, help, None, required, **more))


def vector(name: str, label: str, help: str, *, required: bool = True, **more: Any) -> Any:
    """One vector layer."""
    return _field(Key(name, Kind.VECTOR, label, help, None, required, **more))


def vectors(name: str, label: str, help: str, *, required: bool = True, **more: Any) -> Any:
    """A list of vector layers."""
    return _field(Key(name, Kind.VECTORS, label, help, (), required, **more))


def attribute(name: str, label: str, help: str, *, of: str, required: bool = True, **more: Any) -> Any:
    """The name of a field of the vector layer whose key is `of`."""
    return _field(Key(name, Kind.FIELD, label, help, more.pop("default", None), required, of=of, **more))


def attributes(name: str, label: str, help: str, *, of: str, **more: Any) -> Any:
    """The names of fields of the vector layers whose key is `of`; as a text separated by semicolons, or by spaces."""
    return _field(Key(name, Kind.FIELDS, label, help, (), more.pop("required", True), of=of, **more))


def file(name: str, label: str, help: str, *, required: bool = True, **more: Any) -> Any:
    """An existing file (or folder, where the help says so)."""
    return _field(Key(name, Kind.FILE, label, help, None, required, **more))


def folder(name: str, label: str, help: str, *, required: bool = True, **more: Any) -> Any:
    """An existing folder."""
    return _field(Key(name, Kind.FOLDER, label, help, None, required, **more))


def text(name: str, label: str, help: str, *, default: str | None = "", **more: Any) -> Any:
    """A text; several words are separated by spaces."""
    return _field(Key(name, Kind.TEXT, label, help, default, **more))


def integer(name: str, label: str, help: str, *, default: int | None = None, **more: Any) -> Any:
    """A whole number."""
    return _field(Key(name, Kind.INTEGER, label, help, default, **more))


def number(name: str, label: str, help: str, *, default: float | None = None, **more: Any) -> Any:
    """A number; `nan` and `inf` are numbers too."""
    return _field(Key(name, Kind.NUMBER, label, help, default, **more))


def boolean(name: str, label: str, help: str, *, default: bool = False, **more: Any) -> Any:
    """A yes or no: on, off, true, false, 1, 0."""
    return _field(Key(name, Kind.BOOLEAN, label, help, default, **more))


def choice(name: str, label: str, help: str, choices: Iterable[str], *, default: str | None = None, **more: Any) -> Any:
    """One word of several; the first is the default."""
    words = tuple(choices)
    return _field(Key(name, Kind.CHOICE, label, help, words[0] if default is None else default, choices=words, **more))


def extent(name: str, label: str, help: str, **more: Any) -> Any:
    """A map extent, `xmin,xmax,ymin,ymax [authid]`."""
    return _field(Key(name, Kind.EXTENT, label, help, **more))


def raster_out(name: str, label: str, help: str, *, required: bool = True, **more: Any) -> Any:
    """A raster to write."""
    return _field(Key(name, Kind.RASTER_OUT, label, help, None, required, **more))


def vector_out(name: str, label: str, help: str, *, required: bool = True, **more: Any) -> Any:
    """A vector layer to write."""
    return _field(Key(name, Kind.VECTOR_OUT, label, help, None, required, **more))


def file_out(name: str, label: str, help: str, *, required: bool = False, **more: Any) -> Any:
    """A file to write."""
    return _field(Key(name, Kind.FILE_OUT, label, help, None, required, **more))


def folder_out(name: str, label: str, help: str, *, required: bool = True, **more: Any) -> Any:
    """A folder to write."""
    return _field(Key(name, Kind.FOLDER_OUT, label, help, None, required, **more))


def numbered(item: type, listed: int, prefix: str = "source") -> Any:
    """One `item` dataclass per source; its keys are prefixed with `source1.`, `source2.`, ... (or another `prefix`).

    The parsed field is a tuple of the items of which any key was given; a gap in the numbers is an error. There may be
    any number of them; the first `listed` are among an operation's keys unasked.
    """
    return dataclasses.field(default=(), metadata={"numbered": _Numbered(prefix, item, listed)})


# ------------------------------------------------------------------ reading


def keys(operation: type, names: Iterable[str] = (), sources: int = 0) -> tuple[Key, ...]:
    """Return all keys of an operation's dataclass, in the order of its fields.

    Args:
        operation: the dataclass.
        names: names of keys or of Processing parameters in use: the sources that they number are among the keys, too.
        sources: so many sources are among the keys, too.
    """
    used = {name.lower().replace(".", "_") for name in names}
    found: list[Key] = []
    for field in dataclasses.fields(operation):
        if "key" in field.metadata:
            found.append(field.metadata["key"])
        elif "numbered" in field.metadata:
            several: _Numbered = field.metadata["numbered"]
            numbers = {*range(1, max(several.listed, sources) + 1), *_numbers(several, used)}
            for number_ in sorted(numbers):
                found.extend(_prefixed(key, several, number_) for key in keys(several.item))
    return tuple(found)


def _numbers(several: _Numbered, used: Iterable[str]) -> Iterator[int]:
    """Yield the numbers of the sources that names (in lower case, with underscores) belong to."""
    form = re.compile(re.escape(several.prefix.replace(".", "_")) + r"([1-9]\d{0,5})_")
    return (int(match[1]) for match in map(form.match, used) if match)


def _prefixed(key: Key, several: _Numbered, number_: int) -> Key:
    what = several.prefix.replace(".", " ")  # training.source -> Training source
    return dataclasses.replace(
        key,
        name=f"{several.prefix}{number_}.{key.name}",
        label=f"{what[:1].upper()}{what[1:]} {number_}: {key.label[:1].lower()}{key.label[1:]}",
        of=f"{several.prefix}{number_}.{key.of}" if key.of else "",
        required=key.required and number_ == 1,
        group=number_,
    )


def unknown_key(name: str, known: Iterable[str]) -> ParameterError:
    """Return the error for a key that does not exist, with the nearest that does."""
    names = list(known)
    near = difflib.get_close_matches(name.lower(), [k.lower() for k in names], n=1, cutoff=0.6)
    original = {k.lower(): k for k in names}
    hint = f" Did you mean {original[near[0]]}?" if near else f" Known keys: {', '.join(names)}."
    return ParameterError(f"Unknown parameter {name}.{hint}")


def parse(operation: type[T], values: Mapping[str, Any]) -> T:
    """Return the operation's parameters read from a mapping of OTBTF's keys to values.

    Values may be text, as a command line has them, or of the right type already; None is "not
    given". Reading is strict: `abc`, `1.5` for a whole number and a word that is no choice are
    errors.

    Raises:
        ParameterError: an unknown key, a missing one, or a value that cannot be read.
    """
    known = {key.name: key for key in keys(operation, values)}
    for name in values:
        if name not in known:
            raise unknown_key(name, known)
    given = {name: read_value(known[name], value) for name, value in values.items() if value is not None}
    given = {name: value for name, value in given.items() if value is not None}
    for key in known.values():
        if key.required and given.get(key.name, ()) in ((), ""):
            raise ParameterError(f"Parameter {key.parameter} ({key.label}) is missing: {key.help}")
    return _build(operation, given, "")


def _build(operation: type[T], given: Mapping[str, Any], prefix: str) -> T:
    arguments: dict[str, Any] = {}
    for field in dataclasses.fields(operation):  # type: ignore[arg-type]
        if "key" in field.metadata:
            name = prefix + field.metadata["key"].name
            if name in given:
                arguments[field.name] = given[name]
        elif "numbered" in field.metadata:
            arguments[field.name] = _build_numbered(field.metadata["numbered"], given)
    return operation(**arguments)


def _build_numbered(several: _Numbered, given: Mapping[str, Any]) -> tuple[Any, ...]:
    items: list[Any] = []
    for number_ in sorted(set(_numbers(several, (name.replace(".", "_") for name in given)))):
        prefix = f"{several.prefix}{number_}."
        used = [key for key in keys(several.item) if prefix + key.name in given]
        if not used:
            continue
        if number_ != len(items) + 1:
            missing = parameter_name(f"{several.prefix}{len(items) + 1}")
            raise ParameterError(
                f"{parameter_name(prefix + used[0].name)} is given, but nothing for {missing}: "
                f"number the sources from 1 without a gap."
            )
        for key in keys(several.item):
            if key.required and given.get(prefix + key.name, ()) in ((), ""):
                raise ParameterError(
                    f"Parameter {parameter_name(prefix + key.name)} ({key.label}) is missing: {key.help}"
                )
        items.append(_build(several.item, given, prefix))
    return tuple(items)


def read_value(key: Key, value: Any) -> Any:
    """Return `value` as the type that the key's kind has; None where an empty text means not given.

    Raises:
        ParameterError: the value cannot be read as that kind, or is out of bounds.
    """
    if key.kind is Kind.FIELDS and isinstance(value, str):
        return tuple(name for name in map(str.strip, value.split(";" if ";" in value else None)) if name)
    if key.kind in (Kind.RASTERS, Kind.VECTORS, Kind.FIELDS):
        single = isinstance(value, (str, Mapping)) or not isinstance(value, Iterable)
        items = [value] if single else list(value)
        return tuple(item for item in items if item != "")
    if isinstance(value, str) and not value.strip() and key.kind is not Kind.TEXT:
        return None
    if key.kind is Kind.INTEGER:
        return _bounded(key, _integer(key, value))
    if key.kind is Kind.NUMBER:
        return _bounded(key, _number(key, value))
    if key.kind is Kind.BOOLEAN:
        return _boolean(key, value)
    if key.kind is Kind.CHOICE:
        if isinstance(value, bool) and {"on", "off"} <= set(key.choices):
            value = "on" if value else "off"
        if value not in key.choices:
            raise ParameterError(f"{key.parameter} is {value!r}, but must be one of: {', '.join(key.choices)}.")
        return value
    if key.kind is Kind.RASTER and not isinstance(value, str):
        return value  # a description of a raster; an open dataset or an array, in a script
    if key.kind is Kind.VECTOR:
        return value  # a path, or a description of a layer
    if not isinstance(value, str):
        if key.kind is Kind.TEXT and isinstance(value, (list, tuple)):
            return " ".join(str(item) for item in value)
        return str(value)
    return value


def _integer(key: Key, value: Any) -> int:
    number_ = None if isinstance(value, bool) else _float(value)
    if number_ is None or not number_.is_integer():
        raise ParameterError(f"{key.parameter} is {value!r}, but must be a whole number.")
    return int(value) if isinstance(value, int) else int(number_)


def _number(key: Key, value: Any) -> float:
    number_ = None if isinstance(value, bool) else _float(value)
    if number_ is None:
        raise ParameterError(f"{key.parameter} is {value!r}, but must be a number.")
    return number_


def _float(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _bounded(key: Key, value: Any) -> Any:
    if key.minimum is not None and not value >= key.minimum and not math.isnan(value):
        raise ParameterError(f"{key.parameter} is {value:g}, but must be at least {key.minimum:g}.")
    if key.maximum is not None and not value <= key.maximum and not math.isnan(value):
        raise ParameterError(f"{key.parameter} is {value:g}, but must be at most {key.maximum:g}.")
    return value


_BOOLEANS = {"on": True, "true": True, "1": True, "yes": True, "off": False, "false": False, "0": False, "no": False}


def _boolean(key: Key, value: Any) -> bool:
    read = _BOOLEANS.get(str(value).strip().lower())
    if read is None:
        raise ParameterError(f"{key.parameter} is {value!r}, but must be on or off (true, false, 1, 0).")
    return read
