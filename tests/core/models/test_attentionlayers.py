"""Attention to the places of an image: what it computes, against NumPy, and that saved models with it load."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from otbtf_qgis.core.errors import ParameterError

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")

from otbtf_qgis.core.models.attentionlayers import PlaceAttention, TanhGelu  # noqa: E402
from otbtf_qgis.core.models.loading import load_model  # noqa: E402


def test_each_place_sees_all_places_of_the_other_image() -> None:
    generator = np.random.default_rng(0)
    queries = generator.normal(size=(2, 3, 5, 6)).astype("float32")
    keys, values = generator.normal(size=(2, 2, 2, 4, 6)).astype("float32")[:, :, :, :3]
    found = PlaceAttention(2)([queries, keys, values])
    expected = np.zeros_like(queries)
    for image, row, column, head in np.ndindex(2, 3, 5, 2):
        share = slice(3 * head, 3 * head + 3)
        weights = np.exp(keys[image, ..., share] @ queries[image, row, column, share] / np.sqrt(3))
        seen = (weights[..., None] * values[image, ..., share]).sum(axis=(0, 1)) / weights.sum()
        expected[image, row, column, share] = seen
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ParameterError, match="heads is 4, which does not divide the 6 channels"):
        PlaceAttention(4)([queries, keys, values])


def test_a_saved_model_with_it_loads(tmp_path: Path) -> None:
    image = keras.Input((None, None, 4), name="image")
    keras.Model(image, PlaceAttention(2)([image, image, image])).save(tmp_path / "net.keras")
    pixels = np.random.default_rng(1).random((1, 3, 2, 4), "float32")
    loaded = load_model(str(tmp_path / "net.keras"))._keras
    np.testing.assert_array_equal(loaded(pixels), PlaceAttention(2)([pixels] * 3))


def test_the_gelu_of_kerashub(tmp_path: Path) -> None:
    """From a file, and by the formula of Hendrycks and Gimpel."""
    image = keras.Input((None, None, 2), name="image")
    keras.Model(image, TanhGelu()(image)).save(tmp_path / "net.keras")
    pixels = np.linspace(-4, 4, 24, dtype="float32").reshape(1, 3, 4, 2)
    found = load_model(str(tmp_path / "net.keras"))._keras(pixels)
    x = pixels.astype("float64")
    np.testing.assert_allclose(found, x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))), atol=1e-6)
