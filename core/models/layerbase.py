"""What the layers of this package have in common: how they are registered, and which values are known."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

register = keras.saving.register_keras_serializable(package="otbtf_qgis")
"""Registers a layer with Keras, so that a `.keras` file that holds it loads in safe mode."""


class ExactLayer(keras.layers.Layer):
    """Takes its inputs in their own dtypes: mixed precision would round no-data values."""

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        kwargs["autocast"] = False
        super().__init__(name=name, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made again from."""
        config: dict[str, Any] = super().get_config()
        config.pop("autocast", None)
        return config


def known_values(values: Any, nodata: float) -> Any:
    """Return True where floating-point values are numbers: neither the no-data value nor NaN nor infinite."""
    return tf.math.is_finite(values) & ~tf.equal(values, tf.constant(nodata, values.dtype))
