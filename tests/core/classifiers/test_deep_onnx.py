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
