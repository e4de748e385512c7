"""Missing values of a template's sources, filled by its first layers: what is scaled and learned has no gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from ..errors import ParameterError
from ..models.loading import KerasModel
from ..models.missingvalues import FillNodata, MergedDates, TemporalInterpolation
from ..parameters.fillings import AUTO, MEAN, NONE, TEMPORAL, VALUE
from ..parameters.templatedescription import Template
from ..rasters.seriesbands import SeriesLayout
from .normalization import Scaling
from .serieslayout import layouts
from .templateoptions import Options


@dataclass(frozen=True)
class FilledSource:
    """A source without gaps.

    Attributes:
        image: Keras tensor of (batch, rows, columns, channels); of a series dates * bands in the order of its layout.
        mask: of the same shape, 1 where a value was missing; None where it is not asked for.
        dates: of a series, in days since 1970-01-01, each once.
        layout: of a series as it comes in; None for other images.
        scaling: of the channels of `image`, of a series of the bands of each date; None where they are taken as they are.
        name: of the source.
    """

    image: Any
    mask: Any
    dates: list[float]
    layout: SeriesLayout | None
    scaling: Scaling | None
    name: str

    @property
    def scaled(self) -> Any:
        """The scaled image, with the mask behind it where there is one."""
        scaling, dates = self.scaling, len(self.dates)
        if scaling is not None and self.layout is not None:
            values = (by_date(each, dates, self.layout) for each in (scaling.offset, scaling.divisor))
            scaling = Scaling(*map(tuple, values))
        image = self.image if scaling is None else scaling.apply(self.image, f"{self.name}_scaled")
        return image if self.mask is None else keras.layers.Concatenate(name=f"{self.name}_masked")([image, self.mask])


def filling_of(template: Template, fill: str) -> str:
    """Return what a word of NODATA_FILL stands for with a template."""
    return fill if fill != AUTO else TEMPORAL if template.series else NONE


def is_series(template: Template, fill: str) -> bool:
    """Return whether the sources of a template are time series, whose dates count."""
    return template.series or filling_of(template, fill) == TEMPORAL


def filled_sources(options: Options, sides: Sequence[int | None] = ()) -> tuple[list[Any], list[FilledSource]]:
    """Return the inputs `source1`, `source2`, ..., and what they are without gaps.

    Args:
        options: of the template.
        sides: rows and columns of each source; empty for free ones.
    """
    sides = sides or (None,) * len(options.bands)
    series = is_series(options.template, options.fill)
    found: Sequence[SeriesLayout | None] = layouts(options) if series else (None,) * len(options.bands)
    raw, filled = [], []
    for number, (side, bands, layout) in enumerate(zip(sides, options.bands, found), 1):
        image = keras.Input((side, side, bands), name=f"source{number}")
        raw.append(image)
        filled.append(_filled(image, options, number) if layout is None else _series(image, options, layout, number))
    return raw, filled


def filling_part(model: KerasModel) -> keras.Model | None:
    """Return the layers with which a network fills the missing values of `source1`, as `filled_sources` made them.

    They take images of the shape (batch, rows, columns, channels), and return them without gaps and without mask. None
    where the network does not fill.
    """
    names = [name for name in ("source1_filled", "source1_interpolated") if name in model.layers]
    if not names:
        return None
    tensors = [model.tensor(name) for name in names]
    filled, last = tensors[0], tensors[-1]
    if last._keras_history.operation.input is not filled:  # interpolated first, and then what has no value at all
        last = filled
    source = next(tensor for tensor in model.input_tensors if tensor.name == "source1")
    if last._keras_history.operation.mask:
        last, _ = keras.ops.split(last, 2, axis=-1)
    return keras.Model(source, last)


def _filled(image: Any, options: Options, number: int) -> FilledSource:
    """Return an image whose missing values are replaced band by band."""
    name, scaling = f"source{number}", options.scalings[number - 1]
    kind = filling_of(options.template, options.fill)
    if kind == NONE:
        return FilledSource(image, None, [], None, scaling, name)
    values = _values(options, number, kind)
    made = FillNodata(options.nodata_of(number), values, options.mask, name=f"{name}_filled")(image)
    filled, mask = keras.ops.split(made, 2, axis=-1) if options.mask else (made, None)
    return FilledSource(filled, mask, [], None, scaling, name)


def _series(image: Any, options: Options, layout: SeriesLayout, number: int) -> FilledSource:
    """Return a time series without gaps, whose acquisitions of one date are merged.

    A pixel without any value gets the mean over the training data, which networks know as 0: what it is classified as
    means nothing, but it does not spoil the others of a batch, as NaN would.
    """
    name, nodata = f"source{number}", options.nodata_of(number)
    kind = filling_of(options.template, options.fill)
    times = (layout.times, layout.bands, layout.order, options.step or None)
    names = layout.names
    scaling = scaling_of_bands(options.scalings[number - 1], layout, number)
    mask = None
    if kind == TEMPORAL:
        interpolated = TemporalInterpolation(
            *times, nodata, options.mask, band_names=names, name=f"{name}_interpolated"
        )
        made = interpolated(image)
        if options.mask:
            made, mask = keras.ops.split(made, 2, axis=-1)
        means = by_date(scaling.offset if scaling else [0.0] * layout.bands, len(interpolated.dates), layout)
        # NaN alone: an interpolated value may well be as large as the no-data value.
        made = FillNodata(values=means, name=f"{name}_filled")(made)
    else:
        merged = MergedDates(layout.times, layout.bands, layout.order, nodata, band_names=names, name=f"{name}_merged")
        values = _values_of_dates(_values(options, number, kind), layout, merged.dates)
        filled = FillNodata(values=values, name=f"{name}_filled")(merged(image))
        interpolated = TemporalInterpolation(merged.dates, *times[1:], name=f"{name}_interpolated")
        made = interpolated(filled)
        if options.mask:
            gaps = TemporalInterpolation(*times, nodata, True, band_names=names, name=f"{name}_gaps")(image)
            _, mask = keras.ops.split(gaps, 2, axis=-1)
    return FilledSource(made, mask, interpolated.dates, layout, scaling, name)


def _values(options: Options, number: int, kind: str) -> float | list[float]:
    if kind == VALUE:
        return options.fill_value
    means = options.means[number - 1] if kind == MEAN and options.means else None
    return 0.0 if means is None else list(means)


def _values_of_dates(values: float | list[float], layout: SeriesLayout, dates: Sequence[float]) -> float | list[float]:
    """Return what fills each channel of the merged dates: of several acquisitions of one date, the mean."""
    if not isinstance(values, list):
        return values
    channels = [layout.channels_of(band) for band in range(layout.bands)]
    found = np.array(
        [
            [np.mean([values[i] for i, time in zip(own, layout.times) if time == date]) for own in channels]
            for date in dates
        ]
    )
    return [float(value) for value in (found if layout.date_major else found.T).ravel()]


def by_date(values: Sequence[Any], dates: int, layout: SeriesLayout) -> list[Any]:
    """Return a value of each channel, from that of each band of a date."""
    return [*values] * dates if layout.date_major else [value for value in values for _ in range(dates)]


def scaling_of_bands(scaling: Scaling | None, layout: SeriesLayout, number: int) -> Scaling | None:
    """Return the scaling of each band, which has to be the same at all dates: else the series would lose its shape.

    Raises:
        ParameterError: it is not.
    """
    if scaling is None:
        return None
    bands = [layout.channels_of(band) for band in range(layout.bands)]
    if any(len({(scaling.offset[i], scaling.divisor[i]) for i in channels}) > 1 for channels in bands):
        raise ParameterError(
            "The scalings of source {number} differ from date to date, which would change the shape of its series: "
            "pool the statistics of each band over the dates (templates.serieslayout.pooled_statistics).",
            number=number,
        )
    first = [channels[0] for channels in bands]
    return Scaling(tuple(scaling.offset[i] for i in first), tuple(scaling.divisor[i] for i in first))
