"""Layers of networks that look at all places of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from ..errors import ParameterError
from .layerbase import register


@register
class PlaceAttention(keras.layers.Layer):
    """Scaled dot-product attention of each place of an image to all places of another, in several heads.

    Takes [queries, keys, values] of shapes (batch, rows, columns, channels) and twice (batch, fewer rows, fewer columns,
    channels); returns the shape of the queries. Each head has its own share of the channels. After A. Vaswani et al.,
    Attention Is All You Need, NeurIPS 2017, section 3.2.
    """

    def __init__(self, heads: int, name: str | None = None, **kwargs: Any) -> None:
        """Make the layer.

        Args:
            heads: number of heads, which divides the channels.
            name: of the layer.
            **kwargs: for Keras's base class.
        """
        super().__init__(name=name, **kwargs)
        self.heads = heads

    def build(self, input_shape: Any) -> None:
        """Check the channels.

        Raises:
            ParameterError: the heads do not divide them.
        """
        channels = input_shape[0][-1]
        if channels % self.heads:
            raise ParameterError(
                "heads is {heads}, which does not divide the {channels} channels.", heads=self.heads, channels=channels
            )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the queries."""
        return input_shape[0]

    def call(self, inputs: Sequence[Any]) -> Any:
        """Return what the places see."""
        queries, keys, values = (self._by_head(each) for each in inputs)
        scores = tf.einsum("bqhc,bkhc->bhqk", queries, keys) * (queries.shape[-1] ** -0.5)
        seen = tf.einsum("bhqk,bkhc->bqhc", tf.nn.softmax(scores, axis=-1), values)
        return tf.reshape(seen, tf.shape(inputs[0]))

    def _by_head(self, image: Any) -> Any:
        """(batch, rows, columns, channels) to (batch, places, heads, channels of a head)."""
        size = tf.shape(image)
        return tf.reshape(image, [size[0], size[1] * size[2], self.heads, image.shape[-1] // self.heads])

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made again from."""
        return {**super().get_config(), "heads": self.heads}


@register
class TanhGelu(keras.layers.Layer):
    """The Gaussian error linear unit by its approximation with tanh, as the SegFormer of KerasHub has it.

    D. Hendrycks, K. Gimpel, Gaussian Error Linear Units (GELUs), 2016, section 2. Keras's own "gelu" is exact.
    """

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the input."""
        return input_shape

    def call(self, inputs: Any) -> Any:
        """Return 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))."""
        return keras.activations.gelu(inputs, approximate=True)
