"""The dates of a time series, as texts and band names have them."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence

from ..errors import ParameterError, field

_DATE = re.compile(r"(?<!\d)(\d{4})-?(\d{2})-?(\d{2})(?!\d)")


def days_of(words: Sequence[str], what: str) -> tuple[float, ...]:
    """Return dates as days since 1970-01-01.

    Args:
        words: texts that hold one date each, as 2015-07-11 or 20150711.
        what: where they come from, for messages.

    Raises:
        ParameterError: a text holds no date.
    """
    return tuple(_day(word, number, what) for number, word in enumerate(words, 1))


def _day(word: str, number: int, what: str) -> float:
    found = _DATE.search(word)
    try:
        date = datetime.date(*(int(part) for part in found.groups())) if found else None
    except ValueError:
        date = None
    if date is None:
        raise ParameterError(
            "{what}: item {number} is {word!r}, but must be a date such as 2015-07-11.",
            what=what,
            number=number,
            word=word,
        )
    return float((date - datetime.date(1970, 1, 1)).days)


def holds_date(word: str) -> bool:
    """Return whether a text holds what looks like a date."""
    return _DATE.search(word) is not None


def without_date(word: str) -> str:
    """Return a text without the first date in it."""
    return _DATE.sub("", word, count=1)


def times_by_source(text: str) -> tuple[tuple[float, ...], ...]:
    """Return the times of each source that DATES stands for, separated by semicolons; nothing for an empty text.

    Raises:
        ParameterError: see `times_of`; or a source has none.
    """
    found = tuple(times_of(part) for part in text.split(";")) if text.strip() else ()
    if not all(found):
        raise ParameterError(
            "{dates} is {text!r}: source {index} has no date, although others do.",
            dates=field("dates"),
            text=text,
            index=found.index(()) + 1,
        )
    return found


def times_of(text: str) -> tuple[float, ...]:
    """Return the times that a text lists: dates separated by spaces, or their number alone.

    Raises:
        ParameterError: a word is neither.
    """
    words = text.replace(",", " ").split()
    if len(words) == 1 and re.fullmatch(r"\d{1,5}", words[0]):
        if int(words[0]) < 1:
            raise ParameterError("{dates} is 0, but must be dates, or their number, at least 1.", dates=field("dates"))
        return tuple(float(index) for index in range(int(words[0])))
    return days_of(words, field("dates"))
