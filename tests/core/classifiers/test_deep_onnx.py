"""Both operations on deep features take them from a tensor inside an ONNX model."""

from __future__ import annotations

from pathlib import Path

import classifier_scene as scene
import numpy as np
import pytest
import serving

pytest.importorskip("tensorflow")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx_graphs as graphs


def test_quarters_are_found_by_the_features_of_a_tensor(tmp_path: Path) -> None:
    image = serving.write(tmp_path / "image.tif", scene.pixels())
    model = graphs.convolutions(tmp_path / "net.onnx")
    forest = scene.train_deep(tmp_path, image, model, scene.layer(tmp_path / "quarters.gpkg"), output__names="features")
    out, log = str(tmp_path / "map.tif"), serving.Log()
    values = {"source1__il": [image], "deepmodel__dir": model, "output__names": "features", "model": forest["out"]}
    scene.run("ImageClassifierFromDeepFeatures", log, out=out, **values)
    found = serving.read(out)[..., 0]
    rows, columns = np.mgrid[: scene.HEIGHT, : scene.WIDTH]
    expected = np.array([3, 4, 9, 20])[(rows >= scene.HEIGHT // 2) * 2 + (columns >= scene.WIDTH // 2)]
    assert found.shape == expected.shape and (found == expected).mean() > 0.9
    assert "features from x" in log.text


def test_a_map_scales_images_as_the_training_of_the_classifier_did(tmp_path: Path) -> None:
    """Images of bytes would be divided by 255; the classifier has learned from features of unscaled ones."""
    pixels = (scene.pixels() // 10).clip(0, 255).astype("uint8")
    image = serving.write(tmp_path / "image.tif", pixels)
    metadata = {"standardization_mean": "0.4", "standardization_std": "0.1"}
    model = graphs.convolutions(tmp_path / "net.onnx", metadata=metadata)
    layer = scene.layer(tmp_path / "quarters.gpkg")
    forest = scene.train_deep(tmp_path, image, model, layer, output__names="features", images__scaling="off")
    maps = {}
    for name, more in {"remembered": {}, "off": {"images__scaling": "off"}, "on": {"images__scaling": "on"}}.items():
        out, log = str(tmp_path / f"{name}.tif"), serving.Log()
        values = {"source1__il": [image], "deepmodel__dir": model, "model": forest["out"], **more}
        scene.run("ImageClassifierFromDeepFeatures", log, out=out, **values)
        maps[name] = serving.read(out)
        assert ("IMAGES_SCALING=off" in log.text) == (name == "remembered")
    np.testing.assert_array_equal(maps["remembered"], maps["off"])
    assert (maps["remembered"] != maps["on"]).any()
