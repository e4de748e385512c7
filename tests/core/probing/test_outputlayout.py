"""Bands first, and outputs that are lists of pixels: values are compared with those of the model, called directly."""

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

L = keras.layers
tf1 = tf.compat.v1
FREE = [None, None, None]
KERNEL = np.random.default_rng(5).normal(size=(3, 3, 2, 4)).astype("float32")
TILES = {"optim.tilesizex": 9, "optim.tilesizey": 8}


def first(*shape: int | None) -> Any:
    return tf.TensorSpec([None, *shape], tf.float32, name="x")


def convolved(pixels: np.ndarray) -> np.ndarray:
    """The kernel on an image whose bands are last, with zeros around."""
    padded = np.pad(pixels, ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    return np.einsum("hwcij,ijck->hwk", windows, KERNEL)


def nchw(x: Any) -> Any:
    return {"y": tf.transpose(tf.nn.conv2d(tf.transpose(x, [0, 2, 3, 1]), KERNEL, 1, "SAME"), [0, 3, 1, 2])}


def test_bands_first(tmp_path: Path) -> None:
    model, pixels, log = save_function(tmp_path / "m", nchw, first(2, None, None)), texture(21, 25, 2), Log()
    path = write_at(tmp_path / "image.tif", pixels)
    out = served(tmp_path, model, path, log=log, **TILES)
    np.testing.assert_allclose(out, convolved(pixels), rtol=1e-4, atol=1e-4)
    assert "bands first" in log.text
    described = run("DescribeModel", {"model.dir": model, "source1.il": [path]})
    assert (described["verdict"], described["fits"]) == ("fully convolutional", "yes")
    assert "SOURCE1_RFIELDX=3" in described["parameters"] or "SOURCE1_RFIELDX=1" in described["parameters"]


@pytest.mark.parametrize("output", [(8, 8, 4), (4, 8, 8)])
def test_bands_first_of_one_size(tmp_path: Path, output: Any) -> None:
    """Inputs of 2 x 8 x 8; the output has its bands last, or first."""

    def body(x: Any) -> Any:
        y = nchw(x)["y"]
        return {"y": y if output[0] == 4 else tf.transpose(y, [0, 2, 3, 1])}

    pixels = texture(16, 24, 2)
    out = served(
        tmp_path, save_function(tmp_path / "m", body, first(2, 8, 8)), write_at(tmp_path / "image.tif", pixels)
    )
    expected = [convolved(pixels[row : row + 8, :8]) for row in (0, 8)]
    assert out.shape == (16, 24, 4)
    np.testing.assert_allclose(out[1:7, 1:7], expected[0][1:7, 1:7], rtol=1e-4, atol=1e-4)


def test_bands_first_of_patches(tmp_path: Path) -> None:
    weights = np.random.default_rng(6).normal(size=(2 * 4 * 4, 3)).astype("float32")
    model = save_function(tmp_path / "m", lambda x: {"y": tf.reshape(x, [-1, 32]) @ weights}, first(2, 4, 4))
    pixels = texture(11, 12, 2)
    out = served(tmp_path, model, write_at(tmp_path / "image.tif", pixels))
    expected = pixels[3:7, 5:9].transpose(2, 0, 1).reshape(-1) @ weights
    np.testing.assert_allclose(out[3, 5], expected, rtol=1e-4)


def test_bands_first_in_keras(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    image = keras.Input((2, None, None))
    model = keras.Model(image, L.Conv2D(4, 3, padding="same", data_format="channels_first")(image))
    kernel, bias = model.get_weights()
    pixels = texture(21, 25, 2)
    out = served(tmp_path, model, write_at(tmp_path / "image.tif", pixels), **TILES)
    expected = tf.nn.conv2d(pixels[None], kernel, 1, "SAME")[0] + bias
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)


def test_bands_first_in_one_input_of_a_graph(tmp_path: Path) -> None:
    """The other has them last, as the output, whose shape the graph does not tell."""

    def build() -> Any:
        a = tf1.placeholder(tf.float32, [None, 2, None, None], "a")
        b = tf1.placeholder(tf.float32, [*FREE, 3], "b")
        return {"a": a, "b": b}, {"y": tf.concat([tf.transpose(a, [0, 2, 3, 1]), 2 * b], -1)}

    one, two = texture(21, 25, 2), texture(21, 25, 3, seed=1)
    paths = write_at(tmp_path / "one.tif", one), write_at(tmp_path / "two.tif", two)
    out = served(tmp_path, save_graph(tmp_path / "m", build), *paths, **TILES)
    np.testing.assert_array_equal(out, np.concatenate([one, 2 * two], -1))


def test_bands_first_only_when_it_runs(tmp_path: Path) -> None:
    """The shape does not tell: what the model returns for two sizes does."""

    def body(x: Any) -> Any:
        y = tf.transpose(x, [0, 3, 1, 2])
        return {"y": tf.raw_ops.PlaceholderWithDefault(input=y, shape=[None] * 4)}

    model = save_function(tmp_path / "m", body, tf.TensorSpec([*FREE, 2], tf.float32, name="x"))
    path = write_at(tmp_path / "image.tif", texture(20, 24, 2))
    with pytest.raises(
        ModelError, match=r"output y .*\(1, 2, 64, 64\).*bands first.*tf.transpose\(y, \[0, 2, 3, 1\]\)"
    ):
        served(tmp_path, model, path)


def test_second_dimension_is_hinted_at(tmp_path: Path) -> None:
    """13 bands of 8 x 8 pixels, or 13 rows: the shape cannot tell."""
    model = save_function(tmp_path / "m", lambda x: {"y": tf.reduce_mean(x, [2, 3])}, first(13, 8, 8))
    path = write_at(tmp_path / "image.tif", texture(20, 24, 13))
    with pytest.raises(ModelError, match=r"expects 8 bands.*second dimension is 13, too.*tf.transpose"):
        served(tmp_path, model, path)


# ------------------------------------------------------------------ lists of pixels

FLAT = {
    "as the talk's": (lambda x: tf.reshape(x[..., :1] * np.ones(4, "float32"), [-1, 4, 1]), r"\(4096, 4, 1\)"),
    "with the batch": (lambda x: tf.reshape(x, [tf.shape(x)[0], -1, 2]), r"\(1, 4096, 2\)"),
    "four dimensions": (lambda x: tf.reshape(x, [-1, 1, 1, 2]), r"\(4096, 1, 1, 2\)"),
    "coarser": (
        lambda x: tf.reshape(tf.nn.avg_pool2d(x, 4, 4, "VALID"), [tf.shape(x)[0], -1, 2]),
        r"\(1, 256, 2\)",
    ),
}


@pytest.mark.parametrize("name", FLAT)
@pytest.mark.parametrize("given", [{}, {"all": 16}])
def test_lists_of_pixels_are_named(tmp_path: Path, name: str, given: dict[str, int]) -> None:
    body, shape = FLAT[name]
    model = save_function(tmp_path / "m", lambda x: {"y": body(x)}, tf.TensorSpec([*FREE, 2], tf.float32, name="x"))
    path = write_at(tmp_path / "image.tif", texture(70, 80, 2))
    fields = {f"source1.rfield{a}": 16 for a in "xy"} | {f"output.efield{a}": 16 for a in "xy"} | {"output.spcscale": 1}
    with pytest.raises(ModelError, match=rf"output y has the shape {shape}.*flat list of pixels.*tf.reshape\(y"):
        served(tmp_path, model, path, **(fields if given else {}))


def test_flat_bands_of_pixels_are_a_map(tmp_path: Path) -> None:
    """Of one image, rows of pixels and columns of bands can only be that."""
    model = save_function(
        tmp_path / "m", lambda x: {"y": tf.reshape(2 * x, [-1, 2])}, tf.TensorSpec([*FREE, 2], tf.float32, name="x")
    )
    pixels = texture(20, 20, 2)
    np.testing.assert_array_equal(served(tmp_path, model, write_at(tmp_path / "image.tif", pixels)), 2 * pixels)
