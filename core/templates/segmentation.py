"""Fully convolutional networks that classify every pixel: trained on tiles with label tiles."""

from __future__ import annotations

from typing import Any

import keras

from ..errors import ParameterError, field
from .blocks import classified, convolution, inputs, normalized, normalized_convolution
from .templateoptions import Options

_MOST_FILTERS = 8192  # a U-Net of as many at the bottom has billions of weights


def fcnn(options: Options) -> keras.Model:
    """Return the network of OTBTF's API tutorial: four strided convolutions and as many transposed ones."""
    raw, (x,) = inputs(options)
    filters = [options.width * factor for factor in (1, 2, 4, 4)]
    levels = []
    for number in filters:
        x = convolution(x, number, 3, strides=2, padding="same")
        levels.append(x)
    for number, level in zip((filters[2], filters[1], filters[0]), (levels[2], levels[1], levels[0])):
        x = keras.layers.Add()([_enlarged(x, number), level])
    x = _enlarged(x, options.width, "features")
    return keras.Model(raw, classified(x, options.classes), name="fcnn")


def _enlarged(x: Any, filters: int, name: str | None = None) -> Any:
    layer = keras.layers.Conv2DTranspose(filters, 3, strides=2, padding="same", activation="relu", name=name)
    return layer(x)


def unet(options: Options) -> keras.Model:
    """Return a U-Net with `depth` poolings; the width doubles with each."""
    raw, (x,) = inputs(options)
    x = unet_body(x, options.width, options.depth)
    return keras.Model(raw, classified(x, options.classes), name="unet")


def unet_body(x: Any, width: int, depth: int) -> Any:
    """Return the features of a U-Net, called `features`: of the size of `x`, which is a multiple of 2**depth.

    Raises:
        ParameterError: it would have too many filters.
    """
    _check_width(width, depth)
    levels = []
    for level in range(depth):
        x = _double(x, width * 2**level)
        levels.append(x)
        x = keras.layers.MaxPooling2D()(x)
    x = _double(x, width * 2**depth)
    for level in reversed(range(depth)):
        x = keras.layers.Conv2DTranspose(width * 2**level, 2, strides=2)(x)
        x = keras.layers.Concatenate()([levels[level], x])
        x = _double(x, width * 2**level, "features" if level == 0 else None)
    return x


def _check_width(width: int, depth: int) -> None:
    if width * 2**depth > _MOST_FILTERS:
        raise ParameterError(
            "{width} is {options_width} and {depth} is {options_depth}, which makes {width2} filters at the bottom "
            "of the U-Net, but there may be {most_filters} at most: lower one of them.",
            width=field("width"),
            options_width=width,
            depth=field("depth"),
            options_depth=depth,
            width2=width * 2**depth,
            most_filters=_MOST_FILTERS,
        )


def _double(x: Any, filters: int, name: str | None = None) -> Any:
    x = normalized_convolution(x, filters, 3, padding="same")
    return normalized_convolution(x, filters, 3, name, padding="same")


def field_boundaries(options: Options) -> keras.Model:
    """Return a U-Net with three outputs as bands: the distance, the boundary that sees it, the extent that sees both."""
    raw, (x,) = inputs(options)
    x = unet_body(x, options.width, options.depth)
    distance = _share(x, options.width, "distance")
    boundary = _share(keras.layers.Concatenate()([x, distance]), options.width, "boundary")
    extent = _share(keras.layers.Concatenate()([x, distance, boundary]), options.width, "extent")
    bands = keras.layers.Concatenate(name="predictions", dtype="float32")([extent, boundary, distance])
    return keras.Model(raw, bands, name="field_boundaries")


def _share(x: Any, filters: int, name: str) -> Any:
    x = normalized_convolution(x, filters, 3, padding="same")
    return keras.layers.Conv2D(1, 1, activation="sigmoid", name=name, dtype="float32")(x)


def maggiori(options: Options) -> keras.Model:
    """Return a network whose scores, at a quarter of the resolution, are enlarged by a learned interpolation."""
    raw, (x,) = inputs(options)
    x = _activated_then_normalized(x, options.width, 12)
    x = keras.layers.MaxPooling2D(4)(x)
    x = _activated_then_normalized(x, options.width * 7 // 4, 4)
    x = _activated_then_normalized(x, options.width * 5 // 4, 3, "features")
    x = keras.layers.Conv2D(options.classes, 8)(x)
    x = keras.layers.Conv2DTranspose(options.classes, 8, strides=4)(x)
    x = keras.layers.Cropping2D(4, name="logits")(x)  # where fewer than all of the scores take part
    return keras.Model(raw, keras.layers.Softmax(name="predictions", dtype="float32")(x), name="maggiori")


def _activated_then_normalized(x: Any, filters: int, size: int, name: str | None = None) -> Any:
    return normalized(convolution(x, filters, size), name)
