"""The dates and bands of a source against those that the model was made for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..base.progress import Progress
from ..errors import ModelError, field
from ..phrases import Phrase
from ..rasters.dates import dated_names, holds_date, shown_date
from ..rasters.rasterstack import Stack
from ..rasters.seriesbands import SeriesLayout, days_of_bands
from ..rasters.seriesnames import names_of_date, other_names, reordered, selection

_SHOWN = 3


def check_dates(stack: Stack, number: int, series: SeriesLayout, progress: Progress) -> None:
    """Compare dates and names of a source's bands with those of the model; say so where dates are not known.

    Raises:
        ModelError: the dates differ, or the bands of a date are in another order.
    """
    _check_dates(stack, number, series, progress)
    names = dated_names(stack)
    if order := reordered(names, series):
        raise ModelError(
            "The bands of source {number} ({names}) are those that the model was made for, but in another order: at each date "
            "it takes {wanted}. Reorder them (gdal_translate {selection} image.tif "
            "reordered.tif), or list files of single bands in this order "
            "in {il}.",
            number=number,
            names=", ".join(stack.names[:_SHOWN]),
            wanted=", ".join(series.names),
            selection=selection(order),
            il=field("il", of="sources", number=number),
        )
    if other := other_names(names, series):
        progress.warning(
            Phrase(
                "Source {number}: by their names, its bands at each date are {found}, but the model was made for {wanted}. "
                "They are taken for those.",
                number=number,
                found=", ".join(other),
                wanted=", ".join(series.names),
            )
        )
    elif series.bands > 1 and series.names and not names_of_date(names, series):
        progress.info(
            Phrase(
                "Source {number}: the names of its bands do not tell which is which. At each date they are taken for {wanted}.",
                number=number,
                wanted=", ".join(series.names),
            )
        )


def _check_dates(stack: Stack, number: int, series: SeriesLayout, progress: Progress) -> None:
    wanted = series.times_of_channels
    found = days_of_bands(dated_names(stack))
    if not any(map(holds_date, stack.band_names)) and len(set(found or ())) == 1 < len(set(wanted)):
        found = None  # the date in the name of one file, that of its making perhaps
    told = Phrase(
        "{count} {count:date|dates} of {bands} {bands:band|bands}, {order}, from {first} to {last}",
        count=len(series.times),
        bands=series.bands,
        order=series.order,
        first=shown_date(wanted[0]),
        last=shown_date(wanted[-1]),
    )
    if stack.bands != len(wanted):
        # Where dates do not tell, the check of the model's inputs tells of the number of bands.
        differing = None if stack.alphas else _other_dates(found, wanted)
    elif found is None:
        progress.info(
            Phrase(
                "Source {number}: the names of its bands and files hold no dates. They are taken for those that the model "
                "was made for: {told}.",
                number=number,
                told=told,
            )
        )
        return
    else:
        differing = _other_days(found, wanted)
    if differing is None:
        return
    raise ModelError(
        "The dates of source {number} ({names}) are not those that the model was made for: {differing}. Give the images of "
        "the model's dates in its order ({told}) in {il}, or train a model for these dates.",
        number=number,
        names=", ".join(stack.names[:_SHOWN]),
        differing=differing,
        told=told,
        il=field("il", of="sources", number=number),
    )


def _other_days(found: Sequence[float], wanted: Sequence[float]) -> str | None:
    """Return which bands are of other days, in words; None where there are none."""
    other = [place for place, days in enumerate(zip(found, wanted)) if days[0] // 1 != days[1] // 1]
    if not other:
        return None
    told = [
        Phrase(
            "band {band} is of {found}, the model's of {wanted}",
            band=place + 1,
            found=shown_date(found[place]),
            wanted=shown_date(wanted[place]),
        )
        for place in other[:_SHOWN]
    ]
    return Phrase(", ").join([*told, *(["..."] if len(other) > _SHOWN else [])])


def _other_dates(found: Sequence[float] | None, wanted: Sequence[float]) -> str | None:
    """Return which dates are missing, and which are too many, in words; None where this is not known."""
    if found is None:
        return None
    here, there = set(map(shown_date, found)), set(map(shown_date, wanted))
    told = []
    if there - here:
        told.append(Phrase("{dates} missing", dates=_listed(there - here)))
    if here - there:
        told.append(Phrase("{dates} not among the model's", dates=_listed(here - there)))
    return Phrase("; ").join(told) if told else None


def _listed(dates: Collection[str]) -> str:
    return ", ".join([*sorted(dates)[:_SHOWN], *(["..."] if len(dates) > _SHOWN else [])])
