"""The last layer of a detector that finds objects as points: its maps (see `core.parameters.detectionmaps`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from .layerbase import ExactLayer as _Layer
from .layerbase import register as _register

_LARGEST = 12.0
"""Logarithm of the largest size, in pixels: no tile has as many."""


@_register
class DetectionMaps(_Layer):
    """Heat maps, sizes and offsets as the bands of one map.

    Takes [logits of the heat, logarithms of height and width in pixels, offsets down and to the right in cells], tensors of
    shape (batch, rows, columns, classes or 2) and any floating-point dtype; returns float32 of shape (batch, rows, columns,
    classes + 4).
    """

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **{**kwargs, "dtype": "float32"})

    def call(self, inputs: Sequence[Any]) -> Any:
        """Return the maps."""
        heat, sizes, offsets = (tf.cast(each, tf.float32) for each in inputs)
        return tf.concat([tf.sigmoid(heat), tf.exp(tf.minimum(sizes, _LARGEST)), offsets], -1)
