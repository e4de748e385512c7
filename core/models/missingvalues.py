"""Layers that fill missing values inside a model: by a value, by the mean of the training data, or along the dates.

A value is missing where it is the no-data value, NaN or infinite. The layers work on the last axis, whatever stands
before it, and return float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ..errors import ParameterError
from ..parameters.seriesorders import DATE_MAJOR, ORDERS
from .layerbase import ExactLayer, known_values, register


@register
class FillNodata(ExactLayer):
    """Replaces missing values: (..., bands) of any numeric dtype to float32 of (..., bands), or (..., 2 bands) with mask.

    The mask is 1 where a value was missing, else 0; its bands follow those of the image.
    """

    def __init__(
        self,
        nodata: float = math.nan,
        values: float | Sequence[float] = 0.0,
        mask: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Make the layer.

        Args:
            nodata: stands for a missing value, beside NaN.
            values: what replaces it: one number, or one for each band, such as the means of the training data.
            mask: whether the mask is appended.
            name: of the layer.
            **kwargs: for Keras's base class.

        Raises:
            ParameterError: a value is no finite number.
        """
        super().__init__(name=name, **kwargs)
        several = isinstance(values, (list, tuple, np.ndarray))
        given: Any = values
        self.values: float | list[float] = [float(value) for value in given] if several else float(given)
        if not np.isfinite(self.values).all():
            raise ParameterError("values is {values}, but must be finite numbers.", values=self.values)
        self.nodata, self.mask = float(nodata), mask

    def build(self, input_shape: Any) -> None:
        """Check the number of bands.

        Raises:
            ParameterError: there is not one value for each band.
        """
        if isinstance(self.values, list) and len(self.values) != input_shape[-1]:
            raise ParameterError(
                "values holds {values_count} numbers for {input_shape} bands: give one for each.",
                values_count=len(self.values),
                input_shape=input_shape[-1],
            )

    def call(self, inputs: Any) -> Any:
        """Return the image without missing values, and the mask where it is asked for."""
        image = tf.cast(inputs, tf.float32)
        known = known_values(image, self.nodata)
        filled = tf.where(known, image, tf.constant(self.values, tf.float32))
        return tf.concat([filled, tf.cast(~known, tf.float32)], axis=-1) if self.mask else filled

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made again from."""
        return {**super().get_config(), "nodata": self.nodata, "values": self.values, "mask": self.mask}


class _SeriesLayer(ExactLayer):
    """Takes time series, (..., times * bands), whose bands of one date it merges by the mean of the known ones."""

    def __init__(
        self,
        times: Sequence[float],
        bands: int = 1,
        order: str = DATE_MAJOR,
        nodata: float = math.nan,
        band_names: Sequence[str] = (),
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Make the layer.

        Args:
            times: of the acquisitions, in days, in the order in which their bands come; they need not be sorted.
            bands: number of bands of each acquisition.
            order: of the channels, in and out: `date-major` or `band-major`.
            nodata: stands for a missing value, beside NaN.
            band_names: of the bands of each acquisition; empty where they are not known.
            name: of the layer.
            **kwargs: for Keras's base class.

        Raises:
            ParameterError: there are no times, or one is no number; the number of bands is not positive, or not that of
                their names; there is no such order.
        """
        super().__init__(name=name, **kwargs)
        self.times, self.bands, self.order = [float(time) for time in times], bands, order
        self.nodata, self.band_names = float(nodata), list(band_names)
        if not self.times or not np.isfinite(self.times).all():
            raise ParameterError(
                "times is {times}, but must be one finite number of days for each acquisition.", times=self.times
            )
        if bands < 1:
            raise ParameterError("bands is {bands}, but must be a whole number from 1 on.", bands=bands)
        if self.band_names and len(self.band_names) != bands:
            raise ParameterError(
                "band_names is {band_names}, but must be empty or one name for each of the {bands} bands.",
                band_names=self.band_names,
                bands=bands,
            )
        if order not in ORDERS:
            raise ParameterError(
                "order is {order!r}, but must be one of: {orders}.", order=order, orders=", ".join(ORDERS)
            )
        self.dates = output_dates(self.times, None)
        # From the first date on: float32 would round dates as days since 1970 with a fraction.
        self._days = (np.unique(self.times) - min(self.times)).astype("float32")

    def build(self, input_shape: Any) -> None:
        """Check the number of channels.

        Raises:
            ParameterError: it is not that of times and bands.
        """
        if input_shape[-1] != len(self.times) * self.bands:
            raise ParameterError(
                "The image has {input_shape} channels, but {times_count} times with {bands} bands make "
                "{times_count2}: give the time of each acquisition.",
                input_shape=input_shape[-1],
                times_count=len(self.times),
                bands=self.bands,
                times_count2=len(self.times) * self.bands,
            )

    def _merged(self, image: Any) -> tuple[Any, Any]:
        """Return the mean of the known values at each date, 0 where there is none, and whether there is one.

        Both have the shape (..., bands, dates).
        """
        known = known_values(image, self.nodata)
        image = tf.where(known, image, tf.zeros_like(image))  # NaN times 0 is NaN, in gradients too
        total, count = 0.0, 0.0
        for channels, exists in self._acquisitions():
            weight = tf.cast(tf.gather(known, channels, axis=-1), tf.float32) * exists
            total += tf.gather(image, channels, axis=-1) * weight
            count += weight
        shape = tf.concat([tf.shape(image)[:-1], [self.bands, len(self._days)]], axis=0)
        return tf.reshape(total / tf.maximum(count, 1.0), shape), tf.reshape(count > 0, shape)

    def _acquisitions(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return, for the first acquisition of every date, then the second and so on, its channels, and 1 where it exists.

        Both have the shape (bands * dates,), with the dates of the first band first.
        """
        times = np.array(self.times)
        at_date = [np.flatnonzero(times == date) for date in np.unique(times)]
        band = np.arange(self.bands)[:, None]
        found = []
        for turn in range(max(map(len, at_date))):
            index = np.array([places[turn] if turn < len(places) else places[0] for places in at_date])
            exists = np.array([turn < len(places) for places in at_date], "float32")
            channels = index * self.bands + band if self.order == DATE_MAJOR else index + len(times) * band
            found.append((channels.ravel(), np.tile(exists, self.bands)))
        return found

    def _flat(self, series: Any, inputs: Any) -> Any:
        """Return (..., bands, dates) as (..., channels) in the order of the input."""
        if self.order == DATE_MAJOR:
            series = tf.linalg.matrix_transpose(series)
        channels = len(self.dates) * self.bands
        return tf.reshape(series, tf.concat([tf.shape(inputs)[:-1], [channels]], axis=0))

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made again from."""
        own = {"times": self.times, "bands": self.bands, "order": self.order, "nodata": self.nodata}
        # Left out where there are none, so that older versions of the layer read the file.
        named = {"band_names": self.band_names} if self.band_names else {}
        return {**super().get_config(), **own, **named}


@register
class MergedDates(_SeriesLayer):
    """Merges the bands of one date by the mean of the known ones, and puts the dates in order; gaps stay.

    Takes (..., times * bands) of any numeric dtype. Returns float32 of (..., dates * bands) in the same order of dates and
    bands, for the different dates from the first to the last: NaN where nothing is known.
    """

    def call(self, inputs: Any) -> Any:
        """Return the merged series."""
        series, known = self._merged(tf.cast(inputs, tf.float32))
        return self._flat(tf.where(known, series, tf.constant(math.nan, tf.float32)), inputs)


@register
class TemporalInterpolation(_SeriesLayer):
    """Fills gaps in the time series of each pixel and band linearly along the dates.

    Before the first known value and behind the last it holds these, as `numpy.interp` does. Takes (..., times * bands) of
    any numeric dtype. Bands of one date are merged first, by the mean of the known ones.
    Returns float32 of (..., dates * bands) in the same order, for the different dates from the first to the last; with
    `step`, for dates that far apart from the first on, as iota2 resamples its series. A series with one known value holds it
    everywhere; one with none is `empty` everywhere. The mask, as many channels again, is 1 where nothing
    was known at that date; with `step`, where nothing was known within half a step of it.

    iota2: J. Inglada et al., Operational High Resolution Land Cover Map Production at the Country Scale Using Satellite
    Image Time Series, Remote Sensing 9(1), 2017.
    """

    def __init__(
        self,
        times: Sequence[float],
        bands: int = 1,
        order: str = DATE_MAJOR,
        step: float | None = None,
        nodata: float = math.nan,
        mask: bool = False,
        empty: float = math.nan,
        band_names: Sequence[str] = (),
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Make the layer.

        Args:
            times: of the acquisitions, in days, in the order in which their bands come; they need not be sorted.
            bands: number of bands of each acquisition.
            order: of the channels, in and out: `date-major` or `band-major`.
            step: days between two dates of the output; None for the dates of the input.
            nodata: stands for a missing value, beside NaN.
            mask: whether the mask is appended.
            empty: stands for the values of a series without a known one. NaN tells them from interpolated values, any of
                which may be as large as the no-data value.
            band_names: of the bands of each acquisition; empty where they are not known.
            name: of the layer.
            **kwargs: for Keras's base class.

        Raises:
            ParameterError: there are no times, or one is no number; the number of bands or the step is not positive; the
                number of bands is not that of their names; there is no such order.
        """
        super().__init__(times, bands, order, nodata, band_names, name=name, **kwargs)
        self.step, self.mask = step, mask
        self.empty = float(empty)
        if step is not None and not 0 < step < math.inf:
            raise ParameterError("step is {step:g}, but must be a number of days above 0.", step=step)
        self.dates = output_dates(self.times, step)
        self._wanted = (np.array(self.dates) - min(self.times)).astype("float32")

    def call(self, inputs: Any) -> Any:
        """Return the series without gaps, and the mask where it is asked for."""
        series, known = self._merged(tf.cast(inputs, tf.float32))
        before, behind = self._neighbours(known)
        days = tf.constant(self._days)
        start, end = tf.gather(days, before), tf.gather(days, behind)
        weight = tf.clip_by_value(tf.math.divide_no_nan(self._wanted - start, end - start), 0.0, 1.0)
        axes = len(series.shape) - 1
        first, last = (tf.gather(series, index, batch_dims=axes) for index in (before, behind))
        empty = ~tf.reduce_any(known, axis=-1, keepdims=True)
        filled = tf.where(empty, tf.constant(self.empty, tf.float32), first + weight * (last - first))
        if not self.mask:
            return self._flat(filled, inputs)
        distance = tf.minimum(tf.abs(self._wanted - start), tf.abs(self._wanted - end))
        missing = tf.cast(empty | (distance > (self.step or 0.0) / 2), tf.float32)
        return tf.concat([self._flat(filled, inputs), self._flat(missing, inputs)], axis=-1)

    def _neighbours(self, known: Any) -> tuple[Any, Any]:
        """Return for each date of the output the last date with a known value up to it, and the first one from it on.

        Both are indices of shape (..., bands, dates of the output). Where there is none on one side, that on the other
        stands for it; where there is none at all, any.
        """
        count = len(self._days)
        place = np.arange(count, dtype="float32")  # float32, since GPUs have no maximum of whole numbers
        before = _running(tf.maximum, tf.where(known, place, -1.0), -1.0, 1)
        behind = _running(tf.minimum, tf.where(known, place, float(count)), float(count), -1)
        before = tf.gather(before, np.searchsorted(self._days, self._wanted, "right") - 1, axis=-1)
        behind = tf.gather(behind, np.searchsorted(self._days, self._wanted, "left"), axis=-1)
        first = tf.where(before < 0, behind, before)
        last = tf.where(behind >= count, before, behind)
        return tuple(tf.cast(tf.clip_by_value(index, 0.0, count - 1.0), tf.int32) for index in (first, last))

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made again from."""
        return {**super().get_config(), "step": self.step, "mask": self.mask, "empty": self.empty}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TemporalInterpolation:
        """Return the layer of a configuration; in old ones the no-data value stands for empty series."""
        return cls(**{"empty": config["nodata"], **config})


def output_dates(times: Sequence[float], step: float | None) -> list[float]:
    """Return the dates, in days, for which `TemporalInterpolation` gives values."""
    dates = np.unique(np.array(times, "float64"))
    if step:
        # Half a thousandth of a step, so that rounding does not lose the last one.
        dates = np.minimum(np.arange(dates[0], dates[-1] + step / 2000, step), dates[-1])
    return [float(date) for date in dates]


def _running(largest: Any, values: Any, outside: float, direction: int) -> Any:
    """Return the largest (or smallest) value up to each place of the last axis, in so many steps as its logarithm.

    Args:
        largest: of two tensors.
        values: (..., n).
        outside: what stands beyond the ends.
        direction: 1 from the first place on, -1 from the last.
    """
    count, width = values.shape[-1], 1
    before = [[0, 0]] * (len(values.shape) - 1)
    while width < count:
        kept = values[..., :-width] if direction > 0 else values[..., width:]
        padding = [*before, [width, 0] if direction > 0 else [0, width]]
        values = largest(values, tf.pad(kept, padding, constant_values=outside))
        width *= 2
    return values
