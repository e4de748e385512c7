"""How networks fill missing values of images: the keys, and their words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from . import sections
from . import vocabulary as voc
from .operation import Group
from .seriesorders import DATE_MAJOR, ORDERS

AUTO, NONE, VALUE, MEAN, TEMPORAL = "auto", "none", "value", "mean", "temporal"
FILLINGS = (AUTO, NONE, VALUE, MEAN, TEMPORAL)
"""The words of NODATA_FILL."""


def nodata_fill(of: str, auto: str) -> Any:
    """The key NODATA_FILL; `of` says whose model fills, `auto` what that word stands for."""
    return voc.choice(
        "nodata_fill",
        "Filling of missing values",
        f"What {of} puts in place of missing values, so that it is served as it was trained. none: nothing. value: "
        "NODATA_FILL_VALUE. mean: the mean of the band in the training data. temporal: linear interpolation along the dates; "
        f"before the first and after the last value, these are held. NaN is always missing. auto: {auto}.",
        FILLINGS,
        advanced=True,
        section=sections.NODATA,
    )


@dataclass(frozen=True)
class Filling(Group):
    """How missing values are filled."""

    nodata_fill: str = nodata_fill("the model", "temporal for networks for time series, otherwise none")
    nodata_fill_value: float = voc.number(
        "nodata_fill.value",
        "Filling value",
        "For NODATA_FILL=value: replaces missing values, in the unit of the images.",
        default=0.0,
        advanced=True,
        section=sections.NODATA,
    )
    nodata_fill_mask: bool = voc.boolean(
        "nodata_fill.mask",
        "Mask of filled values",
        "On: the network also gets, for each band, where the value was missing (1) or known (0).",
        advanced=True,
        section=sections.NODATA,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not math.isfinite(self.nodata_fill_value):
            raise ParameterError(
                "{nodata_fill_value} is {nodata_fill_value2:g}, but must be a finite number.",
                nodata_fill_value=field("nodata_fill_value"),
                nodata_fill_value2=self.nodata_fill_value,
            )
        if self.nodata_fill != VALUE and self.nodata_fill_value:
            raise ParameterError(
                "{nodata_fill_value} is {nodata_fill_value2:g}, but {nodata_fill} is {nodata_fill2}: set {nodata_fill} to "
                "{value}, or leave the value out.",
                nodata_fill_value=field("nodata_fill_value"),
                nodata_fill_value2=self.nodata_fill_value,
                nodata_fill=field("nodata_fill"),
                nodata_fill2=self.nodata_fill,
                value=VALUE,
            )


@dataclass(frozen=True)
class Series(Group):
    """The dates and bands of time series."""

    dates: str = voc.text(
        "dates",
        "Dates",
        "Dates of a time series, such as 2015-07-11, separated by spaces; or the path of a JSON or text file that lists them, "
        "or of a STAC item or item collection. Several sources: separated by semicolons. Default: the dates in the names of the "
        "bands, or of the files.",
        advanced=True,
        section=sections.NETWORK,
    )
    dates_order: str = voc.choice(
        "dates.order",
        "Order of dates and bands",
        "For several bands per date, if DATES is given: date-major (all bands of the first date first) or band-major (all "
        "dates of the first band first). Names with dates also give the order.",
        ORDERS,
        advanced=True,
        section=sections.NETWORK,
    )
    step: float | None = voc.number(
        "step",
        "Time step (days)",
        "Resample time series to dates that many days apart, from the first date on, in the model. Default: the dates of "
        "the series.",
        advanced=True,
        section=sections.NETWORK,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step is not None and not 0 < self.step < math.inf:
            raise ParameterError("{step} is {step2:g}, but must be above 0.", step=field("step"), step2=self.step)


@dataclass(frozen=True)
class FilledSources(Filling, Series):
    """What a template is told of its sources."""

    @property
    def tells(self) -> bool:
        """Whether anything is given."""
        told = (self.nodata_fill != AUTO, self.nodata_fill_mask, self.dates.strip(), self.step is not None)
        return any(told) or self.dates_order != DATE_MAJOR


@dataclass(frozen=True)
class TrainedFilling(FilledSources):
    """As `FilledSources`, for a model that is trained, which need not be a template."""

    nodata_fill: str = nodata_fill(
        "a template", "temporal for networks for time series, otherwise none. Other models fill as they were made to"
    )


@dataclass(frozen=True)
class MappedFilling(FilledSources):
    """As `FilledSources`, for a network that is trained for a map of the same image."""

    nodata_fill: str = nodata_fill(
        "the network",
        "temporal if the image has several dates, otherwise mean; none if no value can be missing",
    )
