"""Parameters that all rows have in common, given once: as on a command line, or as JSON."""

from __future__ import annotations

import json
from typing import Any

from ..base.jsonvalues import Json, OddJson, parse
from ..errors import ParameterError, field
from ..parameters.commandwords import split_commands
from ..parameters.kinds import Key
from ..parameters.parsing import keys, unknown_key
from ..parameters.relativepaths import absolute_path
from ..parameters.tablecells import by_any_name, holds_paths, listed, plain_name

Given = dict[str, Any]
"""Keys of an operation to texts, numbers, booleans or lists of texts."""


def given_once(operation: type, text: str) -> Given:
    """Return the parameters in a text: `NAME=value NAME=value`, in quotes where a value has spaces, or a JSON object.

    Names are keys (`source1.il`) or parameters (`SOURCE1_IL`), in any case. Several values of a list stand in one, with
    semicolons between them, or the name is repeated.

    Raises:
        ParameterError: the text cannot be read, a name is unknown, or it is given twice.
    """
    pairs = named_values(text, field("parameters"))
    known = by_any_name(operation, [name for name, _ in pairs])
    found: Given = {}
    for name, value in pairs:
        key = known.get(plain_name(name))
        if key is None:
            raise ParameterError(
                "{parameters}: {error}",
                parameters=field("parameters"),
                error=unknown_key(name, [each.parameter for each in known.values()]).message,
            )
        if key.name in found and not key.kind.is_list:
            raise ParameterError(
                "{parameters}: {name} is given twice: keep one.", parameters=field("parameters"), name=name
            )
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise ParameterError(
                "{parameters}: {name} is {value!r}, but must be a text, or a list of texts.",
                parameters=field("parameters"),
                name=name,
                value=value,
            )
        value = listed(value) if key.kind.is_list else value
        found[key.name] = [*found.get(key.name, []), *value] if key.kind.is_list else value
    return found


def named_values(text: str, parameter: str) -> list[tuple[str, Any]]:
    """Return names and values in a text, in the form that `given_once` takes; of a JSON list, its items.

    Args:
        text: the text.
        parameter: mention of the parameter that holds it, by `errors.field`, for messages.

    Raises:
        ParameterError: the text cannot be read.
    """
    return _of_json(text, parameter) if text.lstrip().startswith("{") else _of_words(text, parameter)


def _of_words(text: str, parameter: str) -> list[tuple[str, Any]]:
    try:
        words = [word for _, command in split_commands(text) for word in command]
    except ParameterError as error:
        raise ParameterError("{parameters}: {error}", parameters=parameter, error=error.message) from error
    pairs = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.strip():
            raise ParameterError(
                "{parameters}: {word!r} is no NAME=value: put quotes around a value with spaces.",
                parameters=parameter,
                word=word,
            )
        pairs.append((name.strip(), value))
    return pairs


def _of_json(text: str, parameter: str) -> list[tuple[str, Any]]:
    try:
        return [(name, _value(value)) for name, value in _named(parse(text))]
    except OddJson as error:
        raise ParameterError(
            "{parameters} is no JSON object of names and values: {error}.", parameters=parameter, error=error
        ) from error


def _named(document: Json) -> list[tuple[str, Json]]:
    return [(name, document[name]) for name in dict(document.fields()) if document.has(name)]


def _value(value: Json) -> Any:
    if isinstance(value.value, list):
        return [_single(item) for item in value.items()]
    return _single(value)


def _single(value: Json) -> Any:
    if isinstance(value.value, (str, bool)):
        return value.value
    return value.value if isinstance(value.value, int) else value.number()


def with_absolute_paths(operation: type, text: str) -> str:
    """Return the text with all paths absolute, as seen from the current folder, for a process that works in another one.

    A path that begins with a column begins where the table says.
    """
    found = given_once(operation, text)
    known = {key.name: key for key in keys(operation, found)}
    return json.dumps({name: _absolute(known[name], value) for name, value in found.items()}) if found else ""


def _absolute(key: Key, value: Any) -> Any:
    if isinstance(value, list):
        return [_absolute(key, item) for item in value]
    if not isinstance(value, str) or not holds_paths(key) or "{" not in value:
        return key.kind.absolute(value)
    begins_with_a_column = value.startswith("{") and not value.startswith("{{")
    return value if begins_with_a_column and not key.kind.is_output else absolute_path(value)
