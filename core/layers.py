"""Layers for networks on images with no-data, scalars beside images, and maps of classes.

They are registered with Keras under the package `otbtf_qgis`: a `.keras` file that holds them loads in
safe mode once this module is imported, as serving does by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from .errors import ParameterError

_register = keras.saving.register_keras_serializable(package="otbtf_qgis")


class _Layer(keras.layers.Layer):
    """Takes its inputs in their own dtypes: mixed precision would round no-data values."""

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        kwargs["autocast"] = False
        super().__init__(name=name, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made again from."""
        config: dict[str, Any] = super().get_config()
        config.pop("autocast", None)
        return config


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
            raise ParameterError(f"radius is {radius}, but must be a number of pixels from 0 on.")
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
