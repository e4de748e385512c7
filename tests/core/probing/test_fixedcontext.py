"""A context of fixed size in the sidecar: stored when a model is described, exported or trained, and served by itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import small_models
import training_scene as scene
from described_models import serve

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.models.sidecar import read_sidecar


def context_of(model: str) -> int | None:
    sidecar = read_sidecar(model)
    assert sidecar is not None and sidecar.serving_defaults is not None
    return sidecar.serving_defaults.context


def image(folder: Path) -> str:
    """An image whose windows have different means, which a network that sees all of it shows."""
    path = small_models.image(folder)
    data = small_models.gdal.Open(path, small_models.gdal.GA_Update)
    ramp = np.linspace(0, 3, data.RasterXSize, dtype="float32")
    data.WriteArray(data.ReadAsArray() + ramp)
    data = None
    return path


def pixels(model: str, path: str, folder: Path, **more: Any) -> np.ndarray:
    return small_models.read(serve(model, [path], folder, **more)["out"])


def test_describing_a_model_stores_its_context(tmp_path: Path) -> None:
    model, path = small_models.save(small_models.attention(), tmp_path), image(tmp_path)
    asked = pixels(model, path, tmp_path, **{"model.context": 32})
    values = {"model.dir": model, "sidecar": True, "probing": "fast"}
    page = tmp_path / "page.html"
    told = registry.run("DescribeModel", {**values, "model.context": 32, "out.html": str(page)})
    assert told["verdict"] == "context of fixed size: 32 x 32"
    assert told["verdict"] in page.read_text(encoding="utf-8")
    assert context_of(model) == 32
    by_itself = pixels(model, path, tmp_path)
    at_once = pixels(model, path, tmp_path, **{"model.context": 0})
    np.testing.assert_array_equal(by_itself, asked)
    assert not np.allclose(at_once, asked)
    out = tmp_path / "exported"
    registry.run("ExportSavedModel", {"model.dir": model, "out": str(out)})
    assert context_of(str(out)) == 32
    registry.run("DescribeModel", {**values, "model.context": 0})
    assert context_of(model) is None


def test_a_context_that_the_model_does_not_take_is_not_stored(tmp_path: Path) -> None:
    model = small_models.save(small_models.attention(), tmp_path)
    with pytest.raises(ParameterError, match="MODEL_CONTEXT is 31, but half a window"):
        registry.run("ExportSavedModel", {"model.dir": model, "out": str(tmp_path / "out"), "model.context": 31})
    assert not (tmp_path / "out").exists()


def test_training_stores_the_size_of_its_patches(tmp_path: Path) -> None:
    import keras

    keras.utils.set_random_seed(2)
    taken = keras.Input((None, None, 3), name="image")
    hidden = keras.layers.Conv2D(4, 3, padding="same")(keras.layers.Rescaling(0.01)(taken))
    seen = keras.layers.Add()([hidden, keras.layers.GlobalAveragePooling2D(keepdims=True)(hidden)])
    scores = keras.layers.Conv2D(3, 1, activation="softmax", name="predictions")(seen)
    keras.Model(taken, scores).save(tmp_path / "net.keras")
    scene.train(
        scene.Log(),
        **scene.keyed("training", scene.tiles(tmp_path, "tiles", 6)),
        model__dir=str(tmp_path / "net.keras"),
        model__saveto=str(tmp_path / "model"),
        training__epochs=1,
        ignored_label=9,
    )
    model = str(tmp_path / "model")
    assert context_of(model) == 8
    text = json.loads((tmp_path / "model" / "mlm.json").read_text(encoding="utf-8"))["properties"]
    assert text["otbtf:serving"]["context"] == 8
    path = image(tmp_path)
    classes = pixels(model, path, tmp_path)
    values = pixels(model, path, tmp_path, **{"output.names": "predictions"})
    np.testing.assert_array_equal(classes[0], values.argmax(axis=0))
