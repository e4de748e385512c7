"""Values of columns put into paths: `maps/{id}.tif`."""

from __future__ import annotations

import difflib
import re

from ..errors import ParameterError
from ..phrases import Phrase, plain
from ..tablefiles.table import Row

_PLACE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_DIVIDERS = re.compile(r"[/\\\0]|^\.{1,2}$")

ROW = "row"
"""The name of the row's number, unless a column is called so."""


def names_in(text: str) -> list[str]:
    """Return the columns that a text names."""
    return [match[1] for match in _PLACE.finditer(text) if match[1] is not None]


def filled(text: str, row: Row, is_output: bool) -> str:
    """Return a text with values in place of `{name}`; `{{` and `}}` are braces.

    Args:
        text: a path.
        row: the row, whose values are put there.
        is_output: whether the path is written to: a value must not lead to another folder then.

    Raises:
        ParameterError: there is no such column, or the row has no value there; or a brace has no partner.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            if len(match[0]) == 1:
                raise ParameterError(
                    "{text} has the brace {brace} without its partner: write {twice} for a brace that is part of the path.",
                    text=text,
                    brace=match[0],
                    twice=match[0] * 2,
                )
            return match[0][0]
        found = row.cells.get(name, str(row.number) if name == ROW else None)
        if found is None:
            raise _unknown(name, row)
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


def _unknown(name: str, row: Row) -> ParameterError:
    near = difflib.get_close_matches(name, row.cells, n=1, cutoff=0.6)
    hint = Phrase(" Did you mean {near}?", near=near[0]) if near else plain("")
    if row.item is not None:
        return ParameterError(
            "{{{name}}} is no asset or property of the item, which has the assets {assets}.{hint}",
            name=name,
            assets=", ".join(row.assets),
            hint=hint,
        )
    return ParameterError(
        "{{{name}}} is no column; the columns are {names}.{hint}", name=name, names=", ".join(row.cells), hint=hint
    )
