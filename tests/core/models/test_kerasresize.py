"""Keras models that resize images of unknown size: built, trained, exported and served whatever the Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving import read, texture, write_at

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

from otbtf_qgis import core  # noqa: E402
from otbtf_qgis.core.errors import ModelError  # noqa: E402
from otbtf_qgis.core.models.kerasresize import repair  # noqa: E402
from otbtf_qgis.core.models.loading import KerasModel, load_model  # noqa: E402
from otbtf_qgis.core.models.savedmodelexport import check_exportable, export_saved_model  # noqa: E402


def upsampling(interpolation: str) -> Any:
    image = keras.Input((None, None, 2), name="image")
    return keras.Model(image, keras.layers.UpSampling2D(2, interpolation=interpolation, name="up")(image))


def enlarged(pixels: np.ndarray, method: str) -> np.ndarray:
    size = (2 * pixels.shape[0], 2 * pixels.shape[1])
    return np.asarray(tf.image.resize(pixels[None], size, method))[0]


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_upsampling_is_exported_and_served(tmp_path: Path, interpolation: str) -> None:
    pixels = texture(9, 11, 2)
    upsampling(interpolation).save(tmp_path / "m.keras")
    model = load_model(str(tmp_path / "m.keras"))
    assert isinstance(model, KerasModel)
    export_saved_model(model, ["up"], (), tmp_path / "saved")
    loaded = tf.saved_model.load(tmp_path / "saved").signatures["serving_default"]
    found = loaded(image=tf.constant(pixels[None]))["up"].numpy()[0]
    np.testing.assert_allclose(found, enlarged(pixels, interpolation), rtol=1e-5, atol=1e-5)
    values = {
        "source1.il": write_at(tmp_path / "i.tif", pixels),
        "model.dir": tmp_path / "saved",
        "out": tmp_path / "o.tif",
    }
    core.run("TensorflowModelServe", {**values, "model.fullyconv": "on", "output.spcscale": 0.5, "padding": "edge"})
    served = read(str(tmp_path / "o.tif"))[2:-2, 2:-2]
    np.testing.assert_allclose(served, enlarged(pixels, interpolation)[2:-2, 2:-2], rtol=1e-4, atol=1e-4)


@keras.saving.register_keras_serializable(package="test_keras_resize")
class AsLargeAs(keras.layers.Layer):
    """Resizes the first image to the size of the second."""

    def call(self, images: Any) -> Any:
        small, large = images
        shape = keras.ops.shape(large)
        return keras.ops.image.resize(small, (shape[1], shape[2]), "bilinear")


def test_a_layer_that_resizes_to_another_image() -> None:
    repair()
    small, large = keras.Input((None, None, 1)), keras.Input((None, None, 1))
    model = keras.Model([small, large], AsLargeAs()([small, large]))
    model.compile("sgd", "mse", jit_compile=False)
    one, two = np.ones((2, 4, 4, 1), "f4"), np.ones((2, 8, 8, 1), "f4")
    assert model.predict([one, two], verbose=0).shape == (2, 8, 8, 1)


def test_wrong_sizes_are_still_refused() -> None:
    repair()
    for size in ((0, 4), (4, -1), (4, 4, 4)):
        with pytest.raises(ValueError, match="size"):
            keras.ops.image.resize(np.ones((1, 2, 2, 1), "f4"), size)


@keras.saving.register_keras_serializable(package="test_keras_resize")
class OnlyEager(keras.layers.Layer):
    """Cannot be traced for sizes that are not known."""

    def call(self, image: Any) -> Any:
        if image.shape[1] is None and not isinstance(image, keras.KerasTensor) and not tf.executing_eagerly():
            raise ValueError("This layer needs a size.")
        return image

    def compute_output_spec(self, image: Any) -> Any:
        return keras.KerasTensor(image.shape, image.dtype)


def test_what_cannot_be_exported_is_told_before_it_is_trained() -> None:
    image = keras.Input((None, None, 1), name="image")
    model = KerasModel("m.keras", keras.Model(image, OnlyEager(name="out")(image)))
    with pytest.raises(ModelError, match="m.keras cannot be exported as a SavedModel: OnlyEager.call.*needs a size"):
        check_exportable(model, ["out"])
