"""Values under an operation's keys, read into the operation: what is unknown, missing or cannot be read is refused."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from ..errors import ParameterError
from ..phrases import Phrase, plain
from .kinds import Key, parameter_name
from .vocabulary import Numbered

T = TypeVar("T")


def keys(operation: type, names: Iterable[str] = (), sources: int = 0) -> tuple[Key, ...]:
    """Return all keys of an operation's dataclass, in the order of its fields.

    Args:
        operation: the dataclass.
        names: names of keys or of Processing parameters in use: the sources that they number are among the keys too.
        sources: at least this number of sources is among the keys.
    """
    used = {name.lower().replace(".", "_") for name in names}
    found: list[Key] = []
    for field in dataclasses.fields(operation):
        if "key" in field.metadata:
            found.append(field.metadata["key"])
        elif "numbered" in field.metadata:
            several: Numbered = field.metadata["numbered"]
            numbers = {*range(1, max(several.listed, sources) + 1), *_numbers(several, used)}
            for number_ in sorted(numbers):
                found.extend(_of_source(several, number_))
    return tuple(found)


def needs_engine(operation: Any, values: Mapping[str, Any]) -> bool:
    """Return whether a run with these values, by key, is one of the engine.

    Raises:
        ParameterError: the value that decides it cannot be read.
    """
    deciding = next((key for key in keys(operation) if key.name == operation.ENGINE_WITH), None)
    return bool(operation.NEEDS_ENGINE or (deciding and deciding.read(values.get(deciding.name, deciding.default))))


@lru_cache(maxsize=256)
def _of_source(several: Numbered, number_: int) -> tuple[Key, ...]:
    """Return the keys of one source; remembered, since a dialog asks for all keys a dozen times while it opens."""
    return tuple(_prefixed(key, several, number_) for key in keys(several.item))


def _numbers(several: Numbered, used: Iterable[str]) -> Iterator[int]:
    """Yield the numbers of the sources that names (in lower case, with underscores) belong to."""
    form = re.compile(re.escape(several.prefix.replace(".", "_")) + r"([1-9]\d{0,5})_")
    return (int(match[1]) for match in map(form.match, used) if match)


def _prefixed(key: Key, several: Numbered, number_: int) -> Key:
    what = several.prefix.replace(".", " ")  # training.source -> Training source
    label = plain(f"{key.label[:1].lower()}{key.label[1:]}")
    return dataclasses.replace(
        key,
        name=f"{several.prefix}{number_}.{key.name}",
        label=Phrase(f"{what[:1].upper()}{what[1:]} {{number}}: {{label}}", number=number_, label=label),
        of=f"{several.prefix}{number_}.{key.of}" if key.of else "",
        required=key.required and number_ == 1,
        created=key.created and number_ == 1,
        suggested=key.suggested if number_ == 1 else None,
        advanced=key.advanced or several.advanced,
        group=number_,
    )


_OTHER_NAMES = {"seed": "rand", "rand": "seed"}
"""Names of the same thing: OTB and OTBTF call it by one in some applications, and by the other in others."""


def unknown_key(name: str, known: Iterable[str]) -> ParameterError:
    """Return the error for a key that does not exist, with the nearest that does."""
    names = list(known)
    original = {k.lower(): k for k in names}
    same = _OTHER_NAMES.get(name.lower())
    near = [same] if same in original else difflib.get_close_matches(name.lower(), list(original), n=1, cutoff=0.6)
    hint = (
        Phrase(" Did you mean {original}?", original=original[near[0]])
        if near
        else Phrase(" Known keys: {names}.", names=", ".join(names))
    )
    return ParameterError("Unknown parameter {name}.{hint}", name=name, hint=hint)


def missing(key: Key) -> ParameterError:
    """Return the error for a required key that is not given."""
    return ParameterError("{key} is missing: {help}", key=key.mention, help=plain(key.help))


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
    given = {name: known[name].read(value) for name, value in values.items() if value is not None}
    given = {name: value for name, value in given.items() if value is not None}
    for key in known.values():
        if key.required and given.get(key.name, ()) in ((), ""):
            raise missing(key)
    return _build(operation, given, "")


def values_of(parameters: Any) -> dict[str, Any]:
    """Return the values of an operation's parameters by its keys, as `parse` reads them; what is empty is left out."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(parameters):
        value = getattr(parameters, field.name)
        if "key" in field.metadata:
            found[field.metadata["key"].name] = value
        elif "numbered" in field.metadata:
            prefix = field.metadata["numbered"].prefix
            for number_, item in enumerate(value, 1):
                found.update({f"{prefix}{number_}.{name}": own for name, own in values_of(item).items()})
    return {name: value for name, value in found.items() if value not in (None, "", ())}


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


def _build_numbered(several: Numbered, given: Mapping[str, Any]) -> tuple[Any, ...]:
    items: list[Any] = []
    for number_ in sorted(set(_numbers(several, (name.replace(".", "_") for name in given)))):
        prefix = f"{several.prefix}{number_}."
        used = [key for key in keys(several.item) if prefix + key.name in given]
        if not used:
            continue
        if number_ != len(items) + 1:
            given_key = dataclasses.replace(used[0], name=prefix + used[0].name)
            raise ParameterError(
                "{given_key} is given, but nothing for {parameter_name}{items_count}: number the sources from 1 "
                "without gaps.",
                given_key=given_key.mention,
                parameter_name=parameter_name(several.prefix),
                items_count=len(items) + 1,
            )
        for key in keys(several.item):
            if key.required and given.get(prefix + key.name, ()) in ((), ""):
                raise missing(dataclasses.replace(key, name=prefix + key.name))
        items.append(_build(several.item, given, prefix))
    return tuple(items)


def absolute_values(operation: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return an operation's values, by its keys, with every path of a file as seen from the current folder absolute."""
    known = {key.name: key for key in keys(operation, values)}
    return {name: known[name].kind.absolute(value) if name in known else value for name, value in values.items()}
