"""The layer of calibrated probabilities."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.models.loading import load_model
from otbtf_qgis.core.models.temperaturelayer import TemperatureScaling


def softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


LOGITS = np.random.default_rng(0).normal(0, 4, (2, 3, 4, 5))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.2])
def test_logits_and_probabilities_give_the_same(temperature: float) -> None:
    expected = softmax(LOGITS / temperature)
    of_logits = TemperatureScaling(temperature, "x", logits=True)(LOGITS.astype("float32"))
    of_probabilities = TemperatureScaling(temperature, "x")(softmax(LOGITS).astype("float32"))
    np.testing.assert_allclose(of_logits, expected, atol=1e-6)
    np.testing.assert_allclose(of_probabilities, expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 60), (2, 3, 4, 5, 1)])
def test_one_value_is_a_sigmoid(shape: tuple[int, ...]) -> None:
    logits = LOGITS.reshape(shape) if shape[-1] == 1 else LOGITS.reshape(shape)[..., None]
    expected = 1 / (1 + np.exp(-logits / 2))
    found = TemperatureScaling(2.0, "x")((1 / (1 + np.exp(-logits))).astype("float32"))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    pixels = TemperatureScaling(2.0, "x", logits=True)(logits.reshape(2, 6, 10).astype("float32"))
    np.testing.assert_allclose(pixels, expected.reshape(2, 6, 10), atol=1e-6)


def test_probabilities_of_0_and_1_and_nan() -> None:
    rounded = np.array([[0, 1, 0], [np.nan, 0.5, 0.5]], "float32")
    found = np.asarray(TemperatureScaling(2.0, "x")(rounded))
    np.testing.assert_allclose(found[0], [0, 1, 0], atol=1e-15)
    assert np.isnan(found[1]).any()
    single = np.asarray(TemperatureScaling(2.0, "x")(np.array([[0.0], [1.0]], "float32")))
    assert single.sum() == pytest.approx(1) and 0 < single[0, 0] < 1e-3


def test_it_is_saved_with_its_model_and_loads_in_safe_mode(tmp_path: Path) -> None:
    image = keras.Input((5,), name="image")
    calibrated = TemperatureScaling(1.7, "uncalibrated", name="predictions")(
        keras.layers.Softmax(name="uncalibrated")(image)
    )
    path = tmp_path / "net.keras"
    keras.Model(image, calibrated).save(path)
    loaded = load_model(str(path))
    values = LOGITS.reshape(-1, 5).astype("float32")
    (found,) = loaded.function(["image"], ["predictions"])({"image": values})
    np.testing.assert_allclose(found, softmax(values / 1.7), atol=1e-6)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf"), float("nan")])
def test_a_temperature_is_above_0(temperature: float) -> None:
    with pytest.raises(ParameterError, match="must be above 0"):
        TemperatureScaling(temperature, "x")
