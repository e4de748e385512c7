"""Which band is which within a date of a time series, as band names tell it beside the date."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import ParameterError
from .dates import holds_date, without_date
from .seriesbands import SeriesLayout

_WORD = re.compile(r"[^\W_]+")
_LEADING_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
_NUMBERED = re.compile(r"(b|band)?\d+")
_SHOWN = 12
"""Bands that a command line lists, at most."""


def names_of_date(names: Sequence[str], layout: SeriesLayout) -> tuple[str, ...]:
    """Return the names of the bands of one date, in order; nothing where the names do not tell one band from another.

    Args:
        names: of all bands, which may hold dates.
        layout: of the source.
    """
    dates = [date for date in _by_date(names, layout) if any(date)]
    alike = {tuple(map(_key, date)) for date in dates}
    if len(alike) != 1 or not all(dates[0]):
        return ()
    (keys,) = alike
    if len(set(keys)) < len(keys) or (layout.bands == 1 and _NUMBERED.fullmatch(keys[0])):
        return ()
    return dates[0]


def check_order_of_dates(names: Sequence[str], layout: SeriesLayout, number: int) -> None:
    """Raise ParameterError if a source, counted from 1, has the same bands in another order at some date."""
    first: dict[tuple[str, ...], tuple[int, tuple[str, ...]]] = {}
    for place, date in enumerate(_by_date(names, layout), 1):
        keys = tuple(map(_key, date))
        other, known = first.setdefault(tuple(sorted(keys)), (place, date))
        if all(keys) and keys != tuple(map(_key, known)):
            raise ParameterError(
                "Source {number} has its bands in the order {first} at its date {other}, but {found} at its date {place}: give "
                "all dates the same bands in the same order.",
                number=number,
                first=", ".join(known),
                other=other,
                found=", ".join(date),
                place=place,
            )


def reordered(names: Sequence[str], series: SeriesLayout) -> list[int] | None:
    """Return the order that gives a source the model's bands; None unless it holds the same bands in another order.

    Dates whose names tell nothing are taken to have the model's order where others tell.

    Args:
        names: of all bands of the source, whose dates are those of the model as far as they are known.
        series: that the model takes.

    Returns:
        The band of the source, from 1 on, that belongs at the place of each band.
    """
    known, as_it_is = list(map(_key, series.names)), list(range(1, len(names) + 1))
    found, wanted, order = [""] * len(names), [""] * len(names), list(as_it_is)
    for date, own in enumerate(_by_date(names, series) if known else ()):
        places, keys = series.channels_at(date), list(map(_key, own))
        for channel, name, wish in zip(places, keys, known):
            found[channel], wanted[channel] = name, wish
            if sorted(keys) == sorted(known):
                order[channel] = places[keys.index(wish)] + 1
    if found != wanted and sorted(found) == sorted(wanted):
        order = _matched(found, wanted, series.times_of_channels)
    return order if order != as_it_is else None


def _matched(found: Sequence[str], wanted: Sequence[str], times: Sequence[float]) -> list[int]:
    """Return which of the channels found, from 1 on, belongs at the place of each that is wanted."""
    free, order = set(range(len(found))), []
    for channel, name in enumerate(wanted):
        # At the same date where it is there: bands without dates may be in another order altogether.
        same = [place for place in sorted(free) if found[place] == name]
        place = min(same, key=lambda place: times[place] != times[channel])
        free.remove(place)
        order.append(place + 1)
    return order


def other_names(names: Sequence[str], series: SeriesLayout) -> tuple[str, ...]:
    """Return the names of the bands of one date if they are not the model's; nothing if they are, or do not tell.

    A band that stands alone often has some other name, which counts only if it has no word in common with the model's.

    Args:
        names: of all bands of the source.
        series: that the model takes.
    """
    if not series.names:
        return ()
    found, known = names_of_date(names, series), sorted(map(_key, series.names))
    if series.bands == 1 and found and set(_keys(found[0])) & set(_keys(series.names[0])):
        return ()
    # Dates may tell each something else.
    dates = [found] if found or series.bands == 1 else [date for date in _by_date(names, series) if _tells(date)]
    return next((date for date in dates if sorted(map(_key, date)) != known), ())


def selection(order: Sequence[int]) -> str:
    """Return the options with which gdal_translate puts bands in order."""
    options = [f"-b {band}" for band in order[:_SHOWN]]
    return " ".join([*options, *(["..."] if len(order) > _SHOWN else [])])


def _tells(date: Sequence[str]) -> bool:
    """Return whether the names of a date tell its bands from each other, by more than numbers over all dates."""
    keys = set(map(_key, date))
    return all(keys) and len(keys) == len(date) and not all(map(_NUMBERED.fullmatch, keys))


def _by_date(names: Sequence[str], layout: SeriesLayout) -> list[tuple[str, ...]]:
    """Return for each date what tells its bands from each other; nothing for another number of bands."""
    if len(names) != len(layout.times) * layout.bands:
        return []
    return [_telling([names[channel] for channel in layout.channels_at(date)]) for date in range(len(layout.times))]


def _telling(names: Sequence[str]) -> tuple[str, ...]:
    """Return names without dates and without the words that all have, such as those of platform and tile."""
    words = [_WORD.findall(_without_dates(name)) for name in names]
    common = set.intersection(*({_key(word) for word in each} for each in words))
    own = [[word for word in each if _key(word) not in common] for each in words]
    return tuple(map(" ".join, own if all(own) else words))


def _without_dates(name: str) -> str:
    while holds_date(name):
        name = without_date(name)
    return name


def _keys(name: str) -> list[str]:
    return [_key(word) for word in _WORD.findall(name)]


def _key(name: str) -> str:
    """Return a name without what may differ in writing: B08, b8 and B-8 are the same."""
    return _LEADING_ZEROS.sub("", "".join(_WORD.findall(name)).casefold())
