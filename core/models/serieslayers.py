"""Layers of networks for time series: pixels as a batch of series, the encoding of dates, attention along the dates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..errors import ParameterError
from ..parameters.seriesorders import DATE_MAJOR
from .layerbase import register


@register
class SeriesOfPixels(keras.layers.Layer):
    """Turns an image into a batch of time series: (batch, rows, columns, dates * bands) to (pixels, dates, bands)."""

    def __init__(self, bands: int = 1, order: str = DATE_MAJOR, name: str | None = None, **kwargs: Any) -> None:
        """Make the layer.

        Args:
            bands: number of bands of each date.
            order: of the channels: `date-major` or `band-major`.
            name: of the layer.
            **kwargs: for Keras's base class.
        """
        super().__init__(name=name, **kwargs)
        self.bands, self.order = bands, order

    def call(self, inputs: Any) -> Any:
        """Return the series."""
        dates = inputs.shape[-1] // self.bands
        if self.order == DATE_MAJOR:
            return tf.reshape(inputs, [-1, dates, self.bands])
        return tf.linalg.matrix_transpose(tf.reshape(inputs, [-1, self.bands, dates]))

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made again from."""
        return {**super().get_config(), "bands": self.bands, "order": self.order}


@register
class ImageOfPixels(keras.layers.Layer):
    """Puts features of pixels back in their places.

    Takes [features, image] of shapes (pixels, n) and (batch, rows, columns, bands); returns (batch, rows, columns, n).
    """

    def call(self, inputs: Sequence[Any]) -> Any:
        """Return the image of features."""
        features, image = inputs
        return tf.reshape(features, tf.concat([tf.shape(image)[:-1], [features.shape[-1]]], axis=0))


@register
class ImagesOfDates(keras.layers.Layer):
    """Turns a time series into a batch of images.

    Takes (batch, rows, columns, dates * bands); returns (batch * dates, rows, columns, bands).
    """

    def __init__(self, bands: int = 1, order: str = DATE_MAJOR, name: str | None = None, **kwargs: Any) -> None:
        """Make the layer.

        Args:
            bands: number of bands of each date.
            order: of the channels: `date-major` or `band-major`.
            name: of the layer.
            **kwargs: for Keras's base class.
        """
        super().__init__(name=name, **kwargs)
        self.bands, self.order = bands, order

    def call(self, inputs: Any) -> Any:
        """Return the images."""
        dates, size = inputs.shape[-1] // self.bands, tf.shape(inputs)
        if self.order == DATE_MAJOR:
            series = tf.reshape(inputs, [size[0], size[1], size[2], dates, self.bands])
            by_date = tf.transpose(series, [0, 3, 1, 2, 4])
        else:
            series = tf.reshape(inputs, [size[0], size[1], size[2], self.bands, dates])
            by_date = tf.transpose(series, [0, 4, 1, 2, 3])
        return tf.reshape(by_date, [size[0] * dates, size[1], size[2], self.bands])

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made again from."""
        return {**super().get_config(), "bands": self.bands, "order": self.order}


@register
class SeriesOfImages(keras.layers.Layer):
    """Turns a batch of images back: (batch * dates, rows, columns, channels) to (batch, rows, columns, dates, channels)."""

    def __init__(self, dates: int, name: str | None = None, **kwargs: Any) -> None:
        """Make the layer.

        Args:
            dates: number of dates.
            name: of the layer.
            **kwargs: for Keras's base class.
        """
        super().__init__(name=name, **kwargs)
        self.dates = dates

    def call(self, inputs: Any) -> Any:
        """Return the series."""
        size, channels = tf.shape(inputs), inputs.shape[-1]
        by_date = tf.reshape(inputs, [size[0] // self.dates, self.dates, size[1], size[2], channels])
        return tf.transpose(by_date, [0, 2, 3, 1, 4])

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made again from."""
        return {**super().get_config(), "dates": self.dates}


@register
class EnlargedAttention(keras.layers.Layer):
    """Weighs the dates of a finer image by the attention that was found on a coarser one, enlarged bilinearly.

    Takes [series, weights] of shapes (batch, rows * factor, columns * factor, dates, channels) and (batch, rows, columns,
    dates, heads); returns (batch, rows * factor, columns * factor, channels). Each head weighs its own share of the channels.
    After V. Sainte Fare Garnot, L. Landrieu, Panoptic Segmentation of Satellite Image Time Series with Convolutional
    Temporal Attention Networks, ICCV 2021.
    """

    def __init__(self, factor: int, name: str | None = None, **kwargs: Any) -> None:
        """Make the layer.

        Args:
            factor: finer pixels along each side of a pixel.
            name: of the layer.
            **kwargs: for Keras's base class.
        """
        super().__init__(name=name, **kwargs)
        self.factor = factor

    def call(self, inputs: Sequence[Any]) -> Any:
        """Return the weighted sum over the dates."""
        series, weights = inputs
        size, (dates, heads) = tf.shape(weights), weights.shape[-2:]
        flat = tf.reshape(weights, tf.concat([size[:3], [dates * heads]], axis=0))
        finer = tf.cast(tf.image.resize(flat, size[1:3] * self.factor), series.dtype)
        return grouped_sum(series, tf.reshape(finer, tf.concat([tf.shape(finer)[:3], [dates, heads]], axis=0)))

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made again from."""
        return {**super().get_config(), "factor": self.factor}


@register
class DateEncoding(keras.layers.Layer):
    """Adds sine and cosine waves of the dates: (..., dates, channels) to the same shape.

    Channel i of the n of each group gets sin (even i) or cos (odd i) of day / base^(2 (i // 2) / n), as A. Vaswani et al.,
    Attention Is All You Need, NeurIPS 2017; with the days of the acquisitions as positions, after V. Sainte Fare Garnot et
    al., Satellite Image Time Series Classification with Pixel-Set Encoders and Temporal Self-Attention, CVPR 2020.
    """

    def __init__(
        self, days: Sequence[float], base: float = 1000.0, groups: int = 1, name: str | None = None, **kwargs: Any
    ) -> None:
        """Make the layer.

        Args:
            days: of the dates.
            base: the longest wave is 2 pi times as many days.
            groups: so many times the waves are repeated along the channels, once for each head of an attention.
            name: of the layer.
            **kwargs: for Keras's base class.
        """
        super().__init__(name=name, **kwargs)
        self.days, self.base, self.groups = [float(day) for day in days], float(base), groups

    def call(self, inputs: Any) -> Any:
        """Return the series with the waves added."""
        return inputs + tf.constant(self._waves(inputs.shape[-1]), inputs.dtype)

    def _waves(self, channels: int) -> np.ndarray:
        index = np.arange(channels // self.groups)
        angle = np.array(self.days)[:, None] / self.base ** (2 * (index // 2) / len(index))
        return np.tile(np.where(index % 2, np.cos(angle), np.sin(angle)), self.groups)

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made again from."""
        return {**super().get_config(), "days": self.days, "base": self.base, "groups": self.groups}


@register
class LightweightAttention(keras.layers.Layer):
    """Attention with one learned query for each head, each of which weighs its own share of the channels.

    Takes (..., dates, channels); returns (..., channels), the weighted sum over the dates, and the weights of shape
    (..., dates, heads). After V. Sainte Fare Garnot, L. Landrieu, Lightweight Temporal Self-Attention for Classifying
    Satellite Images Time Series, AALTD 2020. Their keys' bias is left out: it adds the same to all dates, and so
    changes no weight.
    """

    def __init__(
        self, heads: int, key_size: int = 8, dropout: float = 0.1, name: str | None = None, **kwargs: Any
    ) -> None:
        """Make the layer.

        Args:
            heads: number of heads, which divides the channels.
            key_size: number of values in a query and a key.
            dropout: share of the weights that training leaves out.
            name: of the layer.
            **kwargs: for Keras's base class.
        """
        super().__init__(name=name, **kwargs)
        self.heads, self.key_size, self.dropout = heads, key_size, dropout
        self._dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, input_shape: Any) -> None:
        """Make the weights.

        Raises:
            ParameterError: the heads do not divide the channels.
        """
        channels = input_shape[-1]
        if channels % self.heads:
            raise ParameterError(
                "heads is {heads}, which does not divide the {channels} channels.", heads=self.heads, channels=channels
            )
        wide = keras.initializers.RandomNormal(stddev=math.sqrt(2.0 / self.key_size))
        narrow = keras.initializers.RandomNormal(stddev=math.sqrt(2.0 / channels))
        self._query = self.add_weight(shape=(self.heads, self.key_size), initializer=wide, name="query")
        self._key = self.add_weight(shape=(channels, self.heads, self.key_size), initializer=narrow, name="key")

    def call(self, inputs: Any, training: bool | None = None) -> tuple[Any, Any]:
        """Return what the heads see, and how they weigh the dates."""
        # The product of query and key of each date, the other way round: so no key is made for each pixel.
        projection = tf.einsum("chk,hk->ch", self._key, self._query) / math.sqrt(self.key_size)
        scores = tf.einsum("...dc,ch->...dh", inputs, projection)
        weights = self._dropout(tf.nn.softmax(scores, axis=-2), training=training)
        return grouped_sum(inputs, weights), weights

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made again from."""
        own = {"heads": self.heads, "key_size": self.key_size, "dropout": self.dropout}
        return {**super().get_config(), **own}


def grouped_sum(values: Any, weights: Any) -> Any:
    """Return the sum over the dates, each group of channels weighted by its own head.

    Args:
        values: (..., dates, channels).
        weights: (..., dates, heads); heads divide the channels, the first takes the first channels.

    Returns:
        (..., channels).
    """
    heads, channels = weights.shape[-1], values.shape[-1]
    leading = tf.shape(values)[:-1]
    groups = tf.reshape(values, tf.concat([leading, [heads, channels // heads]], axis=0))
    total = tf.einsum("...dh,...dhc->...hc", weights, groups)
    return tf.reshape(total, tf.concat([leading[:-1], [channels]], axis=0))
