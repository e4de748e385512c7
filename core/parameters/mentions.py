"""Mentions of parameters in messages, from the fields that the parts below name to the keys of an operation.

A message that leaves a body mentions fields: `out_nodata`, `sources[2].il`. The run of an operation turns these into
mentions of its keys, marked by `=`: `=out.nodata`, `=source2.il`. Whoever shows the message puts a word in their place.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

from ..errors import field, worded
from .kinds import Key
from .parsing import keys

_NUMBERED = re.compile(r"(\w+)\[(\d+)\]\.(\w+)")
_OF_A_KEY = "="


def with_keys(message: str, operation: type) -> str:
    """Return a message whose mentions of an operation's fields are mentions of its keys; others stay."""

    def of_key(path: str) -> str:
        key = key_at(path, operation)
        return key.mention if key else field(path)

    return worded(message, of_key)


def shown(message: str, operation: type, word: Callable[[Key], str]) -> str:
    """Return a message with a word for each key of an operation that it mentions; others are mentioned as before."""

    def of_key(path: str) -> str:
        key = key_at(path, operation)
        return word(key) if key else field(path)

    return worded(message, of_key)


def key_at(path: str, operation: type) -> Key | None:
    """Return the key that a mention's path means; None where the operation has none."""
    if path.startswith(_OF_A_KEY):
        name = path[len(_OF_A_KEY) :]
    else:
        numbered = _NUMBERED.fullmatch(path)
        found = _numbered_key(operation, *numbered.groups()) if numbered else _key_of(operation, path)
        if found is None:
            return None
        name = found
    return next((key for key in keys(operation, [name]) if key.name == name), None)


def _key_of(operation: type, name: str) -> str | None:
    for each in dataclasses.fields(operation):
        if each.name == name and "key" in each.metadata:
            return str(each.metadata["key"].name)
    return None


def _numbered_key(operation: type, groups: str, number: str, name: str) -> str | None:
    for each in dataclasses.fields(operation):
        if each.name == groups and "numbered" in each.metadata:
            several = each.metadata["numbered"]
            inner = _key_of(several.item, name)
            return f"{several.prefix}{number}.{inner}" if inner else None
    return None
