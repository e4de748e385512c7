"""Patches computed together, as whole regions at shifted origins: the values of patches computed one by one, or not done."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

from serving import Log, served, texture, write_at  # noqa: E402

from otbtf_qgis.core.errors import ParameterError  # noqa: E402
from otbtf_qgis.core.serving import patchways, runplan  # noqa: E402
from otbtf_qgis.core.serving.patchwise import cut_patches  # noqa: E402

L = keras.layers
TOGETHER, ALONE = "Patches are computed together", "Patches are computed one by one"
Build = Callable[..., Any]


@pytest.fixture(autouse=True)
def seeded() -> None:
    keras.utils.set_random_seed(11)


@pytest.fixture(params=["origin by origin", "in one step"])
def one_go(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the model may be built anew although the image is small."""
    allowed = bool(request.param == "in one step")
    monkeypatch.setattr(patchways, "ENOUGH_OUTPUTS", 0 if allowed else math.inf)
    return allowed


def way(log: Log) -> str:
    return next(line for line in log.infos if line.startswith("Patches are computed"))


def both_ways(folder: Path, build: Build, sizes: Sequence[int], images: Sequence[str], **more: Any) -> tuple[Any, ...]:
    """Serve a network with free sizes, and the same with inputs of one size: so patch by patch.

    Args:
        folder: for files.
        build: returns the network for the shapes of its inputs.
        sizes: of the patches of each source.
        images: a raster per source.
        **more: parameters.

    Returns:
        Both outputs, and what the log says of the first.
    """
    bands = [2] * len(sizes)
    free = build(*((None, None, b) for b in bands))
    fixed = build(*((size, size, b) for size, b in zip(sizes, bands)))
    fixed.set_weights(free.get_weights())
    for number, size in enumerate(sizes, 1):
        more[f"source{number}.rfieldx"] = more[f"source{number}.rfieldy"] = size
    log, plain = Log(), Log()
    out = served(folder, free, *images, log=log, model__fullyconv="off", **more)
    expected = served(folder, fixed, *images, log=plain, model__fullyconv="off", **more)
    assert way(plain).startswith(ALONE) and "fixes the size of its input" in way(plain)
    assert out.dtype == expected.dtype
    return out, expected, way(log)


def agree(out: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def random_network(seed: int) -> tuple[Build, int, int]:
    """Return what builds a random network of convolutions and pooling, the size of its patches, and its stride."""
    generator = random.Random(seed)
    layers: list[tuple[str, int, int, str]] = []
    size, stride = 1, 1
    for _ in range(generator.randint(2, 4)):
        kind = generator.choice(["conv", "conv", "max", "average"])
        kernel = generator.randint(1, 4)
        step = generator.choice([1, 1, 2, 3]) if kind == "conv" else generator.randint(2, 3)
        if stride * step > 6:
            step = 1
        layers.append((kind, kernel, step, generator.choice(["relu", "tanh"])))
        size += (kernel - 1) * stride
        stride *= step

    def build(shape: tuple[int | None, ...]) -> Any:
        image = x = keras.Input(shape)
        for kind, kernel, step, activation in layers:
            if kind == "conv":
                x = L.Conv2D(4, kernel, strides=step, activation=activation)(x)
            else:
                x = {"max": L.MaxPooling2D, "average": L.AveragePooling2D}[kind](kernel, strides=step)(x)
        return keras.Model(image, L.Conv2D(3, 1)(x))

    return build, size + generator.randrange(stride), stride


@pytest.mark.parametrize("seed", range(8))
def test_random_networks(tmp_path: Path, seed: int, one_go: bool) -> None:
    build, size, stride = random_network(seed)
    generator = random.Random(seed)
    scale = generator.choice([1, 1, 2, stride])
    pixels = texture(50 + seed, 61 - seed, 2, seed, dtype=generator.choice(["float32", "uint16"]))
    tile = generator.choice([7, 16, 23])
    padding = generator.choice(["none", "reflect"])
    image = write_at(tmp_path / "image.tif", pixels)
    out, expected, said = both_ways(
        tmp_path, build, [size], [image], output__spcscale=scale, optim__tilesizex=tile, padding=padding
    )
    agree(out, expected)
    assert np.ptp(expected) > 0
    shifts = stride // math.gcd(stride, scale)
    assert said.startswith(
        f"{TOGETHER}, as whole regions from {shifts} x {shifts} origins" if shifts * scale <= size else ALONE
    )
    assert ("in one step" in said) == (one_go and scale == 1 and stride <= size)


def pooled_context(x: Any) -> Any:
    """Squeeze and excitation: the mean of all there is weights the bands."""
    x = L.Conv2D(4, 3, activation="relu")(x)
    return L.Multiply()([x, L.Dense(4, activation="sigmoid")(L.GlobalAveragePooling2D(keepdims=True)(x))])


def standardized(x: Any) -> Any:
    """Less the mean of the batch."""
    x = L.Conv2D(4, 3)(x)
    return x - keras.ops.mean(x, axis=[0, 1, 2], keepdims=True)


OTHERWISE = {
    "the mean of the whole patch": (pooled_context, "whole regions give other values"),
    "padding inside": (lambda x: L.Conv2D(4, 3, padding="same")(x[:, :-2, :-2]), "whole regions give other values"),
    "statistics of the batch": (standardized, "whole regions give other values"),
    "positions in the patch": (
        lambda x: L.Conv2D(4, 3)(x) * keras.ops.cumsum(keras.ops.ones_like(x[:, 2:, 2:, :1]), axis=1),
        "whole regions give other values",
    ),
}


@pytest.mark.parametrize("name", OTHERWISE)
@pytest.mark.parametrize("number", [False, True])
def test_networks_that_look_at_the_whole_patch(tmp_path: Path, name: str, number: bool) -> None:
    """Also where only the number of a class is written, in which most differences do not show."""
    body, why = OTHERWISE[name]

    def build(shape: tuple[int | None, ...]) -> Any:
        image = keras.Input(shape)
        x = L.Conv2D(3, 6)(body(image))
        return keras.Model(image, keras.ops.argmax(x, axis=-1) if number else x)

    size = (18, 20) if "batch" in name else (40, 44)  # of which each patch is computed alone
    image = write_at(tmp_path / "image.tif", texture(*size, 2))
    out, expected, said = both_ways(tmp_path, build, [8], [image])
    assert said.startswith(ALONE) and why in said
    if "batch" not in name:
        agree(out, expected)


def test_networks_of_one_output(tmp_path: Path) -> None:
    """A dense layer takes patches of one size; pooling over all of it, patches of any."""
    pixels = texture(30, 34, 2)
    image = write_at(tmp_path / "image.tif", pixels)
    x = keras.Input((None, None, 2))
    features = L.Conv2D(3, 4, strides=2)(x)
    pooling = keras.Model(x, L.GlobalMaxPooling2D()(features))
    dense = keras.Model(x, L.Dense(2)(L.Reshape((27,))(features)))
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (8, 8), axis=(0, 1))
    patches = np.moveaxis(windows, 2, -1).reshape(-1, 8, 8, 2)
    for model, why in ((pooling, "one output for an image of any size"), (dense, "accepts no larger images")):
        log = Log()
        out = served(tmp_path, model, image, log=log, model__fullyconv="off", source1__rfieldx=8, source1__rfieldy=8)
        assert why in way(log)
        agree(out, np.asarray(model(patches)).reshape(23, 27, -1))


def classifier(shape: tuple[int | None, ...]) -> Any:
    """Patches of 10 x 10, stride 2; the first output in alphabetical order is the number of the class."""
    image = keras.Input(shape)
    x = L.MaxPooling2D()(L.Conv2D(5, 3, activation="relu")(image))
    x = L.Conv2D(4, 4, activation="softmax", name="predictions")(x)
    numbers = keras.ops.cast(keras.ops.argmax(x, axis=-1), "uint8")
    return keras.Model(image, [x, L.Identity(name="classes", dtype="uint8")(numbers)])


def test_numbers_of_classes_are_the_same(tmp_path: Path, one_go: bool) -> None:
    image = write_at(tmp_path / "image.tif", texture(64, 60, 2))
    out, expected, said = both_ways(tmp_path, classifier, [10], [image], output__names="classes")
    assert said.startswith(TOGETHER) and ("in one step" in said) == one_go
    assert out.dtype == np.uint8 and len(np.unique(expected)) > 1
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("form", ["tf1", "tf2"])
@pytest.mark.usefixtures("one_go")
def test_saved_models_whose_outputs_are_a_list_of_pixels(tmp_path: Path, form: str) -> None:
    """As OTBTF's tutorial has them: the last layers work on the pixels' features as rows."""
    folder = str(tmp_path / form)
    kernel, weights = (np.random.default_rng(3).normal(size=size).astype("float32") for size in ((5, 5, 2, 3), (3, 4)))

    def logits(x: Any) -> Any:
        x = tf.nn.max_pool2d(tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "VALID")), 2, 2, "VALID")
        return tf.matmul(tf.reshape(tf.nn.avg_pool2d(x, 2, 2, "VALID"), (-1, 3)), weights)

    if form == "tf1":
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            x = tf.compat.v1.placeholder(tf.float32, (None, None, None, 2), name="x")
            outputs = {"label": tf.argmax(logits(x), axis=-1)}
            tf.compat.v1.saved_model.simple_save(session, folder, {"x": x}, outputs)
    else:
        module = tf.Module()
        module.serve = tf.function(
            lambda x: {"label": tf.argmax(logits(x), axis=-1), "logits": logits(x)},
            input_signature=[tf.TensorSpec((None, None, None, 2), name="x")],
        )
        tf.saved_model.save(module, folder, module.serve)
    pixels, log = texture(33, 31, 2), Log()
    out = served(
        *(tmp_path, folder, write_at(tmp_path / "image.tif", pixels)),
        **{
            "log": log,
            "model__fullyconv": "off",
            "source1__rfieldx": 8,
            "source1__rfieldy": 8,
            "output__names": "label",
        },
    )
    assert way(log).startswith(f"{TOGETHER}, as whole regions from 4 x 4 origins")
    windows = np.moveaxis(np.lib.stride_tricks.sliding_window_view(pixels, (8, 8), axis=(0, 1)), 2, -1)
    expected = tf.argmax(logits(windows.reshape(-1, 8, 8, 2)), axis=-1).numpy().reshape(26, 24, 1)
    assert len(np.unique(expected)) > 1
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize(("spacing", "scale"), [(10.0, 1), (20.0, 1), (20.0, 2), (5.0, 1), (20.0, 4)])
def test_two_sources(tmp_path: Path, spacing: float, scale: int, one_go: bool) -> None:
    """Of one and of several pixel sizes, on grids that are moved against each other."""
    ratio = 10.0 / spacing

    def build(first: tuple[int | None, ...], second: tuple[int | None, ...]) -> Any:
        one, two = keras.Input(first, name="a"), keras.Input(second, name="b")
        if ratio == 2:
            other = L.AveragePooling2D(4)(L.Conv2D(3, 5)(two))
        else:
            other = L.Conv2D(3, 3)(two) if ratio == 0.5 else L.MaxPooling2D(2)(L.Conv2D(3, 3)(two))
        both = L.Concatenate()([L.AveragePooling2D(2)(L.Conv2D(3, 3)(one)), other])
        return keras.Model([one, two], L.Conv2D(2, 2, activation="tanh")(both))

    sizes = [6, {1.0: 6, 0.5: 4, 2.0: 12}[ratio]]
    side = int(44 * ratio)
    images = [
        write_at(tmp_path / "a.tif", texture(40, 44, 2)),
        write_at(tmp_path / "b.tif", texture(side, side, 2, 1), spacing, (499_990.0, 4_800_020.0)),
    ]
    more = {"output__spcscale": scale, "optim__tilesizex": 9, "padding": "edge"}
    out, expected, said = both_ways(tmp_path, build, sizes, images, **more)
    assert said.startswith(TOGETHER) and ("in one step" in said) == (one_go and spacing == 10 and scale == 1)
    agree(out, expected)


@pytest.mark.parametrize(
    ("across", "down"),
    [([0, 2, 4], [1, 2]), ([0, 0, 1, 1, 2], [3, 3, 3]), ([5], [0]), ([0, 1, 3, 4, 6], [0, 4, 5])],
)
def test_patches_are_cut_at_any_starts(across: list[int], down: list[int]) -> None:
    image = texture(12, 11, 3)
    expected = np.array([[image[y : y + 5, x : x + 4] for x in across] for y in down])
    np.testing.assert_array_equal(cut_patches(image, across, down, 4, 5), expected)


def test_outputs_that_do_not_vary_prove_nothing(tmp_path: Path) -> None:
    def build(shape: tuple[int | None, ...]) -> Any:
        image = keras.Input(shape)
        return keras.Model(image, L.Conv2D(1, 4, kernel_initializer="zeros")(image))

    out, expected, said = both_ways(tmp_path, build, [4], [write_at(tmp_path / "image.tif", texture(20, 24, 2))])
    assert said.startswith(ALONE) and "hardly vary" in said
    np.testing.assert_array_equal(out, expected)


def test_another_distance_is_had_patch_by_patch(tmp_path: Path) -> None:
    image = write_at(tmp_path / "image.tif", texture(40, 44, 2))
    more = {"source1__rfieldx": 10, "source1__rfieldy": 10, "output__spcscale": 1, "output__names": "predictions"}
    with pytest.raises(ParameterError, match="2 pixels of the first source apart: .* or set MODEL_FULLYCONV=off"):
        served(tmp_path, classifier((None, None, 2)), image, **more)


def branches(shape: tuple[int | None, ...]) -> Any:
    """Two ways of one stride, by different steps, meet again."""
    image = keras.Input(shape)
    one = L.MaxPooling2D(4)(L.Conv2D(3, 3)(image))
    two = L.AveragePooling2D(2)(L.MaxPooling2D(2)(L.Conv2D(3, 3)(image)))
    return keras.Model(image, L.Conv2D(2, 2)(L.Concatenate()([one, two])))


def dilated(shape: tuple[int | None, ...]) -> Any:
    image = keras.Input(shape)
    return keras.Model(image, L.Conv2D(2, 3, dilation_rate=2, activation="tanh")(L.MaxPooling2D(2)(image)))


def enlarged(shape: tuple[int | None, ...]) -> Any:
    """The stride is made good before the end."""
    image = keras.Input(shape)
    return keras.Model(image, L.UpSampling2D(2)(L.MaxPooling2D(2)(L.Conv2D(3, 3)(image)))[:, :-1, :-1])


def constant(shape: tuple[int | None, ...]) -> Any:
    """No weights at all."""
    image = keras.Input(shape)
    return keras.Model(image, L.MaxPooling2D(2)(L.AveragePooling2D(3, strides=1)(keras.ops.tanh(image))))


@pytest.mark.parametrize(
    ("build", "size", "possible"),
    [
        (branches, 10, False),
        (dilated, 10, True),
        (enlarged, 4, False),
        (constant, 4, True),
    ],
)
def test_networks_that_cannot_be_computed_in_one_go_are_computed_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Build, size: int, possible: bool
) -> None:
    monkeypatch.setattr(patchways, "ENOUGH_OUTPUTS", 0)
    image = write_at(tmp_path / "image.tif", texture(40, 44, 2))
    out, expected, said = both_ways(tmp_path, build, [size], [image])
    assert ("in one step" in said) == possible
    agree(out, expected)


def test_a_large_model_is_not_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patchways, "ENOUGH_OUTPUTS", 0)
    monkeypatch.setattr(runplan, "LARGEST_REBUILT", 1000)
    said = both_ways(tmp_path, classifier, [10], [write_at(tmp_path / "image.tif", texture(40, 44, 2))])[2]
    assert said.startswith(TOGETHER) and "in one step" not in said


LOOPS = {
    "while": lambda x: tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * 0.5), (0, x))[1],
    "cond": lambda x: tf.cond(tf.reduce_sum(x) < -1e9, lambda: x + 1.0, lambda: x * 7.0),
    "map_fn": lambda x: tf.map_fn(lambda y: y * 2.0, x),
}


@pytest.mark.parametrize("name", LOOPS)
def test_branches_and_loops_are_left_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(patchways, "ENOUGH_OUTPUTS", 0)
    module = tf.Module()
    module.weights = tf.Variable(np.random.default_rng(3).normal(size=(3, 3, 2, 3)).astype("float32"))

    def body(x: Any) -> Any:
        return tf.nn.max_pool2d(LOOPS[name](tf.nn.conv2d(x, module.weights, 1, "VALID")), 2, 2, "VALID")

    module.serve = tf.function(
        lambda x: {"y": body(x)}, input_signature=[tf.TensorSpec((None, None, None, 2), name="x")]
    )
    tf.saved_model.save(module, str(tmp_path / "model"), module.serve)
    pixels, log = texture(33, 31, 2), Log()
    size = {"source1__rfieldx": 4, "source1__rfieldy": 4, "model__fullyconv": "off"}
    out = served(tmp_path, str(tmp_path / "model"), write_at(tmp_path / "image.tif", pixels), log=log, **size)
    assert way(log).startswith(TOGETHER) and "in one step" not in way(log)
    windows = np.moveaxis(np.lib.stride_tricks.sliding_window_view(pixels, (4, 4), axis=(0, 1)), 2, -1)
    agree(out, body(tf.constant(windows.reshape(-1, 4, 4, 2))).numpy().reshape(30, 28, 3))
