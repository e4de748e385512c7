"""Classifiers of the time series of each pixel: gaps are filled inside the model, neighbours take no part.

Each source is a series with dates of its own; all are on one grid. A network makes features of each series, which are
joined before the classes. Series come to it with the shape (pixels, dates, bands).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras

from ..models.serieslayers import DateEncoding, ImageOfPixels, LightweightAttention, SeriesOfPixels
from .blocks import classified, normalized
from .filling import FilledSource, filled_sources
from .serieslayout import days_of_year
from .templateoptions import Options


def series_of_pixels(source: FilledSource) -> Any:
    """Return the scaled series of each pixel, (pixels, dates, bands), with its mask as further bands where there is one."""
    assert source.layout is not None  # nosec B101 (tells mypy; these templates take series alone)
    shape = (source.layout.bands, source.layout.order)
    series = SeriesOfPixels(*shape, name=f"{source.name}_series")(source.image)
    if source.scaling is not None:
        series = source.scaling.apply(series, f"{source.name}_scaled")
    if source.mask is None:
        return series
    return keras.layers.Concatenate()([series, SeriesOfPixels(*shape, name=f"{source.name}_mask")(source.mask)])


def _classifier(options: Options, network: Callable[[Any, list[float], Options], Any]) -> keras.Model:
    """Return a model of the features, (pixels, n), that a network makes of the series and dates of each source."""
    raw, series = filled_sources(options)
    found = [network(series_of_pixels(source), source.dates, options) for source in series]
    together = found[0] if len(found) == 1 else keras.layers.Concatenate()(found)
    features = ImageOfPixels(name="features")([together, raw[0]])
    return keras.Model(raw, classified(features, options.classes), name=options.template.name)


def tempcnn(options: Options) -> keras.Model:
    """Return TempCNN: convolutions along the dates, and a dense layer on what they make of all of them.

    C. Pelletier, G. I. Webb, F. Petitjean, Temporal Convolutional Neural Network for the Classification of Satellite
    Image Time Series, Remote Sensing 11(5), 2019: 3 convolutions of 5 dates and 64 filters, a dense layer of 256 units,
    each with batch normalization, ReLU and a dropout of 0.5; weights decay by 1e-6.
    """
    return _classifier(options, _tempcnn)


def _tempcnn(x: Any, _dates: list[float], options: Options) -> Any:
    def activated(y: Any) -> Any:
        return keras.layers.Dropout(0.5)(keras.layers.ReLU()(normalized(y)))

    decay = keras.regularizers.L2(1e-6)
    for _ in range(options.depth):
        x = activated(keras.layers.Conv1D(options.width, 5, padding="same", kernel_regularizer=decay)(x))
    return activated(keras.layers.Dense(4 * options.width, kernel_regularizer=decay)(keras.layers.Flatten()(x)))


def gru(options: Options) -> keras.Model:
    """Return a recurrent network that reads the series both ways, and weighs its states by attention.

    Gated recurrent units as D. Ienco et al., Land Cover Classification via Multitemporal Spatial Data by Deep Recurrent
    Neural Networks, IEEE GRSL 14(10), 2017, use them; attention and a dropout of 0.4 as P. Benedetti, D. Ienco et al.,
    M3Fusion, IEEE JSTARS 11(12), 2018.
    """
    return _classifier(options, _gru)


def _gru(x: Any, _dates: list[float], options: Options) -> Any:
    states = keras.layers.Bidirectional(keras.layers.GRU(options.width, return_sequences=True))(x)
    scores = keras.layers.Dense(1, use_bias=False)(keras.layers.Dense(options.width, activation="tanh")(states))
    attended = keras.layers.Dot(axes=1)([keras.layers.Softmax(axis=1)(scores), states])
    return keras.layers.Dropout(0.4)(keras.layers.Flatten()(attended))


def ltae(options: Options) -> keras.Model:
    """Return a lightweight temporal attention encoder on the bands of each pixel.

    V. Sainte Fare Garnot, L. Landrieu, Lightweight Temporal Self-Attention for Classifying Satellite Images Time Series,
    AALTD 2020: 16 heads with keys of 8 values, waves of the days with base 1000, a dense layer of half the width, dropouts of
    0.1 (attention) and 0.2. Their encoder of sets of pixels is a perceptron on one pixel here, and the width 128 where they
    have 256.
    """
    return _classifier(options, _ltae)


def _ltae(x: Any, dates: list[float], options: Options) -> Any:
    for units in (max(options.width // 4, 1), options.width):
        x = keras.layers.Dense(units, use_bias=False)(x)
        x = keras.layers.ReLU()(normalized(x))
    heads = math.gcd(options.width, 16)
    x = DateEncoding(since_the_first(dates), 1000.0, heads)(keras.layers.LayerNormalization()(x))
    x, _ = LightweightAttention(heads, 8)(x)
    x = keras.layers.Dense(max(options.width // 2, 1), use_bias=False)(x)
    x = keras.layers.ReLU()(normalized(x))
    return keras.layers.LayerNormalization()(keras.layers.Dropout(0.2)(x))


def since_the_first(dates: list[float]) -> list[float]:
    """Return dates in days since the first of them."""
    return [date - dates[0] for date in dates]


def time_series_transformer(options: Options) -> keras.Model:
    """Return the encoder of a transformer, with the largest value over the dates as its features.

    M. Russwurm, M. Koerner, Self-Attention for Raw Optical Satellite Time Series Classification, ISPRS Journal 169, 2020:
    3 layers of width 64 with a dense part of 4 times the width; positions are the days of the year, with base 10000, as Y.
    Yuan, L. Lin, Self-Supervised Pretraining of Transformers for Satellite Image Time Series Classification, IEEE JSTARS
    14, 2021, have them, with their 8 heads and their dropout of 0.1.
    """
    return _classifier(options, _transformer)


def _transformer(x: Any, dates: list[float], options: Options) -> Any:
    heads = math.gcd(options.width, 8)
    x = keras.layers.LayerNormalization()(keras.layers.Dense(options.width)(x))
    x = DateEncoding(days_of_year(dates), 10000.0)(x)
    for _ in range(options.depth):
        seen = keras.layers.MultiHeadAttention(heads, options.width // heads, dropout=0.1)(x, x)
        x = keras.layers.LayerNormalization()(x + keras.layers.Dropout(0.1)(seen))
        inner = keras.layers.Dense(4 * options.width, activation="relu")(x)
        inner = keras.layers.Dropout(0.1)(keras.layers.Dense(options.width)(inner))
        x = keras.layers.LayerNormalization()(x + inner)
    return keras.layers.GlobalMaxPooling1D()(x)
