"""Missing values filled by the first layers of templates: by a value, the mean, along the dates; with or without a mask."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras

from otbtf_qgis.core.base.jsonvalues import Json
from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.models.modelseries import source_facts
from otbtf_qgis.core.models.servingdefaults import ServingDefaults, as_json, from_json
from otbtf_qgis.core.rasters.seriesbands import SeriesLayout
from otbtf_qgis.core.templates import catalogue
from otbtf_qgis.core.templates.normalization import Scaling

NODATA = -5.0
DAYS = (17532.0, 17542.0, 17542.0, 17572.0)  # twice on one day
SCALING = Scaling((10.0, 20.0, 30.0, 40.0), (2.0, 4.0, 5.0, 8.0))


def image_with_gaps() -> np.ndarray:
    random = np.random.default_rng(0)
    image = random.integers(1, 100, (1, 6, 7, 4)).astype("float32")
    gaps = random.random(image.shape) < 0.3
    image[gaps] = np.where(random.random(gaps.sum()) < 0.5, NODATA, np.nan)
    image[0, 0, 0] = NODATA
    image[0, 0, 1] = [NODATA, np.nan, 8.0, np.nan]
    return image


def made(template: str, **options: Any) -> keras.Model:
    return catalogue.create(template, bands=(4,), classes=2, width=2, nodata=NODATA, **options)


def before_the_network(model: keras.Model) -> np.ndarray:
    """Return what comes out of the layers that fill and scale."""
    names = [layer.name for layer in model.layers]
    last = next(name for name in ("source1_masked", "source1_scaled", "source1_filled") if name in names)
    return np.asarray(keras.Model(model.inputs, model.get_layer(last).output)([image_with_gaps()]))


def missing() -> np.ndarray:
    image = image_with_gaps()
    return np.isnan(image) | (image == NODATA)


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize(("fill", "values"), [("value", 7.0), ("mean", (1.0, 2.0, 3.0, 4.0))])
def test_by_band(fill: str, values: Any, mask: bool) -> None:
    given = {"fill_value": values} if fill == "value" else {"means": (values,)}
    model = made("mlp", fill=fill, mask=mask or None, scalings=(SCALING,), **given)
    filled = (np.where(missing(), values, image_with_gaps()) - SCALING.offset) / SCALING.divisor
    found = before_the_network(model)
    np.testing.assert_allclose(found[..., :4], filled, rtol=1e-5, atol=1e-5)
    assert found.shape[-1] == (8 if mask else 4)
    if mask:
        assert np.array_equal(found[..., 4:], missing())


def interpolated() -> np.ndarray:
    """The same series without gaps, merged at each day, by numpy.interp; NaN where nothing is known."""
    image = np.where(missing(), np.nan, image_with_gaps()).reshape(-1, 4)
    days = np.unique(DAYS)
    found = np.full((len(image), len(days)), np.nan)
    for series, result in zip(image, found):
        known = [(day, series[np.array(DAYS) == day]) for day in days]
        known = [(day, values[~np.isnan(values)].mean()) for day, values in known if not np.isnan(values).all()]
        if known:
            result[:] = np.interp(days, *zip(*known))
    return found.reshape(6, 7, len(days))


@pytest.mark.parametrize("template", ["fcnn", "mlp"])
def test_along_the_dates_in_a_network_for_images(template: str) -> None:
    scaling = Scaling((10.0,) * 4, (2.0,) * 4)
    found = before_the_network(made(template, fill="temporal", times=(DAYS,), scalings=(scaling,)))[0]
    expected = np.nan_to_num((interpolated() - 10) / 2, nan=0.0)  # the mean where nothing is known
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("template", ["tempcnn", "utae"])
@pytest.mark.parametrize("fill", ["value", "mean", "temporal"])
def test_series_with_a_mask(template: str, fill: str) -> None:
    model = made(template, fill=fill, mask=True, times=(DAYS,), means=((3.0,) * 4,))
    image = np.random.default_rng(1).random((1, 8, 8, 4)).astype("float32")
    image[0, 2, 2] = np.nan
    found = np.asarray(model([image]))
    assert np.isfinite(found).all()
    first = next(layer for layer in model.layers if layer.name in ("source1_series", "source1_dates"))
    assert first.output.shape[-1] == 1
    joined = [layer for layer in model.layers if isinstance(layer, keras.layers.Concatenate)][0]
    values = np.asarray(keras.Model(model.inputs, joined.output)([image]))
    assert values.shape[-1] == 2 and values[..., 1].sum() == 3  # one pixel, three dates


@pytest.mark.parametrize(
    ("template", "fill", "told"),
    [
        ("tempcnn", "none", "NODATA_FILL is none"),
        ("pan_xs", "temporal", "does not take time series"),
        ("mlp", "x", "NODATA_FILL is 'x'"),
    ],
)
def test_what_does_not_fit_is_refused(template: str, fill: str, told: str) -> None:
    bands = (4, 4) if template == "pan_xs" else (4,)
    with pytest.raises(ParameterError, match=told):
        catalogue.create(template, bands=bands, classes=2, fill=fill)


def test_dates_that_do_not_match_the_bands() -> None:
    with pytest.raises(ParameterError, match="DATES holds 3 dates, which do not divide the 4 bands of source 1"):
        made("mlp", fill="temporal", times=((1.0, 2.0, 4.0),))


@pytest.mark.parametrize("fill", ["value", "mean", "temporal"])
def test_the_model_tells_dates_and_missing_value(fill: str) -> None:
    facts = source_facts(made("tempcnn", fill=fill, times=(DAYS,), order="band-major", band_names=(("NDVI",),)))[
        "source1"
    ]
    assert (facts.filled, facts.series) == (NODATA, SeriesLayout(DAYS, 1, "band-major", ("NDVI",)))
    defaults = ServingDefaults(nodata_rule="0.5", nodata_pixels=0.0, sources={"source1": facts})
    assert from_json(Json(as_json(defaults))) == defaults
    unknown = source_facts(made("tempcnn", fill=fill))["source1"]
    assert unknown.series is None and unknown.filled == NODATA
    assert source_facts(made("mlp")) == {} or math.isnan(source_facts(made("mlp"))["source1"].filled)
