"""Shares between 0 and 1: the loss, the template field_boundaries, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import training_scene as scene
from api_helpers import write

from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.training.losses import TanimotoLoss


def test_the_loss_is_that_of_diakogiannis() -> None:
    expected, found = np.random.default_rng(0).random((2, 3, 4, 5, 2)).astype("float32")
    bands = []
    for band in range(2):
        pair = []
        for label, share in ((expected[..., band], found[..., band]), (1 - expected[..., band], 1 - found[..., band])):
            both = (label * share).sum()
            pair.append(both / ((label**2).sum() + (share**2).sum() - both))
        bands.append(sum(pair) / 2)
    assert float(TanimotoLoss()(expected, found)) == pytest.approx(1 - np.mean(bands), rel=1e-5)
    assert float(TanimotoLoss()(expected, expected)) == pytest.approx(0, abs=1e-6)


def learn(folder: Path, factor: float = 1.0, **more: Any) -> tuple[dict[str, Any], scene.Log]:
    """Train on patches of bright squares: their extent, and made-up boundaries and distances."""
    pixels = np.zeros((12, 8, 8, 2), "float32")
    for number, patch in enumerate(pixels):
        patch[number % 4 : number % 4 + 4, 2:6] = 1
    target = factor * np.stack((pixels[..., 0], 0.5 * pixels[..., 0], 1 - pixels[..., 0]), axis=-1)
    sources = {
        "training.source1.il": [write(folder / "image.tif", pixels)],
        "training.source2.il": [write(folder / "target.tif", target)],
    }
    values = {"model__dir": "template:field_boundaries", "width": 4, "depth": 1, "training__epochs": 5, **more}
    log = scene.Log()
    found = scene.train(
        log,
        **sources,
        **values,
        training__batchsize=4,
        learning_rate=0.02,
        seed=1,
        out__keras=str(folder / "fields.keras"),
        out__history=str(folder / "history.csv"),
    )
    return found, log


def test_field_boundaries_learns_three_bands_by_it(tmp_path: Path) -> None:
    _, log = learn(tmp_path)
    assert any("loss tanimoto" in line for line in log.lines)
    losses = [row["loss"] for row in scene.history(tmp_path / "history.csv")]
    assert losses[-1] < 0.6 * losses[0]


def test_targets_beyond_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="TRAINING_SOURCE2_IL holds the value 255, but LOSS is tanimoto"):
        learn(tmp_path, 255)
