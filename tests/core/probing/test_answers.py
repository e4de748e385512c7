"""Models that give other values each time, or in another batch: values are compared with those of the model, called directly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

from graph_models import save_function, save_graph  # noqa: E402
from serving import Log, served, texture, write_at  # noqa: E402

from otbtf_qgis.core.errors import ModelError  # noqa: E402
from otbtf_qgis.core.registry import run  # noqa: E402

tf1 = tf.compat.v1
FREE = [None, None, None]
WEIGHTS = np.random.default_rng(4).normal(size=(32, 3)).astype("float32")


def dropped(x: Any) -> Any:
    return {"y": tf.nn.dropout(x, 0.5)}


def classes(x: Any) -> Any:
    """The number of a class, of values of which some are dropped."""
    return {"y": tf.argmax(tf.nn.dropout(tf.concat([x, 0.9 * x[..., ::-1]], -1), 0.3), -1)}


def patches(x: Any) -> Any:
    return {"y": tf.nn.dropout(tf.reshape(x, [-1, 32]), 0.5) @ WEIGHTS}


@pytest.mark.parametrize(("body", "side"), [(dropped, None), (classes, None), (patches, 4)])
def test_random_models_are_refused(tmp_path: Path, body: Any, side: int | None) -> None:
    model = save_function(tmp_path / "m", body, tf.TensorSpec([None, side, side, 2], tf.float32, name="x"))
    path = write_at(tmp_path / "image.tif", texture(20, 24, 2))
    with pytest.raises(
        ModelError, match=r"is random: .* gave values that differ.*Dropout or noise is active.*training=False"
    ):
        served(tmp_path, model, path)
    out = tmp_path / "d.html"
    described = run("DescribeModel", {"model.dir": model, "out.html": str(out)})
    assert described["verdict"] == "not probed" and "is random" in out.read_text()


def test_random_model_of_patches_of_any_size(tmp_path: Path) -> None:
    """Nothing is probed where the size of the patches is given."""
    model = save_function(
        tmp_path / "m",
        lambda x: {"y": tf.nn.dropout(tf.reduce_mean(x, [1, 2]), 0.1)},
        tf.TensorSpec([*FREE, 2], tf.float32, name="x"),
    )
    path = write_at(tmp_path / "image.tif", texture(20, 24, 2))
    given = {"source1.rfieldx": 3, "source1.rfieldy": 3, "model.fullyconv": "off"}
    with pytest.raises(ModelError, match="is random"):
        served(tmp_path, model, path, **given)


def test_switch_of_a_random_model(tmp_path: Path) -> None:
    """The message names the input that switches dropout off, and the map is right then."""

    def build() -> Any:
        x = tf1.placeholder(tf.float32, [*FREE, 2], "x")
        training = tf1.placeholder_with_default(True, [], "is_training")
        return {"x": x, "is_training": training}, {"y": tf.where(training, tf.nn.dropout(x, 0.5), 2 * x)}

    model, pixels = save_graph(tmp_path / "m", build), texture(20, 24, 2)
    path = write_at(tmp_path / "image.tif", pixels)
    with pytest.raises(ModelError, match="MODEL_USERPLACEHOLDERS to is_training=false"):
        served(tmp_path, model, path)
    out = served(tmp_path, model, path, model__userplaceholders="is_training=false")
    np.testing.assert_array_equal(out, 2 * pixels)


def normalised(x: Any) -> Any:
    """Batch normalisation as in training: by the moments of the batch."""
    flat = tf.reshape(x, [-1, 32])
    mean, variance = tf.nn.moments(x, [0, 1, 2])
    flat = tf.reshape((x - mean) / tf.sqrt(variance + 1e-3), tf.shape(flat))
    return {"y": flat @ WEIGHTS}


@pytest.mark.parametrize("batch", [None, 3])
def test_patches_are_computed_alone_where_the_batch_matters(tmp_path: Path, batch: int | None) -> None:
    model = save_function(tmp_path / "m", normalised, tf.TensorSpec([batch, 4, 4, 2], tf.float32, name="x"))
    pixels, log = texture(13, 14, 2), Log()
    out = served(tmp_path, model, write_at(tmp_path / "image.tif", pixels), log=log, **{"optim.tilesizex": 4})
    assert "the values of a patch depend on the other patches of its batch" in log.warnings[0]
    expected = np.empty((10, 11, 3), "float32")
    for row, column in np.ndindex(10, 11):
        patch = pixels[row : row + 4, column : column + 4].astype("float64")
        patch = (patch - patch.mean((0, 1))) / np.sqrt(patch.var((0, 1)) + 1e-3)
        expected[row, column] = patch.reshape(-1) @ WEIGHTS
    np.testing.assert_allclose(out, expected, rtol=1e-3, atol=1e-4)


def test_places_in_a_batch(tmp_path: Path) -> None:
    """Noise that is the same in each call, but another for each place."""

    def body(x: Any) -> Any:
        return {"y": tf.reshape(x + tf.random.stateless_normal(tf.shape(x), [1, 2]), [-1, 32]) @ WEIGHTS}

    model = save_function(tmp_path / "m", body, tf.TensorSpec([None, 4, 4, 2], tf.float32, name="x"))
    pixels, log = texture(9, 10, 2), Log()
    out = served(tmp_path, model, write_at(tmp_path / "image.tif", pixels), log=log, **{"optim.tilesizex": 4})
    assert "the values of a patch depend on the other patches of its batch" in log.warnings[0]
    noise = tf.random.stateless_normal([4, 4, 2], [1, 2]).numpy()
    np.testing.assert_allclose(out[3, 2], (pixels[3:7, 2:6] + noise).reshape(-1) @ WEIGHTS, rtol=1e-4)


def test_nothing_is_said_of_others(tmp_path: Path) -> None:
    """Normalised by what was learnt, and dropout that is off."""
    image = keras.Input((4, 4, 2))
    x = keras.layers.Dropout(0.5)(keras.layers.BatchNormalization()(image))
    model = keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(x)))
    pixels, log = texture(12, 13, 2), Log()
    out = served(tmp_path, model, write_at(tmp_path / "image.tif", pixels), log=log)
    assert not log.warnings
    np.testing.assert_allclose(out[2, 3], np.asarray(model(pixels[None, 2:6, 3:7]))[0], rtol=1e-5)
