"""Calibrated class probabilities: a layer behind a trained network that divides its logits by a temperature."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

from ..errors import ParameterError
from .layerbase import ExactLayer as _Layer
from .layerbase import register as _register

_LEAST = float(np.finfo(np.float32).tiny)
"""What a probability that was rounded to 0 counts as."""

_ROUNDED = 2.0**-24
"""By which a probability of one of two classes keeps away from 0 and 1, between which 32 bits tell no smaller steps."""

_WITHOUT_BANDS = (1, 3)
"""Numbers of dimensions of outputs of one value for each patch or pixel."""


def is_single(shape: Any) -> bool:
    """Return whether an output of this shape, with the batch, is the probability of one of two classes."""
    return len(shape) in _WITHOUT_BANDS or shape[-1] == 1


def logits_of(probabilities: Any) -> Any:
    """Return logits of class probabilities: ln p, and of the probability of one of two classes ln p - ln (1 - p).

    softmax(ln p) = p, since a network's logits are ln p plus a number that is the same for all classes of a pixel, which a
    softmax does not see; so ln p stand for them at any temperature.

    Args:
        probabilities: float32 tensor of shape (..., classes), or see `is_single`.
    """
    if not is_single(probabilities.shape):
        return tf.math.log(tf.where(probabilities < _LEAST, _LEAST, probabilities))  # NaN stays NaN
    low = tf.where(probabilities < _ROUNDED, _ROUNDED, probabilities)
    kept = tf.where(low > 1 - _ROUNDED, 1 - _ROUNDED, low)
    return tf.math.log(kept) - tf.math.log1p(-kept)


@_register
class TemperatureScaling(_Layer):
    """Class probabilities at a temperature: softmax(logits / temperature), of one value sigmoid(logit / temperature).

    Takes (..., classes) or a value of one of two classes, in any floating-point dtype; returns float32 of the same shape.
    The order of the classes of a pixel stays the same. After C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, On Calibration
    of Modern Neural Networks, ICML 2017, section 4.2.
    """

    def __init__(
        self, temperature: float, uncalibrated: str, logits: bool = False, name: str | None = None, **kwargs: Any
    ) -> None:
        """Make the layer.

        Args:
            temperature: above 1 for less sure probabilities, below 1 for surer ones.
            uncalibrated: name of the layer that returns the probabilities at temperature 1, for further training.
            logits: True where the input is logits; False where it is the output of that layer, of which `logits_of` are taken.
            name: of the layer.
            **kwargs: for Keras's base class.

        Raises:
            ParameterError: the temperature is not above 0.
        """
        super().__init__(name=name, **{**kwargs, "dtype": "float32"})
        if not (temperature > 0 and math.isfinite(temperature)):
            raise ParameterError("temperature is {temperature}, but must be above 0.", temperature=temperature)
        self.temperature, self.uncalibrated, self.logits = float(temperature), uncalibrated, logits

    def call(self, inputs: Any) -> Any:
        """Return the probabilities."""
        values = tf.cast(inputs, tf.float32)
        scaled = (values if self.logits else logits_of(values)) / self.temperature
        return tf.sigmoid(scaled) if is_single(inputs.shape) else tf.nn.softmax(scaled)

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made again from."""
        own = {"temperature": self.temperature, "uncalibrated": self.uncalibrated, "logits": self.logits}
        return {**super().get_config(), **own}
