"""How the bands of a source are the dates and bands of a time series."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..parameters.seriesorders import DATE_MAJOR
from ..phrases import Phrase
from ..rasters.dates import shown_date
from ..rasters.seriesbands import SeriesLayout, days_of_bands, has_dates, named_layout, other_days
from .templateoptions import Options

Row = Mapping[str, "float | None"]


def layouts(options: Options) -> list[SeriesLayout]:
    """Return the layout of each source; see `layouts_of`.

    Raises:
        ParameterError: there are not band names for each source; and as `layouts_of`.
    """
    found = layouts_of(options.bands, options.times, options.order)
    if not options.band_names:
        return found
    if len(options.band_names) != len(found):
        raise ParameterError(
            "band_names holds the names of {given} sources, but there are {sources}: give those of each, empty ones where "
            "they are not known.",
            given=len(options.band_names),
            sources=len(found),
        )
    return [replace(layout, names=names) for layout, names in zip(found, options.band_names)]


def layouts_of(bands: Sequence[int], times: Sequence[tuple[float, ...]] | None, order: str) -> list[SeriesLayout]:
    """Return the layout of each source; without times each band is a date, and they are equally far apart.

    Args:
        bands: number of channels of each source.
        times: of each source, in days; none where they are not known.
        order: of dates and bands.

    Raises:
        ParameterError: there are not dates for each source, or they do not divide its bands.
    """
    if times and len(times) != len(bands):
        raise ParameterError(
            "The number of sources is {bands_count}, but {dates} holds the dates of {times_count}: give those of each "
            "source, separated by semicolons.",
            bands_count=len(bands),
            dates=field("dates"),
            times_count=len(times),
        )
    found = []
    for number, channels in enumerate(bands, 1):
        own = times[number - 1] if times else tuple(map(float, range(channels)))
        if channels % len(own):
            raise ParameterError(
                "{dates} holds {times_count} dates, which do not divide the {channels} bands of source {number}: it "
                "must hold the same bands for each date.",
                dates=field("dates"),
                times_count=len(own),
                channels=channels,
                number=number,
            )
        found.append(SeriesLayout(own, channels // len(own), order))
    return found


def check_named_dates(names: Sequence[str], layout: SeriesLayout, number: int) -> None:
    """Compare the dates of DATES with those in the names of bands or files, where these tell some.

    Args:
        names: of the bands, with that of the file where they hold no date.
        layout: of the source, by DATES.
        number: of the source, from 1.

    Raises:
        ParameterError: they differ.
    """
    wanted = layout.times_of_channels
    found = days_of_bands(names) if has_dates(layout.times) else None
    if places := other_days(found, wanted):
        assert found is not None  # nosec B101 (tells mypy)
        raise ParameterError(
            "By {dates} and {dates_order} ({order}), band {band} of source {number} is of {wanted}, but its name, {name}, "
            "tells {found}: correct them, leave {dates} out, or rename the band or file.",
            dates=field("dates"),
            dates_order=field("dates_order"),
            order=layout.order,
            band=places[0] + 1,
            number=number,
            wanted=shown_date(wanted[places[0]]),
            name=names[places[0]],
            found=shown_date(found[places[0]]),
        )


def named_series(names: Sequence[Sequence[str]], sources: int, progress: Progress) -> dict[str, Any]:
    """Return the options `times` and `order` that dates in band names tell; nothing where they tell none.

    Args:
        names: of the bands of each source that has an image.
        sources: number of sources.
        progress: told what was found, or warned.

    Raises:
        ParameterError: see `named_layout`; or the sources differ in order.
    """
    found = [
        named_layout(bands, Phrase("The band names of source {k} ({dates} is empty)", k=k, dates=field("dates")))
        for k, bands in enumerate(names, 1)
    ]
    known = [layout for layout in found if layout is not None]
    if not known or len(known) < sources:
        progress.warning(
            Phrase(
                "No dates are known ({dates} is empty, and the band names hold none for each source): every band "
                "counts as a date, and dates as equally far apart.",
                dates=field("dates"),
            )
        )
        return {}
    orders = {layout.order for layout in known if layout.bands > 1} or {DATE_MAJOR}
    if len(orders) > 1:
        raise ParameterError("The band names tell date-major of one source, band-major of another: order them alike.")
    for number, layout in enumerate(known, 1):
        progress.info(
            Phrase(
                "Source {number}: {times_count} {times_count:date|dates} of {bands} {bands:band|bands}, as the band names tell.",
                number=number,
                times_count=len(layout.times),
                bands=layout.bands,
            )
        )
        if len(set(layout.times)) == 1:
            progress.warning(
                Phrase(
                    "All bands of source {number} are of one date, {date}, as the names of bands or files tell: nothing can be "
                    "learned from the course of time. If they are of several dates, give these in {dates}.",
                    number=number,
                    date=shown_date(layout.times[0]),
                    dates=field("dates"),
                )
            )
    return {"times": tuple(layout.times for layout in known), "order": orders.pop()}


def pooled_statistics(rows: Sequence[Row], layout: SeriesLayout) -> list[Row]:
    """Return the statistics of each channel as those of its band over all dates.

    A series keeps its shape where one number scales all dates: C. Pelletier et al., Remote Sensing 11(5), 2019. Each date
    counts as much as another; dates without a value do not count.

    Args:
        rows: `min`, `max`, `mean` and `std` of each channel.
        layout: of the channels.
    """
    found: list[Row] = list(rows)
    for band in range(layout.bands):
        channels = layout.channels_of(band)
        known = [rows[channel] for channel in channels if rows[channel].get("mean") is not None]
        for channel in channels:
            found[channel] = _together(known)
    return found


def _together(rows: Sequence[Row]) -> Row:
    if not rows:
        return dict.fromkeys(("min", "max", "mean", "std"))
    low, high, means, deviations = ([row.get(name) or 0.0 for row in rows] for name in ("min", "max", "mean", "std"))
    mean = sum(means) / len(rows)
    variance = sum(std**2 + (other - mean) ** 2 for std, other in zip(deviations, means)) / len(rows)
    return {"min": min(low), "max": max(high), "mean": mean, "std": variance**0.5}


def days_of_year(times: Sequence[float]) -> list[float]:
    """Return the day of the year, from 1 on, of days since 1970-01-01."""
    start = datetime.date(1970, 1, 1)
    dates = [start + datetime.timedelta(days=int(time // 1)) for time in times]
    return [float(date.timetuple().tm_yday) for date in dates]
