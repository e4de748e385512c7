"""JSON from files and pipes, checked at every step.

What lies beside an image or a model may be damaged, of another program, or made to do harm. `parse` reads a text within
limits; the `Json` that it returns gives out values of the kind that is asked for, within bounds. Whatever does not fit
is an `OddJson` that says where, so that nothing else can come of it.
"""

from __future__ import annotations

import json
import math
import os
import re
import reprlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..phrases import Phrase

LARGEST = 16 << 20
"""Largest text that is read by default, in bytes."""

DEEPEST = 64
"""Deepest nesting that is read by default."""

_DIGITS = 100  # of a whole number; reading one takes time by the square of them
_LIMIT = 2**53
_RATIO = re.compile(r"(\d{1,9})(?:/(\d{1,9}))?")


class OddJson(ValueError):
    """A text is not JSON, or not of the expected form; the message gives the place and the cause."""


def read(path: str | Path, largest: int = LARGEST, deepest: int = DEEPEST, infinite: bool = False) -> Json:
    """Return the content of a file.

    Raises:
        OSError: it cannot be read.
        OddJson: see `parse`.
    """
    size = os.stat(path).st_size
    if size > largest:
        raise OddJson(
            Phrase(
                "it has {size:.0f} MB, but at most {largest:.0f} MB are expected",
                size=size / 1e6,
                largest=largest / 1e6,
            )
        )
    with open(path, "rb") as file:
        return parse(file.read(largest + 1), largest, deepest, infinite)


def parse(text: str | bytes, largest: int = LARGEST, deepest: int = DEEPEST, infinite: bool = False) -> Json:
    """Return what a text holds.

    Args:
        text: JSON, as text or in UTF-8.
        largest: bytes, or characters.
        deepest: levels of nesting.
        infinite: whether NaN and infinity count as numbers, as Python's json writes them.

    Raises:
        OddJson: it is no JSON, too large or too deep, names a key twice, or holds a number that cannot be held.
    """
    if len(text) > largest:
        raise OddJson(Phrase("it has more than {largest:.0f} MB", largest=largest / 1e6))
    try:
        value = json.loads(
            text.decode("utf-8-sig") if isinstance(text, bytes) else text,
            parse_int=_whole,
            parse_float=None if infinite else _finite,
            parse_constant=None if infinite else _constant,
            object_pairs_hook=_once,
        )
    except OddJson:
        raise
    except UnicodeDecodeError as error:
        raise OddJson(Phrase("it is not UTF-8 text")) from error
    except RecursionError as error:
        raise OddJson(Phrase("it is nested more than {deepest} levels deep", deepest=deepest)) from error
    except json.JSONDecodeError as error:
        place = Phrase("it is not JSON from line {line}, column {column} on", line=error.lineno, column=error.colno)
        raise OddJson(place) from error
    except ValueError as error:
        raise OddJson(Phrase("it is not JSON")) from error
    _check_depth(value, deepest)
    return Json(value)


def _whole(text: str) -> int:
    if len(text) > _DIGITS:
        raise OddJson(Phrase("it holds a number of {text_count} digits", text_count=len(text)))
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise OddJson(Phrase("it holds the number {text}, which is too large", text=text[:40]))
    return number


def _constant(text: str) -> float:
    raise OddJson(Phrase("it holds {text}, which is not a number", text=text))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise OddJson(Phrase("it has the name {twice} twice", twice=reprlib.repr(twice)))
    return found


def _check_depth(value: Any, deepest: int) -> None:
    level = [value]
    for _ in range(deepest + 1):
        level = [child for item in level for child in _children(item)]
        if not level:
            return
    raise OddJson(Phrase("it is nested more than {deepest} levels deep", deepest=deepest))


def _children(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


class Json:
    """A value and its place in the document.

    Attributes:
        value: as Python has it.
        place: such as `classes[2].name`; empty for the whole.
    """

    def __init__(self, value: Any, place: str = "") -> None:
        self.value, self.place = value, place

    def odd(self, wanted: str) -> OddJson:
        """Return the error for a value that should be something else."""
        return OddJson(
            Phrase(
                "{place} is {value}, but must be {wanted}",
                place=self.place or Phrase("it"),
                value=reprlib.repr(self.value),
                wanted=wanted,
            )
        )

    # ----------------------------------------------------------- parts

    def __getitem__(self, name: str) -> Json:
        """Return the value of a name.

        Raises:
            OddJson: there is none, or this is no dictionary.
        """
        found = self.get(name)
        if found is None:
            raise OddJson(Phrase("{place} has no {name}", place=self.place or Phrase("it"), name=name))
        return found

    def get(self, name: str) -> Json | None:
        """Return the value of a name; None if it is missing or null."""
        value = self._dictionary().get(name)
        return None if value is None else Json(value, f"{self.place}.{name}" if self.place else name)

    def fields(self) -> Iterator[tuple[str, Json]]:
        """Yield the names of a dictionary with their values."""
        for name, value in self._dictionary().items():
            yield name, Json(value, f"{self.place}[{reprlib.repr(name)}]")

    def items(self, most: int = 1 << 20) -> list[Json]:
        """Return the values of a list."""
        if not isinstance(self.value, (list, tuple)):
            raise self.odd(Phrase("a list"))
        if len(self.value) > most:
            raise OddJson(
                Phrase(
                    "{place} has {count} entries, but at most {most} are expected",
                    place=self.place or Phrase("it"),
                    count=len(self.value),
                    most=most,
                )
            )
        return [Json(item, f"{self.place}[{number}]") for number, item in enumerate(self.value)]

    def exactly(self, count: int) -> list[Json]:
        """Return the values of a list that has so many."""
        items = self.items()
        if len(items) != count:
            raise self.odd(Phrase("a list of {count}", count=count))
        return items

    def has(self, name: str) -> bool:
        """Return whether this is a dictionary that has a value for a name."""
        return isinstance(self.value, dict) and self.value.get(name) is not None

    def _dictionary(self) -> dict[str, Any]:
        if not isinstance(self.value, dict):
            raise self.odd(Phrase("a dictionary of names"))
        return self.value

    # ---------------------------------------------------------- values

    def text(self, most: int = 100_000) -> str:
        """Return a text of at most `most` characters."""
        if not isinstance(self.value, str):
            raise self.odd(Phrase("a text"))
        if len(self.value) > most:
            raise OddJson(
                Phrase(
                    "{place} has {count} characters, but at most {most} are expected",
                    place=self.place or Phrase("it"),
                    count=len(self.value),
                    most=most,
                )
            )
        return self.value

    def flag(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            raise self.odd(Phrase("true or false"))
        return self.value

    def whole(self, low: int = -_LIMIT, high: int = _LIMIT) -> int:
        """Return a whole number within bounds."""
        value = self.value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.odd(Phrase("a whole number"))
        if not low <= value <= high:
            raise self.odd(
                Phrase("positive, at most {high}", high=high)
                if low == 1
                else Phrase("from {low} to {high}", low=low, high=high)
            )
        return value

    def number(self, low: float = -math.inf, high: float = math.inf) -> float:
        """Return a number within bounds; NaN only if there are no bounds."""
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            raise self.odd(Phrase("a number"))
        value = float(self.value)
        anything = (low, high) == (-math.inf, math.inf)
        if not low <= value <= high and not (anything and math.isnan(value)):
            raise self.odd(Phrase("from {low:g} to {high:g}", low=low, high=high))
        return value

    def ratio(self) -> Fraction:
        """Return a positive fraction, which is written as a text such as `2/3` or `2`, or as a whole number."""
        match = _RATIO.fullmatch(str(self.value)) if isinstance(self.value, (str, int)) else None
        if not match or not int(match[1]) or not int(match[2] or 1):
            raise self.odd(Phrase("a positive fraction such as 2 or 1/2"))
        return Fraction(int(match[1]), int(match[2] or 1))
