"""User placeholders: values for further inputs of a model, as `name=value` in a text."""

from __future__ import annotations

import re
from typing import Any, Union

import numpy as np

from ..errors import ParameterError, field
from ..phrases import Phrase

Value = Union[bool, int, float, "list[bool]", "list[int]", "list[float]"]

FORM = Phrase(
    "name=value, where value is a number, true or false, or a list such as (1, 2.5); several are separated by spaces"
)

_SERVED = field("model_userplaceholders")


def split_words(text: str) -> list[str]:
    """Return the words of a text; spaces inside parentheses belong to a word, and so do those around `=`.

    Raises:
        ParameterError: a parenthesis is not closed, or closed twice.
    """
    words, word, depth = [], "", 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            break
        if character.isspace() and depth == 0:
            words.append(word)
            word = ""
        else:
            word += character
    if depth != 0:
        raise ParameterError("The parentheses in {text!r} do not match: write {form}.", text=text, form=FORM)
    return [w for w in [*words, word] if w]


def parse_userplaceholders(text: str, parameter: str = _SERVED) -> dict[str, Value]:
    """Return the values by name of a text such as `lr=1e-3 dates=(1, 2, 3) training=false`.

    Raises:
        ParameterError: a word is no `name=value`, or a name is given twice.
    """
    values: dict[str, Value] = {}
    for word in split_words(re.sub(r"\s*=\s*", "=", text)):
        name, equals, value = word.partition("=")
        if not equals or not name or not value:
            raise ParameterError(
                "{parameter} holds {word!r}, but must be {form}.", parameter=parameter, word=word, form=FORM
            )
        if name in values:
            raise ParameterError("{parameter} gives {name} twice: give it once.", parameter=parameter, name=name)
        values[name] = _value(value, word, parameter)
    return values


def _value(text: str, word: str, parameter: str) -> Value:
    if text.startswith("(") and text.endswith(")"):
        items: list[Any] = [_scalar(item.strip(), word, parameter) for item in text[1:-1].split(",")]
        return items
    return _scalar(text, word, parameter)


def _scalar(text: str, word: str, parameter: str) -> bool | int | float:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    raise ParameterError(
        "{parameter} holds {word!r}, but {text!r} is not a value: write {form}.",
        parameter=parameter,
        word=word,
        text=text,
        form=FORM,
    )


def check_held(values: np.ndarray, dtype: np.dtype, said: str) -> None:
    """Raise ParameterError where a type of whole numbers does not hold values, which would wrap around.

    Args:
        values: that are given.
        dtype: what the model asks for.
        said: begins the message.
    """
    if dtype.kind not in "iu" or values.dtype.kind == "b":
        return
    info, numbers = np.iinfo(dtype), [float(value) for value in np.ravel(values)]
    if not all(number.is_integer() for number in numbers):
        raise ParameterError("{said} is not whole, but the model takes {dtype}: round it.", said=said, dtype=dtype.name)
    if not all(info.min <= number <= info.max for number in numbers):
        raise ParameterError(
            "{said} is outside {min} to {max}, the range of the model's {dtype}: give another value.",
            said=said,
            min=info.min,
            max=info.max,
            dtype=dtype.name,
        )
