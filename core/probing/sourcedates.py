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
    told = f"{len(series.times)} dates of {series.bands} bands, {series.order}, from {shown_date(wanted[0])}"
    if found is None:
        progress.info(
            Phrase(
                "Source {number}: the names of its bands and files hold no dates. They are taken for those that the model "
                "was made for: {told} to {shown_date}.",
                number=number,
                told=told,
                shown_date=shown_date(wanted[-1]),
            )
        )
        return
    other = [place for place, days in enumerate(zip(found, wanted)) if days[0] // 1 != days[1] // 1]
    if not other:
        return
    listed = ", ".join(
        f"band {place + 1} is of {shown_date(found[place])}, the model's of {shown_date(wanted[place])}"
        for place in other[:_SHOWN]
    )
    raise ModelError(
        "The dates of source {number} ({listed}) are not those that the model was made for: {listed2}{value}. "
        "Give the images of the model's dates in its order ({told}) in {il}, or train a model for these dates.",
        number=number,
        listed=", ".join(stack.names[:_SHOWN]),
        listed2=listed,
        value=", ..." if len(other) > _SHOWN else "",
        told=told,
        il=field("il", of="sources", number=number),
    )
