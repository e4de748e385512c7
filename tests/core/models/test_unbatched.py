"""Models of one image without a batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_graphs
import pytest

from otbtf_qgis.core.errors import ModelError
from otbtf_qgis.core.models.loading import load_model
from otbtf_qgis.core.models.unbatched import with_batches

tf = pytest.importorskip("tensorflow")


@pytest.mark.parametrize(("shape", "axes"), [((3, "h", "w"), [1, 2]), (("h", "w", 3), [0, 1])])
def test_an_image_is_given_as_a_batch_of_one(shape: tuple[object, ...], axes: list[int], tmp_path: Path) -> None:
    nodes = [onnx_graphs.node("ReduceMax", "image", "largest", axes=axes, keepdims=0)]
    path = onnx_graphs.save(
        tmp_path / "m.onnx", nodes, [onnx_graphs.value("image", shape)], [onnx_graphs.value("largest", (3,))]
    )
    model = with_batches(load_model(path, ""))
    assert model.input("image").shape == (1, None, None, 3)
    image = np.random.default_rng(0).random((1, 5, 4, 3)).astype("float32")
    call = tf.function(lambda x: model.function(["image"], ["largest"])({"image": x}))
    np.testing.assert_array_equal(call(image)[0], image.max(axis=(0, 1, 2)))


def test_a_shape_that_does_not_tell_the_bands_is_refused(tmp_path: Path) -> None:
    nodes = [onnx_graphs.node("ReduceMax", "image", "largest", keepdims=0)]
    path = onnx_graphs.save(
        tmp_path / "m.onnx", nodes, [onnx_graphs.value("image", ("c", "h", "w"))], [onnx_graphs.value("largest", ())]
    )
    with pytest.raises(ModelError, match="bands x height x width or height x width x bands"):
        with_batches(load_model(path, ""))


def test_models_with_batches_stay_as_they_are(tmp_path: Path) -> None:
    model = load_model(onnx_graphs.convolutions(tmp_path / "m.onnx"), "")
    assert with_batches(model) is model
