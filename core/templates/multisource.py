"""Classifiers of several sources: each has a branch of its own, and their features are joined."""

from __future__ import annotations

import keras

from ..errors import ParameterError, field
from .blocks import classified, convolution, inputs, normalized_convolution
from .templateoptions import Options


def pan_xs(options: Options) -> keras.Model:
    """Return OTBTF's network for panchromatic patches of 32 x 32 and multispectral ones of 8 x 8."""
    raw, (pan, xs) = inputs(options)
    width = options.width
    pan = keras.layers.MaxPooling2D()(convolution(pan, width, 5))
    pan = keras.layers.MaxPooling2D()(convolution(pan, 2 * width, 5))
    pan = convolution(convolution(pan, 4 * width, 3), 4 * width, 3)
    for filters, size in ((width, 5), (2 * width, 3), (4 * width, 2)):
        xs = convolution(xs, filters, size)
    features = keras.layers.Concatenate(name="features")([pan, xs])
    return keras.Model(raw, classified(features, options.classes), name="pan_xs")


def two_resolution(options: Options) -> keras.Model:
    """Return the OTBTF tutorial's third network, for patches of 16 x 16 and 8 x 8 of the same ground."""
    raw, (fine, coarse) = inputs(options)
    width = options.width
    for filters, size in ((width, 5), (2 * width, 3), (4 * width, 3), (4 * width, 3), (4 * width, 3)):
        fine = convolution(fine, filters, size)
    fine = convolution(keras.layers.MaxPooling2D()(fine), 4 * width, 2)
    for filters, size in ((width, 3), (2 * width, 3), (4 * width, 3), (4 * width, 2)):
        coarse = convolution(coarse, filters, size)
    joined = keras.layers.Concatenate()([fine, coarse])
    features = convolution(joined, 8 * width, 1, "features")  # the tutorial's dense layer
    return keras.Model(raw, classified(features, options.classes), name="two_resolution")


def time_series_vhr(options: Options) -> keras.Model:
    """Return a network after M3Fusion: a recurrent layer with attention over a pixel's time series, a CNN over a patch.

    It takes patches only: the mean over the patch and the series of one pixel belong together.
    """
    dates = len(options.times_of_first_source) or options.bands[0]
    if options.bands[0] % dates:
        raise ParameterError(
            "{dates} holds {dates2} dates, which do not divide the {band} bands of source 1: it must hold the same "
            "bands for each date.",
            dates=field("dates"),
            dates2=dates,
            band=options.bands[0],
        )
    raw, (series, patch) = inputs(options, (1, options.patch))
    states = keras.layers.Reshape((dates, options.bands[0] // dates))(series)
    states = keras.layers.GRU(options.width, return_sequences=True)(states)
    weights = keras.layers.Dense(options.width, activation="tanh")(states)
    weights = keras.layers.Softmax(axis=1)(keras.layers.Dense(1, use_bias=False)(weights))
    attended = keras.layers.Dot(axes=1)([weights, states])
    attended = keras.layers.Reshape((1, 1, options.width))(attended)
    x = keras.layers.MaxPooling2D()(normalized_convolution(patch, options.width // 2 or 1, 7))
    x = normalized_convolution(x, options.width, 3)
    x = keras.layers.Concatenate()([x, normalized_convolution(x, options.width, 3, padding="same")])
    x = normalized_convolution(x, options.width, 1)
    x = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
    features = keras.layers.Concatenate(name="features")([attended, x])
    return keras.Model(raw, classified(features, options.classes), name="time_series_vhr")
