"""Layers for networks on images: no-data, scalars beside images, maps of classes, finer pixels, time series.

They are registered with Keras under the package `otbtf_qgis`: a `.keras` file that holds them loads in
safe mode once this module is imported, as serving does by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ..errors import ParameterError
from .layerbase import ExactLayer as _Layer
from .layerbase import known_values
from .layerbase import register as _register


@_register
class DilatedMask(_Layer):
    """Marks pixels that lie within `radius` of a pixel with the no-data value.

    Takes a tensor of shape (batch, rows, columns, bands) and any numeric dtype; returns uint8 of the
    same shape, 1 where marked, each band by itself. The neighbourhood is a square of side 1 + 2 radius.
    """

    def __init__(self, nodata_value: float, radius: int, name: str | None = None, **kwargs: Any) -> None:
        """Make the layer.

        Args:
            nodata_value: the no-data value; NaN too.
            radius: in pixels, from 0 on.
            name: of the layer.
            **kwargs: for Keras's base class.

        Raises:
            ParameterError: the radius is negative.
        """
        super().__init__(name=name, **kwargs)
        if radius < 0:
            raise ParameterError("radius is {radius}, but must be a number of pixels from 0 on.", radius=radius)
        self.nodata_value = nodata_value
        self.radius = radius

    def call(self, inp: Any) -> Any:
        """Return the mask."""
        mask = self._is_nodata(tf.convert_to_tensor(inp))
        side = 1 + 2 * self.radius
        return tf.cast(tf.nn.max_pool2d(tf.cast(mask, tf.float32), side, 1, "SAME"), tf.uint8)

    def _is_nodata(self, inp: Any) -> Any:
        if math.isnan(self.nodata_value):
            return tf.math.is_nan(inp) if inp.dtype.is_floating else tf.zeros_like(inp, tf.bool)
        if inp.dtype.is_floating:
            return tf.equal(inp, tf.cast(self.nodata_value, inp.dtype))
        return tf.equal(tf.cast(inp, tf.float64), self.nodata_value)  # a value that the dtype lacks equals nothing

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made again from."""
        return {**super().get_config(), "nodata_value": self.nodata_value, "radius": self.radius}


@_register
class ApplyMask(_Layer):
    """Writes a no-data value where a mask is 1.

    Takes (mask, image), both of shape (batch, rows, columns, bands); a mask of one band holds for all
    bands. Returns the image's shape and dtype.
    """

    def __init__(self, out_nodata: float, name: str | None = None, **kwargs: Any) -> None:
        """Make the layer.

        Args:
            out_nodata: the value to write.
            name: of the layer.
            **kwargs: for Keras's base class.
        """
        super().__init__(name=name, **kwargs)
        self.out_nodata = out_nodata

    def call(self, inputs: Sequence[Any]) -> Any:
        """Return the image with the no-data value."""
        mask, image = inputs
        return tf.where(tf.equal(mask, tf.ones([], mask.dtype)), tf.cast(self.out_nodata, image.dtype), image)

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made again from."""
        return {**super().get_config(), "out_nodata": self.out_nodata}


@_register
class ScalarsTile(_Layer):
    """Repeats scalars over all pixels of an image.

    Takes [reference, scalars]: the reference of shape (batch, rows, columns, bands), and one tensor or
    a list of tensors of shape (batch,) or (batch, n). Returns (batch, rows, columns, all n together),
    in the scalars' dtype.
    """

    def call(self, inputs: Sequence[Any]) -> Any:
        """Return the image of scalars."""
        reference, scalars = inputs
        given = scalars if isinstance(scalars, (list, tuple)) else [scalars]
        columns = [tensor if len(tensor.shape) > 1 else tensor[:, None] for tensor in given]
        bands = tf.concat(columns, axis=-1)[:, None, None, :]
        size = tf.shape(reference)
        return tf.tile(bands, [1, size[1], size[2], 1])


@_register
class Argmax(_Layer):
    """The number of the largest value along the last axis: (..., classes) to int64 of shape (..., 1)."""

    def call(self, inputs: Any) -> Any:
        """Return the numbers, from 0 on."""
        return tf.argmax(inputs, axis=-1)[..., None]


@_register
class Max(_Layer):
    """The largest value along the last axis: (..., classes) to (..., 1), in the same dtype."""

    def call(self, inputs: Any) -> Any:
        """Return the largest values."""
        return tf.reduce_max(inputs, axis=-1, keepdims=True)


@_register
class PixelShuffle(_Layer):
    """Turns bands into finer pixels.

    Takes (batch, rows, columns, bands * factor**2); returns (batch, rows * factor, columns * factor, bands).
    After W. Shi et al., Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
    Convolutional Neural Network, CVPR 2016.
    """

    def __init__(self, factor: int, name: str | None = None, **kwargs: Any) -> None:
        """Make the layer.

        Args:
            factor: finer pixels along each side of a pixel, from 2 on.
            name: of the layer.
            **kwargs: for Keras's base class.

        Raises:
            ParameterError: the factor is smaller than 2.
        """
        super().__init__(name=name, **kwargs)
        if factor < 2:
            raise ParameterError("factor is {factor}, but must be a whole number from 2 on.", factor=factor)
        self.factor = factor

    def call(self, inputs: Any) -> Any:
        """Return the finer image."""
        return tf.nn.depth_to_space(inputs, self.factor)

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made again from."""
        return {**super().get_config(), "factor": self.factor}


@_register
class HarmonicFit(_Layer):
    """Fits constant, trend and sine waves to the time series of each pixel, by least squares over its known values.

    Takes (..., times); returns float32 of shape (..., 3 + 2 harmonics): the constant (the fit without its waves at
    the middle of the times), the trend per year of 365.25 days, cosine and sine of each harmonic, and the root mean
    square of what is left. NaN where a pixel has fewer values than unknowns.
    """

    def __init__(
        self,
        times: Sequence[float],
        period: float = 365.25,
        harmonics: int = 2,
        nodata: float = math.nan,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Make the layer.

        Args:
            times: of the bands, in days; phases count from 0.
            period: of the first harmonic, in days.
            harmonics: number of waves, with period, period / 2, ...; from 0 on.
            nodata: stands for a missing value, beside NaN.
            name: of the layer.
            **kwargs: for Keras's base class.

        Raises:
            ParameterError: the period is not positive, or there are fewer times than unknowns.
        """
        super().__init__(name=name, **kwargs)
        self.times, self.period, self.harmonics, self.nodata = [float(t) for t in times], period, harmonics, nodata
        unknowns = 2 + 2 * harmonics
        if not period > 0 or harmonics < 0:
            raise ParameterError(
                "period is {period:g} and harmonics {harmonics}, but neither may be negative or 0 days.",
                period=period,
                harmonics=harmonics,
            )
        if len(set(self.times)) < unknowns:
            raise ParameterError(
                "There are {times_count} different times for {unknowns} unknowns ({harmonics} harmonics): give more "
                "times, or fewer harmonics.",
                times_count=len(set(self.times)),
                unknowns=unknowns,
                harmonics=harmonics,
            )
        self._design = self._waves()

    def _waves(self) -> np.ndarray:
        """The value of each unknown's function at each time: (times, unknowns)."""
        days = np.array(self.times)
        columns = [np.ones_like(days), (days - (days.min() + days.max()) / 2) / 365.25]
        for number in range(1, self.harmonics + 1):
            angles = 2 * np.pi * number * days / self.period
            columns += [np.cos(angles), np.sin(angles)]
        return np.stack(columns, axis=1)

    def call(self, inputs: Any) -> Any:
        """Return the coefficients."""
        values = tf.cast(inputs, tf.float64)
        known = known_values(values, self.nodata)
        weights = tf.cast(known, tf.float64)
        values = tf.where(known, values, tf.zeros_like(values))
        design = tf.constant(self._design)
        normal = tf.einsum("...t,tp,tq->...pq", weights, design, design)
        right = tf.einsum("...t,tp->...p", values, design)
        # So small that it changes no digit of float32, but a pixel without values has a solution too.
        ridge = 1e-9 * tf.eye(design.shape[1], dtype=tf.float64)
        unknowns = tf.linalg.solve(normal + ridge, right[..., None])[..., 0]
        left = weights * (values - tf.einsum("...p,tp->...t", unknowns, design))
        count = tf.reduce_sum(weights, axis=-1, keepdims=True)
        rest = tf.sqrt(tf.reduce_sum(left**2, axis=-1, keepdims=True) / tf.maximum(count, 1.0))
        found = tf.concat([unknowns, rest], axis=-1)
        found = tf.where(count < design.shape[1], tf.fill(tf.shape(found), tf.constant(np.nan, tf.float64)), found)
        return tf.cast(found, tf.float32)

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made again from."""
        own = {"times": self.times, "period": self.period, "harmonics": self.harmonics, "nodata": self.nodata}
        return {**super().get_config(), **own}


@_register
class TargetScaling(_Layer):
    """Turns standardized predictions into the target's own unit: prediction * deviation + mean, per band.

    Takes (..., bands) of any floating-point dtype; returns float32 of the same shape. `mean` and `deviation` are
    weights that no optimizer changes: training sets them to those of its target (`fit`), and they are saved with the
    model.
    """

    def __init__(
        self, mean: Sequence[float], deviation: Sequence[float], name: str | None = None, **kwargs: Any
    ) -> None:
        """Make the layer.

        Args:
            mean: of the target's bands, in its unit, until `fit` sets it.
            deviation: standard deviation of the target's bands, in its unit, until `fit` sets it.
            name: of the layer.
            **kwargs: for Keras's base class.

        Raises:
            ParameterError: the two differ in length, or a deviation is not above 0.
        """
        super().__init__(name=name, **{**kwargs, "dtype": "float32"})
        self.initial = _checked_scaling(mean, deviation)
        bands = len(self.initial[0])
        self.mean = self.add_weight(shape=(bands,), initializer="zeros", trainable=False, name="mean")
        self.deviation = self.add_weight(shape=(bands,), initializer="ones", trainable=False, name="deviation")
        self._set(*self.initial)

    def _set(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        self.mean.assign(mean)
        self.deviation.assign(deviation)

    @property
    def is_fitted(self) -> bool:
        """Whether mean and deviation are those of a training's target."""
        found = np.stack([self.mean.numpy(), self.deviation.numpy()])
        return bool((found != np.array(self.initial, "float32")).any())

    def fit(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        """Take mean and deviation of a training's target.

        Raises:
            ParameterError: they have not one number per band, or a deviation is not above 0.
        """
        checked = _checked_scaling(mean, deviation)
        if len(checked[0]) != len(self.initial[0]):
            raise ParameterError(
                "{name} has {initial_count} bands, but the target {checked_count}.",
                name=self.name,
                initial_count=len(self.initial[0]),
                checked_count=len(checked[0]),
            )
        self._set(*checked)

    def call(self, inputs: Any) -> Any:
        """Return the values in the target's unit."""
        return tf.cast(inputs, tf.float32) * self.deviation + self.mean

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made again from."""
        mean, deviation = self.initial
        return {**super().get_config(), "mean": mean, "deviation": deviation}


def _checked_scaling(mean: Sequence[float], deviation: Sequence[float]) -> tuple[list[float], list[float]]:
    means, deviations = [float(value) for value in mean], [float(value) for value in deviation]
    if len(means) != len(deviations) or not all(value > 0 for value in deviations):
        raise ParameterError(
            "mean is {means} and deviation {deviations}, but both must have a number per band, deviations above 0.",
            means=means,
            deviations=deviations,
        )
    return means, deviations


@_register
class ClassValues(_Layer):
    """The labels of the most probable classes: (..., classes) to whole numbers of shape (..., 1).

    One probability alone is that of the second class.
    """

    def __init__(self, values: Sequence[int], logits: bool = False, name: str | None = None, **kwargs: Any) -> None:
        """Make the layer.

        Args:
            values: the label of each class; the smallest type of whole numbers that holds them is returned.
            logits: True where the input is no probabilities yet.
            name: of the layer.
            **kwargs: for Keras's base class.
        """
        super().__init__(name=name, **kwargs)
        self.values, self.logits = [int(value) for value in values], logits
        types = (tf.uint8, tf.int16, tf.uint16, tf.int32)
        fitting = [dtype for dtype in types if dtype.min <= min(self.values) and max(self.values) <= dtype.max]
        self._type = fitting[0] if fitting else tf.int64

    def call(self, inputs: Any) -> Any:
        """Return the labels."""
        if inputs.shape[-1] > 1:
            numbers = tf.argmax(inputs, axis=-1)[..., None]
        else:
            numbers = tf.cast(inputs > (0.0 if self.logits else 0.5), tf.int64)
        return tf.gather(tf.constant(self.values, self._type), numbers)

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made again from."""
        return {**super().get_config(), "values": self.values, "logits": self.logits}
