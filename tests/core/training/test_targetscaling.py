"""Networks learn quantities in whatever unit, and predict them in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import training_scene as scene
from api_helpers import write

from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.models.loading import load_model

UNIT, ZERO = 250.0, 4000.0
"""Of the second unit, in the first: as millimetres above a low sea, say."""


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).random((200, 1, 1, 3)).astype("float32")


@pytest.fixture(scope="module")
def targets(pixels: np.ndarray) -> np.ndarray:
    return np.stack([pixels[..., 0] + pixels[..., 1], 0.1 * pixels[..., 2]], axis=-1)


def learn(folder: Path, pixels: np.ndarray, targets: np.ndarray, **more: Any) -> dict[str, Any]:
    """Train with the image and the target as `image.tif` and `target.tif`."""
    sources = {
        "training.source1.il": [write(folder / "image.tif", pixels)],
        "training.source2.il": [write(folder / "target.tif", targets.astype("float32"))],
    }
    values = {"model__dir": "template:mlp", "out__keras": str(folder / "mlp.keras"), "training__epochs": 6, **more}
    return scene.train(**sources, **values, training__batchsize=20, learning_rate=0.01, seed=1)


def predicted(path: Path, pixels: np.ndarray) -> np.ndarray:
    return np.asarray(load_model(str(path))._keras.predict(pixels, verbose=0)["predictions"])


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory, pixels: np.ndarray, targets: np.ndarray) -> Path:
    folder = tmp_path_factory.mktemp("learned")
    learn(folder, pixels, targets)
    return folder / "mlp.keras"


def test_another_unit_changes_nothing_but_the_unit(
    learned: Path, tmp_path: Path, pixels: np.ndarray, targets: np.ndarray
) -> None:
    results = learn(tmp_path, pixels, UNIT * targets + ZERO)
    assert results["r2"] > 0.8
    first, other = predicted(learned, pixels), predicted(tmp_path / "mlp.keras", pixels)
    differences = np.abs(other - (UNIT * first + ZERO)) / (UNIT * targets.std(axis=(0, 1, 2)))
    assert differences.max() < 0.01


def test_the_model_holds_mean_and_deviation_of_the_target(learned: Path, targets: np.ndarray) -> None:
    layer = load_model(str(learned))._keras.get_layer("predictions")
    np.testing.assert_allclose(layer.mean, targets.mean(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(layer.deviation, targets.std(axis=(0, 1, 2)), rtol=1e-4)


def test_a_further_training_keeps_the_scaling(
    learned: Path, tmp_path: Path, pixels: np.ndarray, targets: np.ndarray
) -> None:
    learn(tmp_path, pixels, targets + 0.5, model__dir=str(learned), training__epochs=1)
    layer = load_model(str(tmp_path / "mlp.keras"))._keras.get_layer("predictions")
    np.testing.assert_allclose(layer.mean, targets.mean(axis=(0, 1, 2)), rtol=1e-5)


def test_the_loss_weighs_bands_of_all_sizes_alike(learned: Path, pixels: np.ndarray, targets: np.ndarray) -> None:
    errors = (predicted(learned, pixels) - targets).std(axis=(0, 1, 2)) / targets.std(axis=(0, 1, 2))
    assert (errors < 0.5).all()


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [(np.nan, "1 of its 200 samples hold values that are no numbers"), (None, "all its values are 7: nothing can be")],
)
def test_targets_from_which_nothing_is_learned_are_refused(
    tmp_path: Path, pixels: np.ndarray, targets: np.ndarray, spoilt: float | None, told: str
) -> None:
    bad = np.full_like(targets, 7.0) if spoilt is None else targets.copy()
    if spoilt is not None:
        bad[3] = spoilt
    with pytest.raises(ParameterError, match=f"TRAINING_SOURCE2_IL is the target, but {told}"):
        learn(tmp_path, pixels, bad)
    assert not (tmp_path / "mlp.keras").exists()
