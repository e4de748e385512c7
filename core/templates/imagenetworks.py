"""Networks that make images, and estimate quantities: trained on target patches in their own units."""

from __future__ import annotations

from typing import Any

import keras

from ..models.keraslayers import PixelShuffle, TargetScaling
from .blocks import inputs, normalized
from .templateoptions import Options


def super_resolution(options: Options) -> keras.Model:
    """Return residual blocks without batch normalization, and a pixel shuffle for each doubling."""
    raw, (x,) = inputs(options)
    x = start = _convolution(x, options.width)
    for _ in range(options.depth):
        y = _convolution(keras.layers.ReLU()(_convolution(x, options.width)), options.width)
        x = keras.layers.Add()([x, y])
    x = keras.layers.Add()([_convolution(x, options.width), start])
    for _ in range(options.factor.bit_length() - 1):
        x = PixelShuffle(2)(_convolution(x, 4 * options.width))
    return keras.Model(raw, _in_units(_convolution(x, options.bands[0]), options), name="super_resolution")


def _convolution(x: Any, filters: int) -> Any:
    return keras.layers.Conv2D(filters, 3, padding="same")(x)


def gap_filling(options: Options) -> keras.Model:
    """Return one encoder of strided convolutions for each source, and a decoder that joins them at every level."""
    raw, sources = inputs(options)
    encoders = [_encoder(source, options.width, options.depth) for source in sources]
    x = None
    for level in reversed(range(options.depth)):
        maps = [encoder[level] for encoder in encoders]
        x = keras.layers.Concatenate()(maps if x is None else [x, *maps])
        filters = options.width * 2 ** min(max(level - 1, 0), 3)
        x = keras.layers.Conv2DTranspose(filters, 4, strides=2, padding="same", use_bias=False)(x)
        x = keras.layers.ReLU()(normalized(x))
    return keras.Model(raw, _in_units(_convolution(x, options.bands[0]), options), name="gap_filling")


def _encoder(x: Any, width: int, depth: int) -> list[Any]:
    maps = []
    for level in range(depth):
        x = keras.layers.Conv2D(width * 2 ** min(level, 3), 4, strides=2, padding="same", use_bias=False)(x)
        x = keras.layers.LeakyReLU(negative_slope=0.2)(normalized(x))
        maps.append(x)
    return maps


def _in_units(x: Any, options: Options) -> Any:
    """Return the predictions in the target's unit: that of source 1, until a training fits the scaling to its target."""
    scaling = options.scalings[0]
    bands = options.bands[0]
    mean, deviation = (scaling.offset, scaling.divisor) if scaling else ((0.0,) * bands, (1.0,) * bands)
    return TargetScaling(mean, deviation, name="predictions")(x)


def mlp(options: Options) -> keras.Model:
    """Return dense layers on the bands of each pixel."""
    raw, (x,) = inputs(options)
    for layer in range(options.depth):
        name = "features" if layer == options.depth - 1 else None
        x = keras.layers.Dense(options.width, activation="relu", name=name)(x)
    bands = options.classes
    values = keras.layers.Dense(bands, name="standardized", dtype="float32")(x)
    scaled = TargetScaling((0.0,) * bands, (1.0,) * bands, name="predictions")(values)
    return keras.Model(raw, scaled, name="mlp")
