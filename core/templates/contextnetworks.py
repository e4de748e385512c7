"""Networks that classify every pixel from a wide context: trained on tiles with label tiles."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from ..models.attentionlayers import PlaceAttention
from .blocks import inputs, normalized, normalized_convolution
from .templateoptions import Options

_RATES = (3, 6, 9)
_HEADS = (1, 2, 5, 8)
_REDUCTIONS = (8, 4, 2, 1)
_STOCHASTIC_DEPTH = 0.1


def deeplabv3plus(options: Options) -> keras.Model:
    """Return DeepLabV3+: a residual encoder, atrous spatial pyramid pooling, and a decoder that joins finer features.

    L.-C. Chen, Y. Zhu, G. Papandreou, F. Schroff, H. Adam, Encoder-Decoder with Atrous Separable Convolution for Semantic
    Image Segmentation, ECCV 2018: separable convolutions throughout, outputs of the encoder at a sixteenth of the
    resolution, the decoder at a quarter. The encoder is a small one after their modified Xception: strided blocks of 4, 8 and
    16 times the width (128, 256 and 728 filters there), and `depth` blocks between encoder and pyramid (16 there). The rates
    of the pyramid are 3, 6 and 9, half of theirs, as patches are smaller than their 513 pixels. Image pooling, the mean of
    the whole image as a branch of the pyramid, is an option: without it, the network is fully convolutional.
    """
    raw, (x,) = inputs(options)
    width = options.width
    x = normalized_convolution(x, width, 3, strides=2, padding="same")
    x = normalized_convolution(x, 2 * width, 3, padding="same")
    x = fine = _xception_block(x, 4 * width, 2)
    for filters in (8 * width, 16 * width):
        x = _xception_block(x, filters, 2)
    for _ in range(options.depth):
        x = _xception_block(x, 16 * width, 1)
    x = _pyramid(x, 8 * width, options.image_pooling)
    x = keras.layers.UpSampling2D(4, interpolation="bilinear")(x)
    skipped = normalized_convolution(fine, max(1, 3 * width // 2), 1)  # 48 of 256 in the paper
    x = keras.layers.Concatenate()([x, skipped])
    x = _separable(_separable(x, 8 * width), 8 * width, name="features")
    return keras.Model(raw, _enlarged_classes(x, options.classes), name="deeplabv3plus")


def _pyramid(x: Any, filters: int, image_pooling: bool) -> Any:
    """Return atrous spatial pyramid pooling; the mean of the image joins it by a sum, which is what a concatenation gives."""
    branches = [normalized_convolution(x, filters, 1), *(_separable(x, filters, rate=rate) for rate in _RATES)]
    joined = keras.layers.Conv2D(filters, 1, use_bias=False)(keras.layers.Concatenate()(branches))
    if image_pooling:
        mean = normalized_convolution(keras.layers.GlobalAveragePooling2D(keepdims=True)(x), filters, 1)
        joined = keras.layers.Add()([joined, keras.layers.Conv2D(filters, 1, use_bias=False)(mean)])
    return keras.layers.Dropout(0.1)(keras.layers.ReLU()(normalized(joined)))


def _xception_block(x: Any, filters: int, stride: int) -> Any:
    """Return two separable convolutions, the second strided, beside a shortcut."""
    y = _separable(_separable(x, filters), filters, stride)
    if stride == 1 and x.shape[-1] == filters:
        return keras.layers.Add()([x, y])
    shortcut = keras.layers.Conv2D(filters, 1, strides=stride, use_bias=False)(x)
    return keras.layers.Add()([normalized(shortcut), y])


def _separable(x: Any, filters: int, stride: int = 1, rate: int = 1, name: str | None = None) -> Any:
    """Return a depthwise and a pointwise convolution, each with batch normalization and ReLU (the last called `name`)."""
    x = keras.layers.DepthwiseConv2D(3, strides=stride, dilation_rate=rate, padding="same", use_bias=False)(x)
    x = keras.layers.ReLU()(normalized(x))
    return normalized_convolution(x, filters, 1, name)


def segformer_b0(options: Options) -> keras.Model:
    """Return SegFormer: four levels of transformer blocks, and a decoder of dense layers alone.

    E. Xie, W. Wang, Z. Yu, A. Anandkumar, J. M. Alvarez, P. Luo, SegFormer: Simple and Efficient Design for Semantic
    Segmentation with Transformers, NeurIPS 2021. With the default width (32) and depth (2 blocks a level) it is their B0.
    Keys and values are reduced by strided convolutions; there is no encoding of places, as zeros around the image tell them.
    """
    raw, (x,) = inputs(options)
    dropped = iter(np.linspace(0, _STOCHASTIC_DEPTH, 4 * options.depth))
    levels = []
    for level, (heads, reduction) in enumerate(zip(_HEADS, _REDUCTIONS)):
        x = _embedded(x, options.width * heads, *((7, 4) if level == 0 else (3, 2)))
        for _ in range(options.depth):
            x = _transformer_block(x, heads, reduction, float(next(dropped)))
        x = keras.layers.LayerNormalization(epsilon=1e-6)(x)
        levels.append(x)
    filters = 8 * options.width
    joined = [_enlarged(keras.layers.Dense(filters)(each), 2**level) for level, each in enumerate(levels)]
    x = normalized_convolution(keras.layers.Concatenate()(joined), filters, 1, "features")
    x = keras.layers.Dropout(0.1)(x)
    return keras.Model(raw, _enlarged_classes(x, options.classes), name="segformer_b0")


def _embedded(x: Any, channels: int, size: int, stride: int) -> Any:
    """Return features of overlapping patches."""
    x = keras.layers.ZeroPadding2D(size // 2)(x)
    x = keras.layers.Conv2D(channels, size, strides=stride)(x)
    return keras.layers.LayerNormalization(epsilon=1e-6)(x)


def _transformer_block(x: Any, heads: int, reduction: int, dropped: float) -> Any:
    """Return attention and a mixed feed-forward network, each beside a shortcut."""
    channels = x.shape[-1]
    y = less = keras.layers.LayerNormalization(epsilon=1e-6)(x)
    if reduction > 1:
        less = keras.layers.Conv2D(channels, reduction, strides=reduction)(y)
        less = keras.layers.LayerNormalization(epsilon=1e-6)(less)
    query, key, value = (keras.layers.Dense(channels)(each) for each in (y, less, less))
    y = keras.layers.Dense(channels)(PlaceAttention(heads)([query, key, value]))
    x = keras.layers.Add()([x, _left_out(y, dropped)])
    y = keras.layers.Dense(4 * channels)(keras.layers.LayerNormalization(epsilon=1e-6)(x))
    y = keras.layers.DepthwiseConv2D(3, padding="same")(y)
    y = keras.layers.Dense(channels)(keras.layers.Activation("gelu")(y))
    return keras.layers.Add()([x, _left_out(y, dropped)])


def _left_out(x: Any, share: float) -> Any:
    """Return a branch that training leaves out for a share of the images (stochastic depth)."""
    return keras.layers.Dropout(share, noise_shape=(None, 1, 1, 1))(x) if share else x


def _enlarged(x: Any, factor: int) -> Any:
    return x if factor == 1 else keras.layers.UpSampling2D(factor, interpolation="bilinear")(x)


def _enlarged_classes(features: Any, classes: int) -> Any:
    """Return probabilities of classes from features at a quarter of the resolution."""
    logits = keras.layers.Conv2D(classes, 1)(features)
    logits = keras.layers.UpSampling2D(4, interpolation="bilinear", name="logits")(logits)
    return keras.layers.Softmax(name="predictions", dtype="float32")(logits)
