"""Models without weights: formulas on pixels."""

from __future__ import annotations

import keras

from ..bandmath.expressionlayer import BandArithmetic
from ..errors import ParameterError, field
from ..models.keraslayers import HarmonicFit
from .blocks import inputs
from .templateoptions import Options


def scalar_product(options: Options) -> keras.Model:
    """Return the sum over the bands of the products of two images."""
    if options.bands[0] != options.bands[1]:
        raise ParameterError(
            "The sources of scalar_product have {band} and {options_bands} bands, but must have the same number: "
            "choose other images.",
            band=options.bands[0],
            options_bands=options.bands[1],
        )
    raw, (one, two) = inputs(options)
    product = keras.ops.sum(keras.layers.Multiply()([one, two]), axis=-1, keepdims=True)
    return keras.Model(raw, keras.layers.Identity(name="values")(product), name="scalar_product")


def norm(options: Options) -> keras.Model:
    """Return the root of the sum over the bands of squares."""
    raw, (image,) = inputs(options)
    length = keras.ops.sqrt(keras.ops.sum(keras.ops.square(image), axis=-1, keepdims=True))
    return keras.Model(raw, keras.layers.Identity(name="values")(length), name="norm")


def band_arithmetic(options: Options) -> keras.Model:
    """Return what an expression of BandMathX makes of each pixel."""
    raw, images = inputs(options)
    layer = BandArithmetic(options.expression, dict(options.statistics), name="values")
    return keras.Model(raw, layer(images), name="band_arithmetic")


def harmonic(options: Options) -> keras.Model:
    """Return the coefficients of a trend and of sine waves that fit each pixel's time series best."""
    times = options.times_of_first_source
    if len(times) != options.bands[0]:
        raise ParameterError(
            "{dates} holds {times_count} dates, but source 1 has {band} bands: the template harmonic needs the date "
            "of each band.",
            dates=field("dates"),
            times_count=len(times),
            band=options.bands[0],
        )
    raw, (series,) = inputs(options)
    layer = HarmonicFit(times, options.period, options.harmonics, options.nodata_of(1), name="values")
    return keras.Model(raw, layer(series), name="harmonic")
