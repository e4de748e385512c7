"""Layers of networks for time series: what they compute, against NumPy, and that saved models with them load."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from otbtf_qgis.core.errors import ParameterError

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from otbtf_qgis.core import layers as public  # noqa: E402
from otbtf_qgis.core.models import serieslayers as layers  # noqa: E402
from otbtf_qgis.core.models.loading import load_model  # noqa: E402
from otbtf_qgis.core.parameters.seriesorders import BAND_MAJOR, DATE_MAJOR  # noqa: E402


def image_of(series: np.ndarray, order: str) -> np.ndarray:
    """An image (batch, rows, columns, channels) of series (batch, rows, columns, dates, bands)."""
    series = series if order == DATE_MAJOR else np.moveaxis(series, 4, 3)
    return series.reshape(*series.shape[:3], -1)


def test_the_module_for_scripts_has_all_of_them() -> None:
    """So that `keras.models.load_model` finds them where it was imported."""
    own = {name for name, kind in vars(layers).items() if getattr(kind, "__module__", "") == layers.__name__}
    classes = {name for name in own if isinstance(getattr(layers, name), type)}
    assert "SeriesOfPixels" in classes and classes <= set(public.__all__)


@pytest.mark.parametrize("order", [DATE_MAJOR, BAND_MAJOR])
def test_pixels_and_images_of_a_series_there_and_back(order: str) -> None:
    series = np.random.default_rng(0).random((2, 3, 4, 5, 6)).astype("float32")
    image = image_of(series, order)
    pixels = layers.SeriesOfPixels(6, order)(image)
    np.testing.assert_array_equal(pixels, series.reshape(-1, 5, 6))
    np.testing.assert_array_equal(layers.ImageOfPixels()([pixels[:, 2], image]), series[..., 2, :])
    images = layers.ImagesOfDates(6, order)(image)
    np.testing.assert_array_equal(images, np.moveaxis(series, 3, 1).reshape(10, 3, 4, 6))
    np.testing.assert_array_equal(layers.SeriesOfImages(5)(images), series)


def test_the_encoding_of_dates() -> None:
    added = layers.DateEncoding([0.0, 3.0, 40.0], 1000.0, 2)(np.ones((1, 3, 8), "float32"))[0] - 1
    day = np.array([0.0, 3.0, 40.0])
    slow = day / 1000.0**0.5
    expected = np.stack([np.sin(day), np.cos(day), np.sin(slow), np.cos(slow)], axis=1)
    np.testing.assert_allclose(added, np.tile(expected, 2), atol=1e-6)


def test_lightweight_attention_is_that_of_queries_and_keys() -> None:
    series = np.random.default_rng(0).normal(size=(7, 5, 6)).astype("float32")
    layer = layers.LightweightAttention(2, 4)
    found, weights = layer(series)
    query, key = (weight.numpy() for weight in layer.weights)
    for head in range(2):
        scores = (series @ key[:, head]) @ query[head] / 2.0
        expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(weights[..., head], expected, rtol=1e-4)
        share = slice(3 * head, 3 * head + 3)
        np.testing.assert_allclose(
            found[:, share], np.einsum("nd,ndc->nc", expected, series[..., share]), rtol=1e-4, atol=1e-5
        )
    with pytest.raises(ParameterError, match="heads is 4, which does not divide the 6 channels"):
        layers.LightweightAttention(4)(series)


def test_enlarged_attention() -> None:
    generator = np.random.default_rng(0)
    series, weights = generator.random((1, 4, 6, 5, 4), "float32"), generator.random((1, 2, 3, 5, 2), "float32")
    found = layers.EnlargedAttention(2)([series, weights]).numpy()
    finer = tf.image.resize(weights.reshape(1, 2, 3, 10), (4, 6)).numpy().reshape(1, 4, 6, 5, 2)
    for head in range(2):
        share = slice(2 * head, 2 * head + 2)
        expected = np.einsum("brcd,brcdk->brck", finer[..., head], series[..., share])
        np.testing.assert_allclose(found[..., share], expected, rtol=1e-5)


def test_saved_models_load_in_safe_mode(tmp_path: Path) -> None:
    image = keras.Input((None, None, 6), name="image")
    by_pixel = layers.DateEncoding([1, 2, 3], groups=2)(layers.SeriesOfPixels(2, BAND_MAJOR)(image))
    features, _ = layers.LightweightAttention(2, 3, 0.2)(by_pixel)
    pixels = layers.ImageOfPixels(name="pixels")([features, image])
    series = layers.SeriesOfImages(3)(layers.ImagesOfDates(2, BAND_MAJOR)(image))
    _, weights = layers.LightweightAttention(1)(series)
    attended = layers.EnlargedAttention(1, name="attended")([series, weights])
    model = keras.Model(image, [pixels, attended])
    model.save(tmp_path / "net.keras")
    values = np.random.default_rng(0).random((2, 3, 5, 6)).astype("float32")
    found = load_model(str(tmp_path / "net.keras")).function(["image"], ["pixels", "attended"])({"image": values})
    for one, two in zip(found, model(values)):
        np.testing.assert_allclose(one, two, rtol=1e-6)


def test_a_model_of_mixed_precision_loads_under_another_policy(tmp_path: Path) -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        series = keras.Input((3, 4), name="series")
        attended, _ = layers.LightweightAttention(2)(layers.DateEncoding([1, 2, 3])(series))
        model = keras.Model(series, keras.layers.Identity(name="end", dtype="float32")(attended))
        values = np.random.default_rng(0).random((5, 3, 4)).astype("float32")
        expected = model(values)
        model.save(tmp_path / "net.keras")
    finally:
        keras.config.set_dtype_policy(before)
    found = load_model(str(tmp_path / "net.keras")).function(["series"], ["end"])({"series": values})
    np.testing.assert_allclose(found[0], expected, rtol=1e-2)
