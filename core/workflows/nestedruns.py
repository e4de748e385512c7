"""Operations that run inside another, whose messages name the parameters of the operation around them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..base.progress import Progress, Reworded
from ..errors import OtbtfError, as_key, worded
from ..parameters.mentions import with_keys
from ..registry import declaration, in_keys_of, read, run


def run_nested(name: str, values: Mapping[str, Any], words: Mapping[str, str], progress: Progress) -> dict[str, Any]:
    """Run an operation inside another one.

    The user knows the parameters of the outer operation only. A message that names a key without a word says whose key it
    is, so that nobody looks for it in the outer operation: `TRUST_MODEL of TensorflowModelTrain`.

    Args:
        name: the inner operation.
        values: its keys to values.
        words: its keys to what stands for them in messages: mentions of the outer operation's fields, by `errors.field`.
        progress: of the outer operation.

    Returns:
        The inner operation's results.

    Raises:
        OtbtfError: as the inner operation raises it; its message has the words.
        Cancelled: `progress` asked to stop.
    """
    with _in_words(name, words):
        return run(name, values, _reworded(name, words, progress))


@contextmanager
def nested_step(
    name: str, values: Mapping[str, Any], words: Mapping[str, str], progress: Progress
) -> Iterator[tuple[Any, Progress]]:
    """Yield what a step of an inner operation needs, for an outer operation that does not run all of it.

    Args:
        name, values, words, progress: see `run_nested`.

    Yields:
        The inner operation's parameters, and its progress. Errors of the step are raised in the words of the outer one.

    Raises:
        ParameterError: the inner operation refuses its values.
    """
    operation = declaration(name)

    def in_words(message: str) -> str:
        return _said(with_keys(message, operation), name, words)

    with _in_words(name, words), in_keys_of(operation):
        yield read(operation, values), Reworded(progress, in_words)


def check_nested(name: str, values: Mapping[str, Any], words: Mapping[str, str]) -> None:
    """Raise ParameterError, with the words, where the inner operation refuses its values; see `run_nested`."""
    with _in_words(name, words):
        read(declaration(name), values)


def _reworded(name: str, words: Mapping[str, str], progress: Progress) -> Progress:
    outer = Reworded(progress, lambda message: _said(message, name, words))
    outer.keeps_mentions = True  # the inner run leaves its keys as mentions
    return outer


@contextmanager
def _in_words(name: str, words: Mapping[str, str]) -> Iterator[None]:
    try:
        yield
    except OtbtfError as error:
        error.args = (_said(error.message, name, words),)
        raise


def _said(message: str, name: str, words: Mapping[str, str]) -> str:
    return worded(message, lambda path: words.get(path.lstrip("="), f"{as_key(path)} of {name}"))
