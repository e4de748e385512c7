"""Layers and operations: what they compute, and that a saved model with them loads in safe mode."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import otbtf_qgis
from otbtf_qgis.core.errors import ModelError, ParameterError

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from otbtf_qgis.core import layers, ops  # noqa: E402
from otbtf_qgis.core.models.loading import load_model  # noqa: E402
from otbtf_qgis.core.models.tracedlayer import TracedFunction, trace  # noqa: E402


@pytest.mark.parametrize("nodata", [-9999.0, float("nan"), 7.0])
@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_dilated_mask(nodata: float, dtype: str) -> None:
    if dtype == "int16" and np.isnan(nodata):
        image = np.zeros((1, 7, 8, 1), dtype)
        assert not layers.DilatedMask(nodata, 2)(image).numpy().any()
        return
    image = np.zeros((1, 7, 8, 1), dtype)
    image[0, 3, 1] = nodata
    mask = layers.DilatedMask(nodata_value=nodata, radius=2)(image).numpy()
    expected = np.zeros((1, 7, 8, 1))
    expected[0, 1:6, 0:4] = 1
    assert mask.dtype == "uint8"
    np.testing.assert_array_equal(mask, expected)


def test_value_that_the_dtype_lacks_is_nowhere() -> None:
    assert not layers.DilatedMask(-1.0, 1)(np.full((1, 3, 3, 1), 255, "uint8")).numpy().any()
    with pytest.raises(ParameterError, match="radius is -1"):
        layers.DilatedMask(0.0, -1)


def test_no_data_values_are_not_rounded_by_mixed_precision() -> None:
    image = np.array([-9999.0, -10000.0], "float32").reshape(1, 1, 2, 1)
    assert layers.DilatedMask(-9999.0, 0, dtype="mixed_float16")(image).numpy().ravel().tolist() == [1, 0]


def test_apply_mask() -> None:
    image = np.arange(8, dtype="int32").reshape(1, 2, 2, 2)
    mask = np.array([0, 1, 0, 0], "uint8").reshape(1, 2, 2, 1)
    masked = layers.ApplyMask(out_nodata=-1.0)((mask, image)).numpy()
    assert masked.dtype == "int32"
    assert masked.tolist() == [[[[0, 1], [-1, -1]], [[4, 5], [6, 7]]]]


def test_scalars_tile() -> None:
    reference = np.zeros((2, 3, 4, 5), "float32")
    alone, pair = np.array([1.0, 2.0], "float32"), np.array([[3.0, 4.0], [5.0, 6.0]], "float32")
    tiled = layers.ScalarsTile()([reference, [alone, pair]]).numpy()
    assert tiled.shape == (2, 3, 4, 3)
    assert (tiled == np.array([[1, 3, 4], [2, 5, 6]])[:, None, None]).all()
    np.testing.assert_array_equal(layers.ScalarsTile()([reference, pair]).numpy(), tiled[..., 1:])


def test_argmax_and_max() -> None:
    values = np.array([[0.1, 0.3, 0.6], [0.5, 0.2, 0.3]], "float32").reshape(1, 1, 2, 3)
    assert layers.Argmax()(values).numpy().tolist() == [[[[2], [0]]]]
    np.testing.assert_allclose(layers.Max()(values).numpy(), [[[[0.6], [0.5]]]])


def test_pixel_shuffle() -> None:
    image = np.arange(8, dtype="float32").reshape(1, 1, 2, 4)
    assert layers.PixelShuffle(2)(image).numpy()[..., 0].tolist() == [[[0, 1, 4, 5], [2, 3, 6, 7]]]
    with pytest.raises(ParameterError, match="factor is 1"):
        layers.PixelShuffle(1)


def test_harmonic_fit_is_the_least_squares_solution() -> None:
    generator = np.random.default_rng(0)
    times = np.sort(generator.choice(800, 30, replace=False)).astype(float)
    series = generator.random((1, 2, 3, 30)).astype("float32")
    series[0, 0, 0, ::4] = -1.0
    found = layers.HarmonicFit(times, period=200.0, harmonics=1, nodata=-1.0)(series).numpy()
    design = np.stack(
        [
            np.ones(30),
            (times - (times[0] + times[-1]) / 2) / 365.25,
            np.cos(2 * np.pi * times / 200),
            np.sin(2 * np.pi * times / 200),
        ],
        axis=1,
    )
    for index in np.ndindex(1, 2, 3):
        known = series[index] != -1.0
        expected = np.linalg.lstsq(design[known], series[index][known], rcond=None)[0]
        rest = np.sqrt(np.mean((series[index][known] - design[known] @ expected) ** 2))
        np.testing.assert_allclose(found[index], [*expected, rest], rtol=1e-4, atol=1e-5)
    with pytest.raises(ParameterError, match="30 different times for 32 unknowns"):
        layers.HarmonicFit(times, harmonics=15)


def test_one_hot() -> None:
    labels = np.array([[[0], [2]], [[1], [5]]], "uint8")
    encoded = ops.one_hot(labels, 3)
    assert encoded.shape == (2, 2, 3)
    assert np.asarray(encoded).tolist() == [[[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [0, 0, 0]]]
    batches = tf.data.Dataset.from_tensors(labels[None]).map(lambda batch: ops.one_hot(batch, 3))
    assert batches.element_spec.shape == (1, 2, 2, 3)
    with pytest.raises(ParameterError, match=r"\(2, 2\)"):
        ops.one_hot(labels[..., 0], 3)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A model with every layer, and where it was saved."""
    image, angle = keras.Input((None, None, 1), name="image"), keras.Input((), name="angle")
    mask = layers.DilatedMask(0.0, 1, name="mask")(image)
    both = keras.layers.Concatenate()([image, layers.ScalarsTile(name="tiled")([image, [angle]])])
    probabilities = keras.layers.Conv2D(3, 1, activation="softmax")(both)
    best = layers.ApplyMask(-1.0, name="best")((mask, layers.Max(name="max")(probabilities)))
    classes = layers.Argmax(name="classes")(probabilities)
    model = keras.Model([image, angle], [best, classes])
    path = tmp_path_factory.mktemp("layers") / "net.keras"
    model.save(path)
    return model, path


def test_saved_model_loads_in_safe_mode(net: tuple[Any, Path]) -> None:
    model, path = net
    loaded = keras.models.load_model(path, safe_mode=True, compile=False)
    feeds = [np.random.default_rng(0).integers(0, 3, (2, 5, 6, 1)).astype("float32"), np.array([1.0, 2.0], "float32")]
    for one, two in zip(model(feeds), loaded(feeds)):
        np.testing.assert_array_equal(one, two)


def test_serving_registers_the_layers_by_itself(net: tuple[Any, Path]) -> None:
    program = (
        "import sys; from otbtf_qgis.core.models.loading import load_model; print(*load_model(sys.argv[1]).outputs)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(net[1])],
        cwd=Path(otbtf_qgis.__path__[0]).parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.stdout.split() == ["best", "classes"], done.stderr


def test_traced_tensorflow_is_saved_with_the_model(tmp_path: Path) -> None:
    table = tf.constant(np.arange(300, dtype="float32"))  # too large to become a constant of the graph by itself
    image = keras.Input((None, None, 2), name="image")

    def function(images: dict) -> dict:
        return {"sum": tf.reduce_sum(tf.cast(images["image"], tf.float32) * 0.5, -1, keepdims=True) + table[7]}

    made = trace(function, [{"image": image}], "by_hand")
    model = keras.Model({"image": image}, made)
    model.save(tmp_path / "net.keras")
    value = np.random.default_rng(0).random((1, 4, 5, 2)).astype("float32")
    loaded = keras.models.load_model(tmp_path / "net.keras", safe_mode=True)
    np.testing.assert_allclose(loaded({"image": value})["sum"], value.sum(-1, keepdims=True) * 0.5 + 7, rtol=1e-6)
    assert list(load_model(str(tmp_path / "net.keras")).outputs) == ["by_hand"]


def test_traced_graph_that_touches_files_is_refused() -> None:
    image = keras.Input((), dtype="string", name="path")
    with pytest.raises(ModelError, match="ReadFile"):
        trace(lambda path: tf.io.read_file(path[0]), [image], "reader")
    with pytest.raises(ModelError, match="uses a variable"):
        weight = tf.Variable(2.0)
        trace(lambda x: x * weight, [keras.Input((1,))], "weighted")
    assert TracedFunction.__name__ in str(keras.saving.get_registered_name(TracedFunction))
