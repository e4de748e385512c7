"""A U-Net for time series of images, trained on tiles with label tiles."""

from __future__ import annotations

import math
from typing import Any

import keras

from ..models.serieslayers import (
    DateEncoding,
    EnlargedAttention,
    ImagesOfDates,
    LightweightAttention,
    SeriesOfImages,
)
from .blocks import classified, normalized, normalized_convolution
from .filling import FilledSource, filled_sources
from .seriesnetworks import since_the_first
from .templateoptions import Options


def utae(options: Options) -> keras.Model:
    """Return a U-Net whose encoder sees each date alone, with attention between the dates at its bottom.

    The weights that the attention gives the dates, enlarged, also join the dates at the finer levels. V. Sainte Fare Garnot,
    L. Landrieu, Panoptic Segmentation of Satellite Image Time Series with Convolutional Temporal Attention Networks, ICCV
    2021: filters of the width at all levels, twice as many at the bottom, half as many at the finest two of the decoder (64,
    128, 32 there); strided convolutions of 4 x 4; attention on 4 times the width with 16 heads and keys of 4 values. Here
    batch normalization replaces that over groups of channels, and zeros the mirrored edges, so that the network is fully
    convolutional: its values depend on a limited surrounding.
    """
    raw, (source,) = filled_sources(options)
    x = _images_of_dates(source)
    levels = [_block(x, options.width, 2)]
    for level in range(1, options.depth + 1):
        filters = options.width * (2 if level == options.depth else 1)
        levels.append(_residual(_halved(levels[-1], filters), filters))
    x, weights = _attended(SeriesOfImages(len(source.dates))(levels.pop()), source.dates, options.width)
    for level in reversed(range(options.depth)):
        filters = options.width if level > 1 else max(options.width // 2, 1)
        series = SeriesOfImages(len(source.dates))(levels[level])
        skipped = EnlargedAttention(2 ** (options.depth - level))([series, weights])
        skipped = normalized_convolution(skipped, options.width, 1)
        x = keras.layers.Concatenate()([_doubled(x, filters), skipped])
        x = _residual(_block(x, filters, 1), filters)
    features = normalized_convolution(x, max(options.width // 2, 1), 3, "features", padding="same")
    return keras.Model(raw, classified(features, options.classes), name="utae")


def _images_of_dates(source: FilledSource) -> Any:
    """Return the scaled image of each date, (batch * dates, rows, columns, bands), with its mask as further bands."""
    assert source.layout is not None  # nosec B101 (tells mypy; the template takes series alone)
    shape = (source.layout.bands, source.layout.order)
    x = ImagesOfDates(*shape, name=f"{source.name}_dates")(source.image)
    if source.scaling is not None:
        x = source.scaling.apply(x, f"{source.name}_scaled")
    if source.mask is None:
        return x
    return keras.layers.Concatenate()([x, ImagesOfDates(*shape, name=f"{source.name}_mask")(source.mask)])


def _block(x: Any, filters: int, convolutions: int) -> Any:
    for _ in range(convolutions):
        x = normalized_convolution(x, filters, 3, padding="same")
    return x


def _residual(x: Any, filters: int) -> Any:
    return keras.layers.Add()([x, _block(x, filters, 1)])


def _halved(x: Any, filters: int) -> Any:
    return normalized_convolution(x, filters, 4, strides=2, padding="same")


def _doubled(x: Any, filters: int) -> Any:
    x = keras.layers.Conv2DTranspose(filters, 4, strides=2, padding="same", use_bias=False)(x)
    return keras.layers.ReLU()(normalized(x))


def _attended(series: Any, dates: list[float], width: int) -> tuple[Any, Any]:
    """Return features (batch, rows, columns, 2 width), and the weights of the dates (batch, rows, columns, dates, heads)."""
    heads = math.gcd(width, 16)  # which weigh shares of the finer levels too
    x = keras.layers.LayerNormalization()(keras.layers.Dense(4 * width)(series))
    x = DateEncoding(since_the_first(dates), 1000.0, heads)(x)
    x, weights = LightweightAttention(heads, 4)(x)
    x = keras.layers.Dense(2 * width, use_bias=False)(x)
    x = keras.layers.Dropout(0.2)(keras.layers.ReLU()(normalized(x)))
    return keras.layers.LayerNormalization()(x), weights
