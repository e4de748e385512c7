"""Keys and their values as a table writes them: columns in any case, several files in one cell, paths beside the table."""

from __future__ import annotations

import os
from typing import Any

from ..base.jsonvalues import OddJson, parse
from ..errors import ParameterError
from .extendedfilenames import split
from .kinds import Content, Key
from .parsing import keys
from .vectorsource import Address

SEPARATOR = ";"
"""Stands between several paths in one text."""


def by_any_name(operation: type, names: list[str]) -> dict[str, Key]:
    """Return an operation's keys by `plain_name`, those of the sources that names number included."""
    return {plain_name(key.name): key for key in keys(operation, names)}


def plain_name(name: str) -> str:
    """Return a name by which a key is found however it is written: `SOURCE1_IL` and `source1.il` are one."""
    return name.strip().lower().replace(".", "_")


def listed(value: Any) -> list[str]:
    """Return the texts of a list: a list, a JSON list, or texts with semicolons between them.

    Raises:
        ParameterError: it begins as a JSON list, and is none.
    """
    if isinstance(value, list):
        return value
    text = str(value)
    if not text.lstrip().startswith("["):
        return [part for part in map(str.strip, text.split(SEPARATOR)) if part]
    try:
        return [item.text() for item in parse(text).items()]
    except OddJson as error:
        raise ParameterError("{text} is no list: {error}.", text=text, error=error) from error


def holds_paths(key: Key) -> bool:
    """Return whether a key's values lead to files, so that columns may be named in them."""
    return key.kind.content in (Content.RASTER, Content.LAYER, Content.FILE, Content.FOLDER)


def is_relative(text: str) -> bool:
    """Return whether a path in a cell begins in the folder of the table."""
    return bool(text) and "://" not in text and not text.startswith(("/vsi", "<")) and not os.path.isabs(text)


def beside(key: Key, folder: str, text: str) -> str:
    """Return a path in a cell, which is relative to the folder of the table, as seen from anywhere."""
    if not holds_paths(key) or not is_relative(text):
        return text
    inside = os.path.join(folder, text)
    # A bare name may be another one's: that of a template, as MODEL_DIR takes it.
    is_name = (
        not key.kind.is_output and not os.path.dirname(text) and not os.path.exists(Address.of(split(inside)[0]).path)
    )
    return text if is_name and "." not in text else inside
