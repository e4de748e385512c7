"""What the templates have in common: inputs, the end of a classifier, blocks of layers."""

from __future__ import annotations

from typing import Any

import keras

from .filling import filled_sources
from .templateoptions import Options


def inputs(options: Options, sides: tuple[int | None, ...] = ()) -> tuple[list[Any], list[Any]]:
    """Return the inputs `source1`, `source2`, ..., and the same filled and scaled as the options ask for.

    Args:
        options: bands, scalings and how missing values are filled.
        sides: rows and columns of each source; empty for free ones.
    """
    raw, sources = filled_sources(options, sides)
    return raw, [source.scaled for source in sources]


def classified(features: Any, classes: int) -> Any:
    """Return probabilities of classes along the last axis, from features for each output pixel.

    A dense layer on one pixel is a convolution of 1 x 1: so rows and columns may stay free.
    """
    logits = keras.layers.Conv2D(classes, 1, name="logits")(features)
    # float32 also under mixed precision, in which small probabilities would become 0.
    return keras.layers.Softmax(name="predictions", dtype="float32")(logits)


def convolution(image: Any, filters: int, size: int, name: str | None = None, **more: Any) -> Any:
    """Return a convolution with ReLU; without padding unless `padding` says otherwise."""
    return keras.layers.Conv2D(filters, size, activation="relu", name=name, **more)(image)


def normalized(x: Any, name: str | None = None) -> Any:
    """Return features after batch normalization, whose means follow the last ten batches or so, as in PyTorch.

    Small training sets make few batches. With Keras's own momentum, 0.99, the means would lag behind the weights for epochs:
    the scores that decide about learning rate and end of the training would be those of another network.
    """
    return keras.layers.BatchNormalization(momentum=0.9, name=name)(x)


def normalized_convolution(image: Any, filters: int, size: int, name: str | None = None, **more: Any) -> Any:
    """Return a convolution, batch normalization and ReLU (called `name`)."""
    x = keras.layers.Conv2D(filters, size, use_bias=False, **more)(image)
    return keras.layers.ReLU(name=name)(normalized(x))
