"""The dates of a source against those that the model was made for."""

from __future__ import annotations

from ..base.progress import Progress
from ..errors import ModelError, field
from ..phrases import Phrase
from ..rasters.dates import dated_names, shown_date
from ..rasters.rasterstack import Stack
from ..rasters.seriesbands import SeriesLayout, days_of_bands

_SHOWN = 3


def check_dates(stack: Stack, number: int, series: SeriesLayout, progress: Progress) -> None:
    """Compare the dates of a source's bands with those of the model; say so where they are not known.

    A source with another number of bands is left to the check of the model's inputs.

    Raises:
        ModelError: the dates differ.
    """
    wanted = series.times_of_channels
    if stack.bands != len(wanted):
        return
    found = days_of_bands(dated_names(stack))
    told = Phrase(
        "{count} {count:date|dates} of {bands} {bands:band|bands}, {order}, from {first} to {last}",
        count=len(series.times),
        bands=series.bands,
        order=series.order,
        first=shown_date(wanted[0]),
        last=shown_date(wanted[-1]),
    )
    if found is None:
        progress.info(
            Phrase(
                "Source {number}: the names of its bands and files hold no dates. They are taken for those that the model "
                "was made for: {told}.",
                number=number,
                told=told,
            )
        )
        return
    other = [place for place, days in enumerate(zip(found, wanted)) if days[0] // 1 != days[1] // 1]
    if not other:
        return
    differing = Phrase(", ").join(
        Phrase(
            "band {band} is of {found}, the model's of {wanted}",
            band=place + 1,
            found=shown_date(found[place]),
            wanted=shown_date(wanted[place]),
        )
        for place in other[:_SHOWN]
    )
    raise ModelError(
        "The dates of source {number} ({names}) are not those that the model was made for: {differing}{more}. Give the images "
        "of the model's dates in its order ({told}) in {il}, or train a model for these dates.",
        number=number,
        names=", ".join(stack.names[:_SHOWN]),
        differing=differing,
        more=", ..." if len(other) > _SHOWN else "",
        told=told,
        il=field("il", of="sources", number=number),
    )
