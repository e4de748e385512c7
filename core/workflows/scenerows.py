"""From a table of scenes to the parameters of each: those of the form, with the row's own values in their place."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from ..base.addresses import masked
from ..base.progress import Progress
from ..errors import OtbtfError, ParameterError, field, worded
from ..files.replacing import check_outputs
from ..parameters.kinds import Key
from ..parameters.parsing import keys, values_of
from ..parameters.rastersource import RasterSource
from ..parameters.scenetable import SceneColumns, SceneRole, is_held_back
from ..parameters.tablecells import beside, by_any_name, holds_paths, listed, plain_name
from ..phrases import Phrase
from ..registry import read
from ..registry.givenvalues import check_files, understood
from ..tablefiles.reading import read_table
from ..tablefiles.table import Row, Table
from . import stepfiles

P = TypeVar("P")

_CLOSE = 0.7
_NO_FILE_NAME = re.compile(r"[/\\:<>\"|?*\x00-\x1f]|^\.+$")
_LONGEST = 100  # bytes of a name, with which the names of files stay below the 255 that file systems take
_TAKEN = (stepfiles.MODEL, stepfiles.HISTORY)
_FORM = "first"
"""What the scene of the form is called where its image is no file."""


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


def scene_rows(parameters: P, progress: Progress) -> list[SceneRow[P]]:
    """Return the scenes of a run: that of the form, and those of its table.

    Args:
        parameters: of the operation, with `scenes`.
        progress: warned of columns that are not used.

    Raises:
        ParameterError: the table cannot be read, has no scene, or a value of it cannot be right; two scenes have one name or
            one image; or an output would replace another one or an input.
    """
    form = values_of(parameters)
    path = form.pop("scenes", "")
    if not path:
        return [SceneRow("", parameters, False)]
    operation: Any = type(parameters)
    columns: SceneColumns = operation.SCENE_COLUMNS
    whole: Any = parameters
    table = _table(path)
    used = _used(table, operation, columns, progress)
    short = _name_of(form[columns.image]).encode("utf-8", "surrogateescape")[:_LONGEST].decode("utf-8", "ignore")
    first = _Given(short or _FORM, form, False)
    given = [first]
    for row in table.rows:
        with _in_row(row):
            given.append(_of_row(row, table.folder, used, operation, form, columns, progress))
    rows = [SceneRow(first.name, replace(whole, scenes=None), False)]
    for row, own in zip(table.rows, given[1:]):
        with _in_row(row):
            rows.append(SceneRow(own.name, read(operation, own.values), own.held_back))
    _check_different(given, columns)
    _check_outputs(given, operation, columns, path)
    return rows


@dataclass(frozen=True)
class _Given:
    """A scene as values by key."""

    name: str
    values: dict[str, Any]
    held_back: bool


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

_ROLES = {key.name: key for key in keys(SceneRole)}


def _used(table: Table, operation: type, columns: SceneColumns, progress: Progress) -> dict[str, Key]:
    """Return the columns that count, with the key that each gives."""
    everything = by_any_name(operation, list(table.columns))
    images = columns.images_of(key.name for key in everything.values())
    known = {plain_name(name): everything[plain_name(name)] for name in (*images, *columns.own, *columns.outputs)}
    known.update(_ROLES)
    others: list[str] = []
    found: dict[str, Key] = {}
    for column in table.columns:
        name = plain_name(column)
        if name in known:
            if twice := next((other for other, key in found.items() if key is known[name]), None):
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
                words=", ".join(known),
            )
        others.append(column)
    if others:
        progress.warning(
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


def _of_row(
    row: Row,
    folder: str,
    used: Mapping[str, Key],
    operation: type,
    form: Mapping[str, Any],
    columns: SceneColumns,
    progress: Progress,
) -> _Given:
    cells = {key.name: (row.cells[column], key) for column, key in used.items() if row.cells[column]}
    called, held_back = (cells.pop(name)[0] if name in cells else "" for name in _ROLES)
    texts = {name: _text(key, folder, cell) for name, (cell, key) in cells.items()}
    check_files(operation, texts)
    found = understood(operation, texts, progress)
    if columns.image not in found:
        (image,) = (key for key in keys(operation) if key.name == columns.image)
        raise ParameterError("{image} is missing: every scene has an image.", image=image.mention)
    name = called or _name_of(found[columns.image])
    if not name:
        raise ParameterError("the scene needs a name: give one in the column name.")
    _check_name(name)
    gone = {*_without_others(found, columns), *columns.images_of(form)}
    kept = {key: value for key, value in form.items() if key not in gone}
    return _Given(name, {**kept, **_outputs(name, form, columns), **found}, is_held_back(held_back))


def _check_name(name: str) -> None:
    """Raise ParameterError where the name of a scene cannot be part of the names of its files."""
    if _NO_FILE_NAME.search(name):
        raise ParameterError(
            "the scene is called {name!r}, but its name is part of the names of files: leave out line ends and the characters "
            '/ \\ : < > " | ? *.',
            name=name,
        )
    if len(name.encode("utf-8", "surrogateescape")) > _LONGEST:
        raise ParameterError(
            "the scene is called {name!r}, which is too long for the names of its files: give one of at most {longest} bytes in "
            "the column name.",
            name=name,
            longest=_LONGEST,
        )
    if name.casefold() in _TAKEN:
        raise ParameterError(
            "the scene is called {name}, as a file of the steps is: give another name in the column name.", name=name
        )


def _text(key: Key, folder: str, cell: str) -> Any:
    if not key.kind.is_list:
        return beside(key, folder, cell) if holds_paths(key) else cell
    return [beside(key, folder, text) for text in listed(cell)] if holds_paths(key) else listed(cell)


def _without_others(found: Mapping[str, Any], columns: SceneColumns) -> list[str]:
    """Return what of the form is not the scene's: what a row gives another thing instead of, with what belongs to it."""
    gone: list[str] = []
    for group in columns.alternatives:
        if set(group) & set(found):
            gone += [name for other in group if other not in found for name in (other, *group[other])]
    return gone


def _outputs(name: str, form: Mapping[str, Any], columns: SceneColumns) -> dict[str, str]:
    """Return the form's outputs with the name of the scene: `map.tif` is `map_north.tif`."""
    found = {}
    for output in columns.outputs:
        if path := form.get(output):
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


def _check_different(scenes: Sequence[_Given], columns: SceneColumns) -> None:
    names: set[str] = set()
    images: dict[Any, str] = {}
    for scene in scenes:
        if scene.name.casefold() in names:
            raise ParameterError(
                "{scenes}: two scenes are called {name}: give them other names, in the column name. (The scene of the "
                "form is called after its image file.)",
                scenes=field("scenes"),
                name=scene.name,
            )
        names.add(scene.name.casefold())
        given = [image for key in columns.images_of(scene.values) for image in scene.values[key]]
        files = tuple(map(_file_of, given))
        if files in images:
            raise ParameterError(
                "{scenes}: the scenes {first} and {second} are the same image, {image}: keep one. The image of the form is "
                "a scene, too.",
                scenes=field("scenes"),
                first=images[files],
                second=scene.name,
                image=masked(", ".join(map(str, given))),
            )
        images[files] = scene.name


def _file_of(image: Any) -> str:
    """Return what tells an image from others, whatever path or link leads to its file."""
    text = image.path if isinstance(image, RasterSource) else str(image)
    return os.path.normcase(os.path.realpath(text)) if os.path.exists(text) else text


def _check_outputs(scenes: Sequence[_Given], operation: type, columns: SceneColumns, table: str) -> None:
    """Raise ParameterError where an output of a scene would replace an input or output of any, or the table."""
    known: list[Key] = [key for key in keys(operation) if key.name == "scenes"]
    values: dict[str, Any] = {"scenes": table}
    called: dict[str, Phrase] = {}
    for number, scene in enumerate(scenes):
        own = {*columns.images_of(scene.values), *columns.own, *columns.outputs}
        for key in keys(operation, scene.values):
            if key.name in scene.values and (not number or key.name in own):
                known.append(replace(key, name=f"{number}:{key.name}"))
                values[known[-1].name] = scene.values[key.name]
                called[known[-1].name] = Phrase("{key} of the scene {name}", key=key.mention, name=scene.name)
    try:
        check_outputs(known, values)
    except ParameterError as error:
        told = worded(error.message, lambda path: called.get(path.lstrip("="), field(path)))
        raise ParameterError("{error}", error=told) from None
