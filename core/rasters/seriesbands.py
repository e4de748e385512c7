"""How bands are the dates and bands of a time series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ParameterError, field
from ..parameters.seriesorders import BAND_MAJOR, DATE_MAJOR
from ..phrases import Phrase
from .dates import days_of, holds_date, without_date


@dataclass(frozen=True)
class SeriesLayout:
    """The series in one source.

    Attributes:
        times: of the acquisitions, in days since 1970-01-01, or their numbers from 0 on where no dates are known.
        bands: of each acquisition.
        order: `date-major` or `band-major`.
        names: of the bands of one date, in order; empty where they are not known.
    """

    times: tuple[float, ...]
    bands: int = 1
    order: str = DATE_MAJOR
    names: tuple[str, ...] = ()

    @property
    def date_major(self) -> bool:
        """Whether all bands of the first date come first."""
        return self.order == DATE_MAJOR

    @property
    def times_of_channels(self) -> tuple[float, ...]:
        """The time of each channel, in the order of the channels."""
        if self.date_major:
            return tuple(time for time in self.times for _ in range(self.bands))
        return self.times * self.bands

    def channels_of(self, band: int) -> range:
        """Return the channels that hold a band at all dates."""
        if self.date_major:
            return range(band, len(self.times) * self.bands, self.bands)
        return range(band * len(self.times), (band + 1) * len(self.times))

    def channels_at(self, date: int) -> range:
        """Return the channels that hold the bands of a date, numbered from 0."""
        if self.date_major:
            return range(date * self.bands, (date + 1) * self.bands)
        return range(date, len(self.times) * self.bands, len(self.times))


def named_layout(names: Sequence[str], what: str) -> SeriesLayout | None:
    """Return the layout that dates in band names tell; None where no name holds one.

    Bands that follow each other with the same date are those of one acquisition where all dates have as many. Names that
    are alike but for the date are of one band, of which there may be several acquisitions in a day.

    Args:
        names: of the bands.
        what: where they come from, for messages.

    Raises:
        ParameterError: some names hold a date, others none; or they tell different bands of some dates.
    """
    if not any(map(holds_date, names)):
        return None
    days = days_of(names, what)
    bands = len(days) // len(set(days))
    once = sorted(set(days), key=days.index)
    if bands > 1 and days == tuple(day for day in once for _ in range(bands)):
        return SeriesLayout(tuple(once), bands)
    if bands > 1 and days == tuple(once) * bands:
        return SeriesLayout(tuple(once), bands, BAND_MAJOR)
    if (layout := _repeated_bands(days, [without_date(name) for name in names])) is not None:
        return layout
    if len(once) < len(days) and len(set(map(without_date, names))) > 1:
        raise ParameterError(
            "{what}: several bands are of the same date, but not every date has the same bands in the same order. "
            "Give the source the same bands for each date; or list the date of each band in {dates}, if each is an "
            "acquisition of its own.",
            what=what,
            dates=field("dates"),
        )
    return SeriesLayout(days)


def has_dates(times: Sequence[float]) -> bool:
    """Return whether times are dates: not their numbers from 0 on, which stand for unknown ones."""
    return list(times) != list(range(len(times)))


def _repeated_bands(days: Sequence[float], kinds: Sequence[str]) -> SeriesLayout | None:
    """Return the layout of acquisitions with the same bands, some of them on one day; None where they have not the same.

    Args:
        days: of each band.
        kinds: what the name of each band tells beside its date.
    """
    bands, once = len(set(kinds)), list(dict.fromkeys(kinds))
    times = len(kinds) // bands
    if bands == 1 or times * bands != len(kinds):
        return None
    if list(kinds) == once * times and all(len(set(days[at : at + bands])) == 1 for at in range(0, len(days), bands)):
        return SeriesLayout(tuple(days[::bands]), bands)
    if list(kinds) == [kind for kind in once for _ in range(times)] and tuple(days) == tuple(days[:times]) * bands:
        return SeriesLayout(tuple(days[:times]), bands, BAND_MAJOR)
    return None


def other_days(found: Sequence[float] | None, wanted: Sequence[float]) -> list[int]:
    """Return the places of the bands that are of another day than wanted.

    There are none where the days are not known. Nor are there where names tell one and the same day, but several are wanted:
    the name of a file often holds one date, that of its making perhaps, whatever its bands are of.

    Args:
        found: the days that names tell, of each band.
        wanted: of each band.
    """
    if found is None or len(found) != len(wanted) or len(set(found)) == 1 < len(set(wanted)):
        return []
    return [place for place, days in enumerate(zip(found, wanted)) if days[0] // 1 != days[1] // 1]


def days_of_bands(names: Sequence[str]) -> list[float] | None:
    """Return the day of each band, from texts that may hold dates; None where not all do."""
    return list(days_of(names, Phrase("The band names"))) if names and all(map(holds_date, names)) else None
