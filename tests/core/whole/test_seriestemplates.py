"""Templates for time series learn from patches of one pixel and from tiles, named or made by CreateModel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import training_scene as scene
from api_helpers import write
from template_models import create

from otbtf_qgis.core.models.loading import load_model


def learned(model: str, sources: dict[str, Any], path: Path, **more: Any) -> dict[str, Any]:
    settings = {"training__epochs": 12, "training__batchsize": 16, "learning_rate": 0.01, "validation__share": 0.25}
    values = {**scene.keyed("training", sources), "model__dir": model, "out__keras": str(path), "seed": 1}
    return scene.train(**values, **{**settings, **more})


def test_a_template_by_name_scales_all_dates_alike(tmp_path: Path) -> None:
    sources = scene.patches(tmp_path, "points", 160, side=1)
    results = learned("template:ltae", sources, tmp_path / "ltae.keras")
    assert results["kappa"] > 0.7
    scaled = load_model(str(tmp_path / "ltae.keras"))._keras.get_layer("source1_scaled")
    assert np.asarray(scaled.mean).size == 1


def test_a_created_model_learns_from_tiles_with_gaps(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, (24, 8, 8, 1))
    series = np.where(labels == 1, [10, 20, 30, 40, 50, 60], [60, 50, 40, 30, 20, 10]) + random.normal(
        0, 4, (24, 8, 8, 6)
    )
    series[random.random(series.shape) < 0.4] = -1
    sources = {
        "source1.il": [write(tmp_path / "tiles.tif", series.astype("float32"))],
        "source2.il": [write(tmp_path / "labels.tif", labels.astype("uint8"))],
    }
    made = create(
        tmp_path, "tempcnn", bands="6", classes=2, width=16, nodata=-1, normalization="scale", scale=0.02, dates="6"
    )
    results = learned(made["out.keras"], sources, tmp_path / "out.keras", training__epochs=25, training__batchsize=2)
    assert results["kappa"] > 0.9
