"""Detectors: fully convolutional networks that find objects as points, trained on detection maps."""

from __future__ import annotations

import math
from typing import Any

import keras

from ..models.detectionlayer import DetectionMaps
from ..parameters.detectionmaps import OUTPUT
from .blocks import convolution, inputs, normalized_convolution
from .segmentation import unet_body
from .templateoptions import Options

_RARE = -2.19
"""Logit of the heat before training, 0.1: centres are rare, and a heat of 0.5 everywhere would drown them (CenterNet)."""


def detector(options: Options) -> keras.Model:
    """Return a detector: convolutions down to cells of `stride` pixels, a U-Net on these, and three heads."""
    raw, (x,) = inputs(options)
    x = normalized_convolution(x, options.width, 3, padding="same")
    for _ in range(options.stride.bit_length() - 1):
        x = normalized_convolution(x, options.width, 3, strides=2, padding="same")
    x = unet_body(x, options.width, options.depth)
    usual = math.log(4.0 * options.stride)
    heads = [
        _head(x, options.width, options.classes, "heat", _RARE),
        _head(x, options.width, 2, "sizes", usual),
        _head(x, options.width, 2, "offsets", 0.0),
    ]
    return keras.Model(raw, DetectionMaps(name=OUTPUT)(heads), name="detector")


def _head(x: Any, width: int, bands: int, name: str, bias: float) -> Any:
    """Return what a head of two convolutions makes of features; it begins with `bias`."""
    x = convolution(x, width, 3, padding="same")
    start = keras.initializers.Constant(bias)
    return keras.layers.Conv2D(bands, 1, bias_initializer=start, name=name)(x)
