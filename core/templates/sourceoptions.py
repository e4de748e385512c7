"""What a template is to know of its sources: dates, missing values, and how these are filled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..parameters.fillings import AUTO, MEAN, NONE, TEMPORAL, VALUE, FilledSources
from ..parameters.rastersource import path_of
from ..parameters.seriesorders import DATE_MAJOR
from ..parameters.templatedescription import Template
from ..patches.patchesimage import read_description
from ..phrases import Phrase
from ..rasters.dates import dated_names, shown_date, times_by_source
from ..rasters.rasterstack import Stack
from ..rasters.seriesbands import SeriesLayout, has_dates
from ..rasters.seriesnames import check_order_of_dates, names_of_date
from .filling import filling_of, is_series
from .serieslayout import Row, check_named_dates, named_series, pooled_statistics

_STATISTICS = ("min", "max", "mean", "std")
_SHOWN = 40
"""Dates that a message lists, at most."""


@dataclass(frozen=True)
class SourceFacts:
    """What the images of a source tell.

    Attributes:
        names: a text for each band, which may hold its date.
        nodata: what stands for a missing value beside NaN; None for nothing else.
    """

    names: Sequence[str]
    nodata: float | None = None


def facts_of_patches(path: Any) -> SourceFacts | None:
    """Return what the description beside a patches image tells; None where there is none."""
    described = read_description(path_of(path) or "")
    if described.get("content") != "patches":
        return None
    names = described.get("band_names") or [""] * int(described.get("bands", 0))
    return SourceFacts(names, float(described["nodata"]) if "nodata" in described else None)


def facts_of_rasters(stack: Stack, nodata: float | None, from_layer: bool) -> SourceFacts:
    """Return what rasters tell; `nodata` and `from_layer` are as for `Stack.missing`."""
    return SourceFacts(dated_names(stack), stack.missing(nodata, from_layer).gap_value)


def source_options(
    template: Template, given: FilledSources, facts: Sequence[SourceFacts], sources: int, progress: Progress
) -> dict[str, Any]:
    """Return the options that say which dates the sources have, and how missing values are filled.

    Args:
        template: that takes them.
        given: by the user.
        facts: of each source that has images.
        sources: number of sources.
        progress: told what was found.

    Raises:
        ParameterError: dates cannot be read, their order is not clear, or they are given where nothing depends on them.
    """
    check_dates_used(template, given)
    options: dict[str, Any] = {
        "fill": None if given.nodata_fill == AUTO else given.nodata_fill,
        "fill_value": given.nodata_fill_value or None,
        "mask": given.nodata_fill_mask or None,
        "times": times_by_source(given.dates) or None,
        "order": None if given.dates_order == DATE_MAJOR else given.dates_order,
        "step": given.step,
    }
    if filling_of(template, given.nodata_fill) != NONE and "nodata" in template.takes:
        known = [source.nodata for source in facts] + [None] * (sources - len(facts))
        options["nodata"] = tuple(float("nan") if value is None else value for value in known)
    if options["times"] is not None:
        for number, (source, times) in enumerate(zip(facts, options["times"]), 1):
            if len(source.names) % len(times) == 0:  # other numbers are refused with the bands
                layout = SeriesLayout(times, len(source.names) // len(times), given.dates_order)
                check_named_dates(source.names, layout, number)
    if options["times"] is None and is_series(template, given.nodata_fill):
        options.update(named_series([source.names for source in facts], sources, progress))
    if options["times"] is not None and "band_names" in template.takes:
        named = _band_names([source.names for source in facts], options["times"], options["order"] or DATE_MAJOR)
        options["band_names"] = named if any(named) else None
    return options


def _band_names(
    names: Sequence[Sequence[str]], times: Sequence[tuple[float, ...]], order: str
) -> tuple[tuple[str, ...], ...]:
    """Return the names of the bands of one date of each source with dates; empty ones where the names do not tell.

    Raises:
        ParameterError: see `check_order_of_dates`.
    """
    found = []
    for number, own in enumerate(times, 1):
        known = names[number - 1] if number <= len(names) else ()
        layout = SeriesLayout(own, max(len(known) // len(own), 1), order)
        check_order_of_dates(known, layout, number)
        found.append(names_of_date(known, layout))
    return tuple(found)


def check_series(names: Sequence[Sequence[str]], times: Sequence[tuple[float, ...]], order: str) -> None:
    """Raise ParameterError where the names of the bands of sources tell no series, though a template learns from one.

    Args:
        names: of the bands of each source.
        times: of each source, as the user gives them; empty where names tell them.
        order: of dates and bands, as the user gives it.
    """
    if not times and (found := named_series(names, len(names), Progress())):
        times, order = found["times"], found["order"]
    if times:
        _band_names(names, times, order)


def check_dates_used(template: Template, given: FilledSources) -> None:
    """Raise ParameterError where dates, their order or a step are given to a network that takes no account of them."""
    told = {
        "dates": given.dates.strip(),
        "dates_order": given.dates_order != DATE_MAJOR,
        "step": given.step is not None,
    }
    if "order" not in template.takes or is_series(template, given.nodata_fill):
        return
    for name in (name for name, value in told.items() if value):
        raise ParameterError(
            "{given} is given, but the template {template} takes account of dates only where it fills missing values along "
            "them: set {nodata_fill} to {temporal}, or leave {given} out.",
            given=field(name),
            template=template.name,
            nodata_fill=field("nodata_fill"),
            temporal=TEMPORAL,
        )


def usable_statistics(
    rows: Sequence[Row], layout: SeriesLayout | None, fill: str, where: str, progress: Progress
) -> Sequence[Row]:
    """Return statistics that scalings can be made of, although some bands hold no value.

    Args:
        rows: `min`, `max`, `mean` and `std` of each band.
        layout: of a time series, whose dates share their statistics; None for other images.
        fill: how missing values are filled.
        where: the source, for messages.
        progress: told which bands hold nothing.

    Raises:
        ParameterError: no band holds a value.
    """
    empty = [number for number, row in enumerate(rows) if all(row.get(name) is None for name in _STATISTICS)]
    if empty and len(empty) == len(rows):
        raise ParameterError(
            "No band of {where} holds a valid value, in all of the training data: check the no-data value and the "
            "images.",
            where=where,
        )
    if layout is not None:
        if dates := dates_without_value(empty, layout):
            progress.info(
                Phrase(
                    "{len} of {len2} dates of {where} have no valid pixel and are interpolated from the others; they remain "
                    "inputs: {listed}{value}.",
                    len=len(dates),
                    len2=len(set(layout.times)),
                    where=where,
                    listed=", ".join(dates[:_SHOWN]),
                    value=" ..." if len(dates) > _SHOWN else "",
                )
            )
        return pooled_statistics(rows, layout)
    if empty and fill in (MEAN, VALUE):
        progress.warning(
            Phrase(
                "Bands without a valid pixel in {where}: {listed}. They get {value} everywhere.",
                where=where,
                listed=" ".join(str(number + 1) for number in empty),
                value="0" if fill == MEAN else field("nodata_fill_value"),
            )
        )
        nothing: Mapping[str, float | None] = dict.fromkeys(_STATISTICS, 0.0)
        return [nothing if number in empty else row for number, row in enumerate(rows)]
    return rows


def dates_without_value(empty: Sequence[int], layout: SeriesLayout) -> list[str]:
    """Return the dates all of whose channels, numbered from 0, are among the empty ones."""
    channels: dict[float, set[int]] = {}
    for band in range(layout.bands):
        for time, channel in zip(layout.times, layout.channels_of(band)):
            channels.setdefault(time, set()).add(channel)
    found = [time for time, own in sorted(channels.items()) if own <= set(empty)]
    return [shown_date(time) if has_dates(layout.times) else str(int(time) + 1) for time in found]
