"""The operations by name: their declarations, and the bodies and checks that these name."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from .. import operations
from ..errors import OtbtfError, ParameterError
from ..parameters.mentions import with_keys
from ..parameters.operation import Operation
from ..parameters.parsing import keys, parse
from ..phrases import Phrase

T = TypeVar("T", bound=Operation)

_CORE = __name__.split(".registry", maxsplit=1)[0]


def declaration(name: str) -> type[Operation]:
    """Return the dataclass of the operation called `name`; case does not matter.

    Raises:
        ParameterError: there is no such operation.
    """
    if name.lower() not in _modules():
        raise ParameterError(
            "There is no operation {name!r}. The operations are: {names}.", name=name, names=", ".join(names())
        )
    module = importlib.import_module(f"{operations.__name__}.{name.lower()}")
    found: type[Operation] = next(thing for word, thing in vars(module).items() if word.lower() == name.lower())
    return found


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """Return the names of all operations, in alphabetical order."""
    return tuple(declaration(module).__name__ for module in sorted(_modules()))


@lru_cache(maxsize=1)
def _modules() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules(operations.__path__))


def function_at(place: str) -> Callable[..., Any]:
    """Return the function that a declaration names as "room.module:function"."""
    module, _, name = place.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(f"{_CORE}.{module}"), name)
    return found


def memory_cure(name: str) -> str:
    """Return what a user can do if there is not enough memory for the operation called `name`."""
    known = {key.name: key for key in keys(declaration(name))} if name.lower() in _modules() else {}
    budget = known.get("memory") or known.get("ram")
    return (
        Phrase("Lower {budget} (in MB), or close other programs.", budget=budget.mention)
        if budget
        else Phrase("Close other programs.")
    )


def read(operation: type[T], values: Mapping[str, Any]) -> T:
    """Return an operation's parameters, read and checked; see `core.parameters.parsing.parse`.

    Raises:
        ParameterError: an unknown key, a missing one, or a value that cannot be right.
    """
    with in_keys_of(operation):
        parameters = parse(operation, values)
        if operation.CHECK:
            function_at(operation.CHECK)(parameters)
        return parameters


@contextlib.contextmanager
def in_keys_of(operation: type[Operation]) -> Iterator[None]:
    """Let errors that mention fields of an operation's parameters mention its keys; see `core.parameters.mentions`."""
    try:
        yield
    except OtbtfError as error:
        error.args = (with_keys(error.message, operation),)
        raise
