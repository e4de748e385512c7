"""Values of columns put into paths: `maps/{id}.tif`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from ..errors import ParameterError
from ..phrases import Phrase, plain

_PLACE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_DIVIDERS = re.compile(r"[/\\\0]|^\.{1,2}$")

ROW = "row"
"""The name of the row's number, unless a column is called so."""


def names_in(text: str) -> list[str]:
    """Return the columns that a text names."""
    return [match[1] for match in _PLACE.finditer(text) if match[1] is not None]


def filled(text: str, cells: Mapping[str, str], number: int, is_output: bool) -> str:
    """Return a text with values in place of `{name}`; `{{` and `}}` are braces.

    Args:
        text: a path.
        cells: the row's values by column.
        number: of the row.
        is_output: whether the path is written to: a value must not lead to another folder then.

    Raises:
        ParameterError: there is no such column, or the row has no value there.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return match[0][0]
        found = cells.get(name, str(number) if name == ROW else None)
        if found is None:
            raise ParameterError("{{{name}}} is no column.{hint}", name=name, hint=nearest(name, cells))
        if not found:
            raise ParameterError("the column {name} has no value, but {text} needs it.", name=name, text=text)
        if is_output and _DIVIDERS.search(found):
            raise ParameterError(
                "the column {name} is {found!r}, which leads to another folder: use a column without slashes in the name of "
                "an output.",
                name=name,
                found=found,
            )
        return found

    return _PLACE.sub(value, text)


def nearest(name: str, known: Mapping[str, object]) -> Phrase:
    """Return a sentence that says which name was meant, or which there are."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return Phrase(" Did you mean {near}?", near=near[0])
    return Phrase(" The columns are: {names}.", names=", ".join(known)) if known else plain("")
