"""From a table of scenes to the parameters of each: those of the form, with the row's own values in their place."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from ..base.addresses import masked
from ..base.progress import Progress
from ..errors import OtbtfError, ParameterError, field, worded
from ..files.replacing import check_outputs
from ..parameters.kinds import Key
from ..parameters.parsing import keys, values_of
from ..parameters.rastersource import RasterSource
from ..parameters.scenetable import SceneRole
from ..parameters.tablecells import beside, by_any_name, holds_paths, listed, plain_name
from ..phrases import Phrase
from ..registry.givenvalues import check_files, understood
from ..tablefiles.reading import read_table
from ..tablefiles.table import Row, Table

P = TypeVar("P")

_CLOSE = 0.7
_DIVIDERS = re.compile(r"[/\\:\0]|^\.{1,2}$")


@dataclass(frozen=True)
class SceneColumns:
    """What a row may say of its scene, as fields of the operation.

    Attributes:
        image: the images, which every row has.
        own: further fields.
        alternatives: groups of fields of which a scene has one, each with those that only it has: where a row gives one,
            the others of the form are not the scene's.
        outputs: fields of what is written for each scene; where a row names none, the form's with the scene's name.
    """

    image: str
    own: tuple[str, ...]
    alternatives: tuple[Mapping[str, tuple[str, ...]], ...]
    outputs: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """All of them."""
        return (self.image, *self.own, *self.outputs)


@dataclass(frozen=True)
class SceneRow(Generic[P]):
    """A scene as it is given.

    Attributes:
        name: what it is called, once; empty for the only scene of a run.
        parameters: of the operation, for this scene alone.
        held_back: whether it is for validation only.
    """

    name: str
    parameters: P
    held_back: bool


def scene_rows(parameters: P, columns: SceneColumns, progress: Progress) -> list[SceneRow[P]]:
    """Return the scenes of a run: that of the form, and those of its table.

    Args:
        parameters: of the operation, with `scenes`.
        columns: what rows may say.
        progress: warned of columns that are not used.

    Raises:
        ParameterError: the table cannot be read, has no scene, or a value of it cannot be right; two scenes have one name or
            one image; or an output would replace another one or an input.
    """
    given: Any = parameters
    if not given.scenes:
        return [SceneRow("", parameters, False)]
    table = _table(given.scenes)
    known = _known(type(parameters), columns)
    used = _used(table, known, type(parameters), progress)
    first = SceneRow(_name_of(getattr(given, columns.image)), replace(given, scenes=None), False)
    rows: list[SceneRow[P]] = [first]
    for row in table.rows:
        with _in_row(row):
            rows.append(_scene_row(row, table.folder, used, first.parameters, columns, progress))
    _check_different(rows, columns)
    _check_outputs(rows, columns, given.scenes)
    return rows


def _table(path: str) -> Table:
    try:
        table = read_table(path)
    except ParameterError as error:
        raise ParameterError(
            "{error}", error=worded(error.message, lambda name: field("scenes" if name == "table" else name))
        ) from error
    if table.of_items:
        raise ParameterError(
            "{scenes} is {path}, which holds STAC items, but must be a CSV file or a layer with a row for each scene.",
            scenes=field("scenes"),
            path=masked(path),
        )
    return table


# ------------------------------------------------------------------ columns

_ROLES = {key.name: (key.name, key) for key in keys(SceneRole)}


def _known(operation: type, columns: SceneColumns) -> dict[str, tuple[str, Key]]:
    """Return by the plain name of a column the field and the key that it gives."""
    own = {each.name: each.metadata["key"] for each in fields(operation) if "key" in each.metadata}
    found = {plain_name(own[name].name): (name, own[name]) for name in columns.all}
    return {**found, **_ROLES}


def _used(
    table: Table, known: Mapping[str, tuple[str, Key]], operation: type, progress: Progress
) -> dict[str, tuple[str, Key]]:
    """Return the columns that count, with the field and the key that each gives."""
    others: list[str] = []
    found: dict[str, tuple[str, Key]] = {}
    everything = by_any_name(operation, list(table.columns))
    words = ", ".join(known)
    for column in table.columns:
        name = plain_name(column)
        if name in known:
            if twice := next((other for other, (_, key) in found.items() if key is known[name][1]), None):
                raise ParameterError(
                    "{scenes} is {path}, whose columns {first} and {second} are the same: keep one.",
                    scenes=field("scenes"),
                    path=masked(table.path),
                    first=twice,
                    second=column,
                )
            found[column] = known[name]
            continue
        near = difflib.get_close_matches(name, known, n=1, cutoff=_CLOSE)
        if near or name in everything:
            raise ParameterError(
                "{scenes} is {path}, whose column {column} is nothing that a scene can have of its own: those are {words}. "
                "Rename the column, or leave it out.",
                scenes=field("scenes"),
                path=masked(table.path),
                column=column,
                words=words,
            )
        others.append(column)
    if others:
        progress.info(
            Phrase("Columns of {scenes} that are not used: {others}.", scenes=field("scenes"), others=", ".join(others))
        )
    return found


# --------------------------------------------------------------------- rows


@contextmanager
def _in_row(row: Row) -> Iterator[None]:
    try:
        yield
    except OtbtfError as error:
        error.args = (Phrase("{scenes}: {row}: {error}", scenes=field("scenes"), row=row.name, error=error.message),)
        raise


def _scene_row(
    row: Row,
    folder: str,
    used: Mapping[str, tuple[str, Key]],
    form: P,
    columns: SceneColumns,
    progress: Progress,
) -> SceneRow[P]:
    cells = {name: (row.cells[column], key) for column, (name, key) in used.items() if row.cells[column]}
    called, held_back = (cells.pop(name)[0] if name in cells else "" for name in _ROLES)
    texts = {key.name: _text(key, folder, cell) for cell, key in cells.values()}
    check_files(type(form), texts)
    values = understood(type(form), texts, progress)
    found = {name: key.read(values[key.name]) for name, (_, key) in cells.items()}
    if columns.image not in found:
        raise ParameterError("{image} is missing: every scene has an image.", image=field(columns.image))
    name = called or _name_of(found[columns.image])
    if _DIVIDERS.search(name):
        raise ParameterError(
            "the scene is called {name!r}, but its name is part of the names of files: leave out slashes and colons.",
            name=name,
        )
    if not called and not name:
        raise ParameterError("the scene needs a name: give one in the column {name}.", name="name")
    changed = {**_without_others(found, columns), **_outputs(name, form, columns), **found}
    return SceneRow(name, replace(form, **changed), _is_held_back(held_back))  # type: ignore[type-var]


def _is_held_back(cell: str) -> bool:
    try:
        return bool(_ROLES["held_back"][1].read(cell))
    except ParameterError:
        raise ParameterError("held_back is {cell!r}, but must be yes or no.", cell=cell) from None


def _text(key: Key, folder: str, cell: str) -> Any:
    if not key.kind.is_list:
        return beside(key, folder, cell) if holds_paths(key) else cell
    return [beside(key, folder, text) for text in listed(cell)] if holds_paths(key) else listed(cell)


def _without_others(found: Mapping[str, Any], columns: SceneColumns) -> dict[str, None]:
    """Return what of the form is not the scene's: what a row gives another thing instead of, with what belongs to it."""
    gone: list[str] = []
    for group in columns.alternatives:
        if set(group) & set(found):
            gone += [name for other in group if other not in found for name in (other, *group[other])]
    return dict.fromkeys(gone)


def _outputs(name: str, form: Any, columns: SceneColumns) -> dict[str, str]:
    """Return the form's outputs with the name of the scene: `map.tif` is `map_north.tif`."""
    found = {}
    for output in columns.outputs:
        if path := getattr(form, output):
            stem, ending = os.path.splitext(path)
            found[output] = f"{stem}_{name}{ending}"
    return found


def _name_of(images: Sequence[Any]) -> str:
    """Return the name of the first image file without its ending; empty where it is no file."""
    first = images[0]
    if isinstance(first, RasterSource):
        first = first.path
    return Path(first).stem if isinstance(first, str) and not first.lstrip().startswith("<") else ""


# ------------------------------------------------------------------- checks


def _check_different(rows: Sequence[SceneRow[Any]], columns: SceneColumns) -> None:
    names: dict[str, int] = {}
    images: dict[Any, str] = {}
    for number, row in enumerate(rows):
        if row.name.casefold() in names:
            raise ParameterError(
                "{scenes}: two scenes are called {name}: give them other names, in the column {column}. (The scene of the "
                "form is called after its image file.)",
                scenes=field("scenes"),
                name=row.name,
                column="name",
            )
        names[row.name.casefold()] = number
        files = tuple(map(str, getattr(row.parameters, columns.image)))
        if files in images:
            raise ParameterError(
                "{scenes}: the scenes {first} and {second} are the same image, {image}: keep one. The image of the form is "
                "a scene, too.",
                scenes=field("scenes"),
                first=images[files],
                second=row.name,
                image=masked(", ".join(files)),
            )
        images[files] = row.name


def _check_outputs(rows: Sequence[SceneRow[Any]], columns: SceneColumns, table: str) -> None:
    """Raise ParameterError where an output of a scene would replace an input or output of any, or the table."""
    known: list[Key] = []
    values: dict[str, Any] = {}
    called: dict[str, Phrase] = {}
    for number, row in enumerate(rows):
        own = values_of(row.parameters)
        scene = {each.name: each.metadata["key"] for each in fields(row.parameters) if "key" in each.metadata}
        for name in (*columns.all, *(() if number else (each for each in scene if each not in columns.all))):
            key = replace(scene[name], name=f"{number}:{scene[name].name}")
            if scene[name].name in own:
                known.append(key)
                values[key.name] = own[scene[name].name]
                called[key.name] = Phrase("{key} of the scene {name}", key=scene[name].mention, name=row.name)
    (own_key,) = (each.metadata["key"] for each in fields(rows[0].parameters) if each.name == "scenes")
    try:
        check_outputs([*known, own_key], {**values, own_key.name: table})
    except ParameterError as error:
        told = worded(error.message, lambda path: called.get(path.lstrip("="), field(path)))
        raise ParameterError("{error}", error=told) from None
