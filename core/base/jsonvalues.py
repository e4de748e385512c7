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
        raise OddJson(f"it has {size / 1e6:.0f} MB, but at most {largest / 1e6:.0f} MB are expected")
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
        raise OddJson(f"it has more than {largest / 1e6:.0f} MB")
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
        raise OddJson("it is not UTF-8 text") from error
    except RecursionError as error:
        raise OddJson(f"it is nested more than {deepest} levels deep") from error
    except ValueError as error:
        raise OddJson(f"it is not JSON: {error}") from error
    _check_depth(value, deepest)
    return Json(value)


def _whole(text: str) -> int:
    if len(text) > _DIGITS:
        raise OddJson(f"it holds a number of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise OddJson(f"it holds the number {text[:40]}, which is too large")
    return number


def _constant(text: str) -> float:
    raise OddJson(f"it holds {text}, which is not a number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise OddJson(f"it has the name {reprlib.repr(twice)} twice")
    return found


def _check_depth(value: Any, deepest: int) -> None:
    level = [value]
    for _ in range(deepest + 1):
        level = [child for item in level for child in _children(item)]
        if not level:
            return
    raise OddJson(f"it is nested more than {deepest} levels deep")


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
        return OddJson(f"{self.place or 'it'} is {reprlib.repr(self.value)}, but must be {wanted}")

    # ----------------------------------------------------------- parts

    def __getitem__(self, name: str) -> Json:
        """Return the value of a name.

        Raises:
            OddJson: there is none, or this is no dictionary.
        """
        found = self.get(name)
        if found is None:
            raise OddJson(f"{self.place or 'it'} has no {name}")
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
            raise self.odd("a list")
        if len(self.value) > most:
            raise OddJson(f"{self.place or 'it'} has {len(self.value)} entries, but at most {most} are expected")
        return [Json(item, f"{self.place}[{number}]") for number, item in enumerate(self.value)]

    def exactly(self, count: int) -> list[Json]:
        """Return the values of a list that has so many."""
        items = self.items()
        if len(items) != count:
            raise self.odd(f"a list of {count}")
        return items

    def has(self, name: str) -> bool:
        """Return whether this is a dictionary that has a value for a name."""
        return isinstance(self.value, dict) and self.value.get(name) is not None

    def _dictionary(self) -> dict[str, Any]:
        if not isinstance(self.value, dict):
            raise self.odd("a dictionary of names")
        return self.value

    # ---------------------------------------------------------- values

    def text(self, most: int = 100_000) -> str:
        """Return a text of at most `most` characters."""
        if not isinstance(self.value, str):
            raise self.odd("a text")
        if len(self.value) > most:
            raise OddJson(f"{self.place or 'it'} has {len(self.value)} characters, but at most {most} are expected")
        return self.value

    def flag(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            raise self.odd("true or false")
        return self.value

    def whole(self, low: int = -_LIMIT, high: int = _LIMIT) -> int:
        """Return a whole number within bounds."""
        value = self.value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.odd("a whole number")
        if not low <= value <= high:
            raise self.odd(f"positive, at most {high}" if low == 1 else f"from {low} to {high}")
        return value

    def number(self, low: float = -math.inf, high: float = math.inf) -> float:
        """Return a number within bounds; NaN only if there are no bounds."""
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            raise self.odd("a number")
        value = float(self.value)
        anything = (low, high) == (-math.inf, math.inf)
        if not low <= value <= high and not (anything and math.isnan(value)):
            raise self.odd(f"from {low:g} to {high:g}")
        return value

    def ratio(self) -> Fraction:
        """Return a positive fraction, which is written as a text such as `2/3` or `2`, or as a whole number."""
        match = _RATIO.fullmatch(str(self.value)) if isinstance(self.value, (str, int)) else None
        if not match or not int(match[1]) or not int(match[2] or 1):
            raise self.odd("a positive fraction such as 2 or 1/2")
        return Fraction(int(match[1]), int(match[2] or 1))
