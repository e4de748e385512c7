"""Networks without padding that classify the middle of what they see: trained on patches with one label each."""

from __future__ import annotations

import keras

from .blocks import classified, convolution, inputs
from .templateoptions import Options


def cnn16(options: Options) -> keras.Model:
    """Return the OTBTF tutorial's first network: 16 x 16 pixels to one, every 4 pixels."""
    raw, (x,) = inputs(options)
    x = convolution(x, options.width, 5)
    x = keras.layers.MaxPooling2D()(x)
    x = convolution(x, options.width, 3)
    x = keras.layers.MaxPooling2D()(x)
    x = convolution(x, 2 * options.width, 2, "features")
    return keras.Model(raw, classified(x, options.classes), name="cnn16")


def cnn16_deep(options: Options) -> keras.Model:
    """Return the OTBTF tutorial's second network: 16 x 16 pixels (or those of the option `patch`) to one, at every pixel."""
    raw, (x,) = inputs(options)
    convolutions = (options.patch - 1) // 2
    for number in range(convolutions):
        x = convolution(x, options.width * (2 if 2 * number > convolutions else 1), 3)
    # Those of 3 x 3 alone see an odd number of pixels.
    x = convolution(x, 2 * options.width, 2 - options.patch % 2, "features")
    return keras.Model(raw, classified(x, options.classes), name="cnn16_deep")
