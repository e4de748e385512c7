"""What functions take and return: names, types and ranks; values are compared with those of the formula."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from graph_models import save_function, save_graph  # noqa: E402
from serving import served, texture, write_at  # noqa: E402

from otbtf_qgis.core.errors import ModelError, OtbtfError  # noqa: E402
from otbtf_qgis.core.registry import run  # noqa: E402

tf1 = tf.compat.v1
FREE = [None, None, None]


def image(name: str = "x", dtype: Any = tf.float32) -> Any:
    return tf.TensorSpec([*FREE, 2], dtype, name=name)


@pytest.fixture
def pixels() -> np.ndarray:
    return texture(20, 24, 2)


@pytest.fixture
def path(tmp_path: Path, pixels: np.ndarray) -> str:
    return write_at(tmp_path / "image.tif", pixels)


# ------------------------------------------------------------------ without a signature

OUTPUTS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a tensor": (lambda x: 3 * x, ""),
    "a list": (lambda x: [2 * x, 3 * x], "output_1"),
    "a dictionary": (lambda x: {"b": 2 * x, "a": 3 * x}, ""),
    "nested": (lambda x: {"b": 2 * x, "c": (x, {"d": 3 * x})}, "c/output_1/d"),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_the_only_function(tmp_path: Path, path: str, pixels: np.ndarray, name: str) -> None:
    body, output = OUTPUTS[name]
    model = save_function(tmp_path / "m", body, image(), signed=False)
    np.testing.assert_array_equal(served(tmp_path, model, path, output__names=output), 3 * pixels)


def test_arguments_of_the_only_function(tmp_path: Path, path: str, pixels: np.ndarray) -> None:
    """A dictionary, a value, and one that was bound when it was traced; in a module inside the one that is saved."""
    module, net = tf.Module(), tf.Module()
    net.weights = tf.Variable(4.0)

    def call(images: Any, scale: Any, training: bool) -> Any:
        return images["b"] - images["a"] * scale * net.weights if not training else images["a"]

    net.call = tf.function(call, autograph=False)
    scale = tf.TensorSpec([], tf.float32, name="scale")
    net.call.get_concrete_function({"a": image("a"), "b": image("b")}, scale, training=False)
    module.net = net
    tf.saved_model.save(module, str(tmp_path / "m"))
    other = write_at(tmp_path / "other.tif", pixels[::-1].copy())
    out = served(tmp_path, str(tmp_path / "m"), path, other, model__userplaceholders="scale=0.5")
    named = {
        "source1.placeholder": "b",
        "source2.placeholder": "a",
        "model.userplaceholders": "scale=0.5",
    }
    np.testing.assert_allclose(out, pixels[::-1] - 2 * pixels, rtol=1e-6)
    np.testing.assert_allclose(
        served(tmp_path, str(tmp_path / "m"), path, other, **named), pixels - 2 * pixels[::-1], rtol=1e-6
    )


def test_several_functions_are_listed(tmp_path: Path, path: str) -> None:
    module = tf.Module()
    module.call = tf.function(lambda x, training: x, autograph=False)
    module.call.get_concrete_function(image(), True)
    module.call.get_concrete_function(image(), False)
    tf.saved_model.save(module, str(tmp_path / "m"))
    with pytest.raises(
        ModelError, match=r"no signature.*call\(x \(float32, \?x\?x\?x2\), True\); call\(.*False\).*signatures="
    ):
        served(tmp_path, str(tmp_path / "m"), path)
    module.call = None
    tf.saved_model.save(module, str(tmp_path / "none"))
    with pytest.raises(ModelError, match="no traced function.*signatures="):
        served(tmp_path, str(tmp_path / "none"), path)


def test_what_cannot_be_trained_says_what_to_bring(tmp_path: Path, path: str) -> None:
    model = save_function(tmp_path / "m", lambda x: 3 * x, image(), signed=False)
    given = {
        "model.dir": model,
        "training.source1.il": [path],
        "training.source2.il": [path],
        "model.saveto": str(tmp_path / "o"),
    }
    sizes = {f"training.source{n}.patchsize{axis}": 4 for n in (1, 2) for axis in "xy"}
    with pytest.raises(OtbtfError, match=r"cannot be trained\. Give the \.keras file"):
        run("TensorflowModelTrain", {**given, **sizes})


# ------------------------------------------------------------------ types and ranks


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "bfloat16"])
def test_types_of_inputs(tmp_path: Path, dtype: str) -> None:
    """The whole numbers up to 200 are exact in each of them."""
    pixels = texture(20, 24, 2, dtype="uint8")
    model = save_function(tmp_path / "m", lambda x: {"y": tf.cast(x, tf.float32) * 2}, image(dtype=tf.as_dtype(dtype)))
    out = served(tmp_path, model, write_at(tmp_path / "image.tif", pixels), **{"optim.tilesizex": 9})
    np.testing.assert_array_equal(out, pixels * 2.0)


@pytest.mark.parametrize("graph", [True, False])
def test_unknown_rank(tmp_path: Path, path: str, pixels: np.ndarray, graph: bool) -> None:
    def build() -> Any:
        x = tf1.placeholder(tf.float32, name="x")
        return {"x": x}, {"y": x * 2}

    spec = tf.TensorSpec(None, tf.float32, name="x")
    model = save_graph(tmp_path / "m", build) if graph else save_function(tmp_path / "m", lambda x: {"y": x * 2}, spec)
    np.testing.assert_array_equal(served(tmp_path, model, path), pixels * 2)


def test_signature_that_lacks_an_input(tmp_path: Path, path: str, pixels: np.ndarray) -> None:
    """TensorFlow's own loader refuses the graph."""

    def build() -> Any:
        x = tf1.placeholder(tf.float32, [*FREE, 2], "x")
        scale = tf1.placeholder(tf.float32, [], "scale")
        return {"x": x}, {"y": x * scale}

    model = save_graph(tmp_path / "m", build)
    np.testing.assert_array_equal(served(tmp_path, model, path, model__userplaceholders="scale=2"), pixels * 2)


REFUSED: dict[str, tuple[Callable[..., Any], tuple[Any, ...], str]] = {
    "text in": (
        lambda x: {"y": tf.strings.length(x)},
        (tf.TensorSpec([None], tf.string, name="x"),),
        "accepts text, not",
    ),
    "text beside": (
        lambda x, a: {"y": x},
        (image(), tf.TensorSpec([None], tf.string, name="a")),
        r"also needs a \(string, \?\), but only numeric tensors are supported",
    ),
    "ragged in": (
        lambda x: x.to_tensor(),
        (tf.RaggedTensorSpec([*FREE, 2], tf.float32, ragged_rank=1),),
        "accepts ragged float32, not images",
    ),
    "sparse in": (
        tf.sparse.to_dense,
        (tf.SparseTensorSpec([*FREE, 2], tf.float32),),
        "accepts sparse float32, not images",
    ),
    "rank 3": (
        lambda x: {"y": x},
        (tf.TensorSpec([None, None, 2], tf.float32, name="x"),),
        r"x \(float32, .* 3 dimensions",
    ),
    "text out": (lambda x: {"y": tf.strings.as_string(x)}, (image(),), r"output y \(string, .* not a numeric tensor"),
    "sparse out": (tf.sparse.from_dense, (image(),), r"output output_0 \(sparse float32, .* not a numeric tensor"),
    "scalar out": (lambda x: {"y": tf.reduce_mean(x)}, (image(),), r"output y has the shape \(\).*OUTPUT_NAMES"),
    "no batch": (lambda x: {"y": tf.reduce_mean(x, [0, 1, 2])}, (image(),), r"output y has the shape \(2,\)"),
    "rank 5 out": (lambda x: {"y": x[..., None]}, (image(),), r"output y has the shape \(1, 64, 64, 2, 1\)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_image_is_named(tmp_path: Path, path: str, name: str) -> None:
    body, specs, message = REFUSED[name]
    signed = isinstance(specs[0], tf.TensorSpec) and name != "sparse out"
    model = save_function(tmp_path / "m", body, *specs, signed=signed)
    with pytest.raises(ModelError, match=message):
        served(tmp_path, model, path)
    assert run("DescribeModel", {"model.dir": model})["verdict"] == "not probed"


def test_a_loss_is_no_map(tmp_path: Path, path: str, pixels: np.ndarray) -> None:
    """Not the first output by alphabet, if none is asked for."""
    model = save_function(tmp_path / "m", lambda x: {"a_loss": tf.reduce_mean(x), "y": x * 2}, image())
    np.testing.assert_array_equal(served(tmp_path, model, path), pixels * 2)


def test_text_beside_numbers_is_left_alone(tmp_path: Path, path: str, pixels: np.ndarray) -> None:
    model = save_function(tmp_path / "m", lambda x: {"a": tf.strings.as_string(x), "b": x * 2}, image())
    np.testing.assert_array_equal(served(tmp_path, model, path), pixels * 2)


def test_pixels_that_are_taken_for_as_many_as_another_source_has(tmp_path: Path) -> None:
    """Sources of two pixel sizes that feed each other's input: a single pixel fits, since TensorFlow repeats it."""

    def body(a: Any, b: Any) -> Any:
        return {"y": a + tf.repeat(tf.repeat(b, 2, axis=1), 2, axis=2)}

    specs = (tf.TensorSpec([*FREE, 1], tf.float32, name=name) for name in "ab")
    model = save_function(tmp_path / "m", body, *specs)
    fine, coarse = texture(20, 24, 1), texture(10, 12, 1, seed=1)
    paths = write_at(tmp_path / "coarse.tif", coarse, 20), write_at(tmp_path / "fine.tif", fine)
    with pytest.raises(ModelError, match="none of the image sizes.*name the inputs in SOURCE1_PLACEHOLDER"):
        served(tmp_path, model, *paths)
    out = served(tmp_path, model, *paths, source1__placeholder="b", source2__placeholder="a")
    np.testing.assert_allclose(out, fine + coarse.repeat(2, 0).repeat(2, 1), rtol=1e-6)
