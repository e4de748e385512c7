"""The dates of a time series, as texts, files, band names and file names have them."""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..base.jsonvalues import Json, OddJson, read
from ..errors import ParameterError, field
from ..files.memoryfiles import read_text
from ..phrases import Phrase

if TYPE_CHECKING:
    from .rasterstack import Stack

_DATE = re.compile(r"(?<!\d)((?:19|20)\d{2})([-_./]?)(\d{2})\2(\d{2})(?!\d)")
_TIME = re.compile(r"(T\d{4}(\d{2})?|[T ]?\d{2}:\d{2}(:\d{2}(\.\d+)?)?)(Z|[-+]\d{2}:?\d{2})?(?!\d)")
_FILE = re.compile(r"\.(json|geojson|txt|csv|dates)$", re.IGNORECASE)
_JSON = (".json", ".geojson")


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
    found = _dates_in(word)
    if not found:
        raise ParameterError(
            "{what}: item {number} is {word!r}, but must be a date such as 2015-07-11.",
            what=what,
            number=number,
            word=word,
        )
    return float((found[0][0] - datetime.date(1970, 1, 1)).days)


def holds_date(word: str) -> bool:
    """Return whether a text holds a date."""
    return bool(_dates_in(word))


def without_date(word: str) -> str:
    """Return a text without the first date in it, and the time of day behind that."""
    found = _dates_in(word)
    if not found:
        return word
    start, end = found[0][1].span()
    time = _TIME.match(word, end)
    return word[:start] + word[time.end() if time else end :]


def _dates_in(word: str) -> list[tuple[datetime.date, re.Match[str]]]:
    """Return the dates in a text, in order; other numbers of eight digits are none."""
    found = []
    for match in _DATE.finditer(word):
        try:
            found.append((datetime.date(*(int(match[group]) for group in (1, 3, 4))), match))
        except ValueError:
            continue
    return found


def shown_date(day: float) -> str:
    """Return a day since 1970-01-01 as a text."""
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=int(day // 1))).isoformat()


def dated_names(stack: Stack) -> list[str]:
    """Return a text for each band of rasters that holds its date, where one is known.

    It is the band's description, or the name of its file with the description behind it: files of single dates are
    often named by them. Where neither holds a date, it is the description; or, of several files, the name of that of a band
    without one: files, too, are named by what they hold.
    """
    found, files = [], stack.files_of_bands
    several = len(set(files)) > 1
    for name, band in zip(files, stack.band_names):
        file = Path(name).stem
        dated = holds_date(file) and not holds_date(band)
        found.append(f"{file} {band}".strip() if dated or (several and not band) else band)
    return found


def times_by_source(text: str) -> tuple[tuple[float, ...], ...]:
    """Return the times of each source that DATES stands for, separated by semicolons; nothing for an empty text.

    Raises:
        ParameterError: see `times_of`; or a source has none.
    """
    found = tuple(times_of(part) for part in text.split(";")) if text.strip() else ()
    if not all(found):
        raise ParameterError(
            "{dates} is {text!r}: source {value} has no date, although others do.",
            dates=field("dates"),
            text=text,
            value=found.index(()) + 1,
        )
    return found


def times_of(text: str) -> tuple[float, ...]:
    """Return the times that a text lists: dates separated by spaces, their number alone, or a file that lists dates.

    Raises:
        ParameterError: a word is neither; the file cannot be read, or lists none.
    """
    if _FILE.search(text.strip()) or os.path.isfile(text.strip()):
        return _times_in(text.strip())
    words = _words(text.replace(",", " ").split())
    if len(words) == 1 and re.fullmatch(r"\d{1,5}", words[0]):
        if int(words[0]) < 1:
            raise ParameterError("{dates} is 0, but must be dates, or their number, at least 1.", dates=field("dates"))
        return tuple(float(index) for index in range(int(words[0])))
    return days_of(words, field("dates"))


def _times_in(path: str) -> tuple[float, ...]:
    """Return the times that a file lists: a JSON list, an item or item collection of STAC, or dates as plain text."""
    try:
        words = _words_of_json(read(Path(path))) if path.lower().endswith(_JSON) else _words_of_text(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ParameterError(
            "{dates} is {path}, but no dates can be read from it ({reason}): give a JSON or text file that lists "
            "them, or a STAC item.",
            dates=field("dates"),
            path=path,
            reason=reason,
        ) from error
    return days_of(words, f"{field('dates')} ({path})")


def _words_of_text(path: str) -> list[str]:
    words = _words(re.split(r"[\s,;]+", read_text(path)))
    if not words:
        raise ValueError(Phrase("it is empty"))
    return words


def _words(parts: Sequence[str]) -> list[str]:
    """Return words that are not empty, nor the time of day behind a date, as in 2015-07-11 10:00:08."""
    return [part for part in parts if part and not _TIME.fullmatch(part)]


def _words_of_json(content: Json) -> list[str]:
    if isinstance(content.value, list):
        found = [item.text() for item in content.items()]
    elif content.has("features"):  # an item collection: an item for each date
        found = [_moment(item["properties"]) for item in content["features"].items()]
    else:
        properties = content["properties"]
        found = _of_data_cube(properties) or [_moment(properties)]
    if not found:
        raise content.odd("a list of dates")
    return found


def _of_data_cube(properties: Json) -> list[str]:
    """Return the dates of STAC's extension for data cubes; none where there are none."""
    dimensions = properties.get("cube:dimensions")
    for _, dimension in dimensions.fields() if dimensions else ():
        kind, values = dimension.get("type"), dimension.get("values")
        if kind is not None and kind.value == "temporal" and values is not None:
            return [value.text() for value in values.items()]
    return []


def _moment(properties: Json) -> str:
    for name in ("datetime", "start_datetime"):
        moment = properties.get(name)
        if moment is not None and moment.value is not None:
            return moment.text()
    raise OddJson(Phrase("it has neither datetime nor start_datetime"))
