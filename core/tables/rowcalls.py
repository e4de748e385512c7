"""From the rows of a table to calls of an operation, all of them checked before the first one runs."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .. import registry
from ..base.addresses import masked
from ..base.progress import Progress
from ..errors import OtbtfError, ParameterError, field, worded
from ..files.contents import names_behind
from ..parameters.extendedfilenames import split
from ..parameters.kinds import Content, Key
from ..parameters.operation import Operation
from ..parameters.parsing import keys
from ..parameters.tablecells import beside, by_any_name, holds_paths, listed, plain_name
from ..parameters.vectorsource import Address
from ..phrases import Phrase, plain
from ..registry.givenvalues import understood
from ..tablefiles.table import Row, Table
from .givenonce import Given
from .templates import ROW, filled, names_in
from .views import View, Views

_MOST_TOLD = 10
_CLOSE = 0.8


@dataclass(frozen=True)
class RowCall:
    """What one row runs.

    Attributes:
        row: the row.
        label: what people call it, where the table tells.
        values: the operation's keys to values.
        views: how rasters are read that are not taken as they are, by path.
        texts: files that are made for the row alone: keys to content.
        idle: whether it has nothing to do.
    """

    row: Row
    label: str
    values: Given
    views: Mapping[str, View]
    texts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    idle: bool = False

    @property
    def name(self) -> Phrase:
        """What it is called in messages."""
        if self.label and self.row.item is None:
            return Phrase("{row} {label}", row=self.row.name, label=self.label)
        return self.row.name


@dataclass(frozen=True)
class _Columns:
    """Which columns are parameters.

    Attributes:
        keys: the operation's keys of columns.
        label: the column by whose values people call rows: `id`, `name`, else the first that is no parameter; empty where
            there is none.
    """

    keys: Mapping[str, Key]
    label: str


def row_calls(
    table: Table, operation: type[Operation], once: Given, views: Views, taken: Mapping[str, str], progress: Progress
) -> list[RowCall]:
    """Return a call for each row.

    Args:
        table: its rows.
        operation: what runs.
        once: parameters that all rows have in common.
        views: how assets of STAC items are read.
        taken: places that are no row's output, as `file_place` has them, each with what it is.
        progress: told which columns are not used.

    Raises:
        ParameterError: a column is unknown, a value cannot be right or is missing, or two rows have one output; the message
            names rows and columns.
    """
    columns = _parameter_columns(table, operation, once, progress)
    problems: list[Phrase] = []
    calls: list[RowCall] = []
    known = keys(operation, [*once, *(key.name for key in columns.keys.values())])
    for row in table.rows:
        progress.check()
        try:
            call = _call(table, row, columns, once, views, {key.name: key for key in known})
            _check(operation, call, columns)
            calls.append(call)
        except ParameterError as error:
            problems.append(Phrase("{row}: {error}", row=row.name, error=error.message))
    problems += _clashes(calls, known, taken)
    if problems:
        _refuse(table, problems)
    return calls


def outputs_of(call: RowCall, operation: type[Operation]) -> dict[str, str]:
    """Return the outputs that a call is given, by key."""
    known = {key.name: key for key in keys(operation, call.values)}
    return {name: _path(value) for name, value in call.values.items() if known[name].kind.is_output}


def _refuse(table: Table, problems: list[Phrase]) -> None:
    told = Phrase("\n").join(problems[:_MOST_TOLD])
    more = len(problems) - _MOST_TOLD
    raise ParameterError(
        "{table} is {path}, where nothing was run:\n{told}{more}",
        table=field("table"),
        path=masked(table.path),
        told=told,
        more=Phrase("\nand {more} more problems.", more=more) if more > 0 else plain(""),
    )


# ------------------------------------------------------------------ columns


def _parameter_columns(table: Table, operation: type[Operation], once: Given, progress: Progress) -> _Columns:
    used = {name for value in once.values() for text in _texts(value) for name in names_in(text)}
    if table.of_items:
        return _Columns({}, "id")
    known = by_any_name(operation, list(table.columns))
    found = {column: known[plain_name(column)] for column in table.columns if plain_name(column) in known}
    texts = (cell for row in table.rows for column in found for cell in [row.cells[column]] if "{" in cell)
    used |= {name for text in texts for name in names_in(text)}
    others = [column for column in table.columns if column not in found and column not in used]
    own = [column for column in table.columns if column not in found]
    label = next((name for name in ("id", "name") if name in own), "")
    for column in others:
        near = difflib.get_close_matches(plain_name(column), known, n=1, cutoff=_CLOSE)
        if near and column != label:
            raise ParameterError(
                "{table} is {path}, whose column {column} is no parameter of {operation}. Did you mean {near}? If it is not "
                "meant as a parameter, give it another name.",
                table=field("table"),
                path=table.path,
                column=column,
                operation=operation.__name__,
                near=known[near[0]].parameter,
            )
    _check_once(table, found, once)
    label = label or next(iter(own), "")
    if others := [column for column in others if column != label]:
        progress.info(
            Phrase(
                "Columns that are not used, since they are no parameters of {operation}: {others}.",
                operation=operation.__name__,
                others=", ".join(others),
            )
        )
    return _Columns(found, label)


def _check_once(table: Table, found: Mapping[str, Key], once: Given) -> None:
    seen: dict[str, str] = {}
    for column, key in found.items():
        if key.name in seen:
            raise ParameterError(
                "{table} is {path}, whose columns {first} and {second} are the same parameter: keep one.",
                table=field("table"),
                path=table.path,
                first=seen[key.name],
                second=column,
            )
        seen[key.name] = column
        if key.name in once:
            raise ParameterError(
                "{parameters} gives {name}, which is also the column {column} of {table}: keep one.",
                parameters=field("parameters"),
                name=key.parameter,
                column=column,
                table=field("table"),
            )


# -------------------------------------------------------------------- calls


def _call(table: Table, row: Row, columns: _Columns, once: Given, views: Views, known: Mapping[str, Key]) -> RowCall:
    values: Given = {}
    found: dict[str, View] = {}
    for name, value in once.items():
        values[name] = _of_row(table.folder, row, known[name], value, views, found)
    for column, key in columns.keys.items():
        cell = row.cells[column]
        if cell:
            given: Any = listed(cell) if key.kind.is_list else cell
            given = _of_row(table.folder, row, key, given, views, found)
            values[key.name] = _each(given, functools.partial(beside, key, table.folder))
    return RowCall(row, " ".join(row.cells.get(columns.label, "").split()), values, found)


def _of_row(folder: str, row: Row, key: Key, value: Any, views: Views, found: dict[str, View]) -> Any:
    """Return a value with the row's own values in it."""
    if not holds_paths(key):
        return value

    def with_cells(text: Any) -> Any:
        if not isinstance(text, str):
            return text
        if key.kind.is_output:
            return filled(text, row, is_output=True)
        for name in names_in(text):
            if name in row.assets and (view := views.of(row, name)) is not None:
                _check_alone(text, name)
                found[row.assets[name].href] = view
        path = filled(text, row, is_output=False)
        return beside(key, folder, path) if text.startswith("{") and not text.startswith("{{") else path

    try:
        return _each(value, with_cells)
    except ParameterError as error:
        raise ParameterError("{name}: {error}", name=key.parameter, error=error.message) from None


def _check_alone(text: str, name: str) -> None:
    """Raise ParameterError where an asset that is scaled or masked is only a part of a text, such as one with options."""
    if text != f"{{{name}}}":
        raise ParameterError(
            "{text} is more than the asset {name}, whose scale, mask or no-data value does not come from its file: give "
            "{{{name}}} alone.",
            text=text,
            name=name,
        )


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    return [change(item) for item in value] if isinstance(value, list) else change(value)


def _texts(value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str):
            yield item


def _path(value: Any) -> str:
    return split(str(value))[0]


# ------------------------------------------------------------------- checks


def _check(operation: type[Operation], call: RowCall, columns: _Columns) -> None:
    """Raise ParameterError where a call's values cannot be right, as far as they tell by themselves."""
    names = {key.name: column for column, key in columns.keys.items()}
    try:
        with registry.in_keys_of(operation):
            registry.read(operation, understood(operation, call.values, Progress()))
    except ParameterError as error:

        def word(path: str) -> str:
            name = path.lstrip("=")
            return Phrase("column {name}", name=names[name]) if name in names else field(path)

        raise ParameterError("{error}", error=worded(error.message, word)) from None
    except OtbtfError:  # of a file: the row fails when it is run
        return


def _clashes(calls: list[RowCall], known: tuple[Key, ...], taken: Mapping[str, str]) -> list[Phrase]:
    """Return what is wrong with the outputs of rows and of all: two that are one, and one that a row reads."""
    written: dict[str, RowCall] = {}
    replaced = {place: what for place, what in taken.items() if what != field("table")}  # which a row may read, too
    problems: list[Phrase] = []
    for call in calls:
        for key, path in _paths(call, known, outputs=True):
            place = file_place(path)
            if place in taken:
                problems.append(
                    Phrase(
                        "{row}: {key} is {path}, which is {other}.",
                        row=call.name,
                        key=key.parameter,
                        path=path,
                        other=taken[place],
                    )
                )
            other = written.setdefault(place, call)
            if other is not call:
                problems.append(
                    Phrase(
                        "{row}: {key} is {path}, which is also an output of {other}: put a column into its name, as in "
                        "{{{name}}}.",
                        row=call.name,
                        key=key.parameter,
                        path=path,
                        other=other.row.name,
                        name=ROW,
                    )
                )
    within = functools.lru_cache(maxsize=None)(_within)
    for call in calls:
        for key, path in _paths(call, known, outputs=False):
            places = within(path) if key.kind.content is Content.RASTER else (file_place(path),)
            if found := next((replaced[place] for place in places if place in replaced), None):
                problems.append(
                    Phrase(
                        "{row}: {key} is {path}, which is {other}: inputs are only read, so choose another file for one of "
                        "them.",
                        row=call.name,
                        key=key.parameter,
                        path=path,
                        other=found,
                    )
                )
            writer = next((written[place] for place in places if written.get(place, call) is not call), None)
            if writer is not None:
                problems.append(
                    Phrase(
                        "{row}: {key} is {path}, which is an output of {other}: rows run in any order, so make it first, by "
                        "a table of its own.",
                        row=call.name,
                        key=key.parameter,
                        path=path,
                        other=writer.row.name,
                    )
                )
    return problems


def _within(path: str) -> tuple[str, ...]:
    """Return the place of a raster, and of a virtual one those of all that it names."""
    is_virtual = path.lower().endswith(".vrt") or path.lower().startswith("vrt://") or path.lstrip().startswith("<")
    return tuple(map(file_place, [path, *(names_behind(path) if is_virtual else ())]))


def file_place(path: str) -> str:
    """Return what is equal for two paths that lead to one file."""
    return os.path.normcase(os.path.realpath(path))


def _paths(call: RowCall, known: tuple[Key, ...], outputs: bool) -> Iterator[tuple[Key, str]]:
    for key in known:
        if holds_paths(key) and key.kind.is_output == outputs:
            for text in _texts(call.values.get(key.name)):
                path = _path(text)
                yield key, Address.of(path).path if key.kind.content is Content.LAYER else path
