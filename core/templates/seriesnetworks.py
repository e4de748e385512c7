"""Classifiers of the time series of each pixel: gaps are filled inside the model, neighbours take no part.

Each source is a series with dates of its own; all are on one grid. A network makes features of each series, which are
joined before the classes. Series come to it with the shape (pixels, dates, bands).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from ..errors import ParameterError
from ..models.missingvalues import FillNodata, TemporalInterpolation
from ..models.serieslayers import DateEncoding, ImageOfPixels, LightweightAttention, SeriesOfPixels
from .blocks import classified
from .normalization import Scaling
from .serieslayout import SeriesLayout, days_of_year, layouts
from .templateoptions import Options


@dataclass(frozen=True)
class FilledSeries:
    """A source without gaps.

    Attributes:
        image: Keras tensor of (batch, rows, columns, dates * bands).
        dates: in days since 1970-01-01.
        layout: of the source, whose order and number of bands the image has.
        scaling: of the bands of a date; None where they are taken as they are.
        name: of the source.
    """

    image: Any
    dates: list[float]
    layout: SeriesLayout
    scaling: Scaling | None
    name: str

    @property
    def pixels(self) -> Any:
        """The scaled series of each pixel: (pixels, dates, bands)."""
        series = SeriesOfPixels(self.layout.bands, self.layout.order, name=f"{self.name}_series")(self.image)
        return series if self.scaling is None else self.scaling.apply(series, f"{self.name}_scaled")


def filled_series(options: Options) -> tuple[list[Any], list[FilledSeries]]:
    """Return the inputs `source1`, `source2`, ..., and their series without gaps.

    A pixel without any value gets the mean over the training data, which networks know as 0: what it is classified as
    means nothing, but it does not spoil the others of a batch, as NaN would.
    """
    raw, found = [], []
    for number, (channels, layout, given) in enumerate(zip(options.bands, layouts(options), options.scalings), 1):
        name = f"source{number}"
        image = keras.Input((None, None, channels), name=name)
        fill = TemporalInterpolation(
            layout.times, layout.bands, layout.order, options.step or None, options.nodata, name=f"{name}_interpolated"
        )
        scaling = _scaling_of_bands(given, layout, number)
        means = [0.0] * layout.bands if scaling is None else list(scaling.offset)
        dates = len(fill.dates)
        by_channel = means * dates if layout.date_major else [mean for mean in means for _ in range(dates)]
        filled = FillNodata(options.nodata, by_channel, name=f"{name}_filled")(fill(image))
        raw.append(image)
        found.append(FilledSeries(filled, fill.dates, layout, scaling, name))
    return raw, found


def _scaling_of_bands(scaling: Scaling | None, layout: SeriesLayout, number: int) -> Scaling | None:
    """Return the scaling of each band, which has to be the same at all dates: else the series would lose its shape."""
    if scaling is None:
        return None
    bands = [layout.channels_of(band) for band in range(layout.bands)]
    if any(len({(scaling.offset[i], scaling.divisor[i]) for i in channels}) > 1 for channels in bands):
        raise ParameterError(
            "The scalings of source {number} differ from date to date, which would change the shape of its series: "
            "pool the statistics of each band over the dates (templates.serieslayout.pooled_statistics).",
            number=number,
        )
    first = [channels[0] for channels in bands]
    return Scaling(tuple(scaling.offset[i] for i in first), tuple(scaling.divisor[i] for i in first))


def _classifier(options: Options, network: Callable[[Any, list[float], Options], Any]) -> keras.Model:
    """Return a model of the features, (pixels, n), that a network makes of the series and dates of each source."""
    raw, series = filled_series(options)
    found = [network(source.pixels, source.dates, options) for source in series]
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
        return keras.layers.Dropout(0.5)(keras.layers.ReLU()(keras.layers.BatchNormalization()(y)))

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
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    heads = math.gcd(options.width, 16)
    x = DateEncoding(since_the_first(dates), 1000.0, heads)(keras.layers.LayerNormalization()(x))
    x, _ = LightweightAttention(heads, 8)(x)
    x = keras.layers.Dense(max(options.width // 2, 1), use_bias=False)(x)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
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
