"""Files that version 0.1.0 saved, before the modules of core moved, are read as they were written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import serving

from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.models.loading import load_model

SAVED = Path(__file__).resolve().parents[2] / "data" / "saved_models"


def test_a_keras_model_with_each_of_our_layers_gives_what_it_gave() -> None:
    model = load_model(str(SAVED / "every_layer.keras"))
    expected = np.load(SAVED / "every_layer.npz")
    image = (np.arange(48).reshape(1, 4, 4, 3) % 7).astype("float32")
    found = model.function(["image", "scalar"], sorted(expected))(
        {"image": image, "scalar": np.array([[2.0]], "float32")}
    )
    for name, values in zip(sorted(expected), found):
        np.testing.assert_allclose(np.asarray(values), expected[name], rtol=1e-5, err_msg=name)


def test_a_classifier_classifies_as_it_learned(tmp_path: Path) -> None:
    image = serving.write(tmp_path / "image.tif", np.array([[[30, -3], [90, -9]]], "float32"))
    values = {"in": image, "model": str(SAVED / "forest.skops"), "out": str(tmp_path / "map.tif")}
    registry.run("ImageClassifier", values, Progress())
    assert serving.read(str(tmp_path / "map.tif"))[..., 0].tolist() == [[3, 9]]
