"""Strides and margins that are found, against receptive fields computed by hand from the layers."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

from receptive_fields import Layer, jump, margins  # noqa: E402
from serving import texture  # noqa: E402

from otbtf_qgis.core.errors import ModelError  # noqa: E402
from otbtf_qgis.core.probing.compute import REFUSALS  # noqa: E402
from otbtf_qgis.core.probing.sizelaw import Probe, SizeLaw, find_size_law  # noqa: E402
from otbtf_qgis.core.probing.tilemargins import SIDES, TileMargins, find_tile_margins  # noqa: E402

L = keras.layers


@pytest.fixture(autouse=True)
def seeded() -> None:
    keras.utils.set_random_seed(7)


def probe_of(model: Any, *samples: np.ndarray, ratios: Sequence[Fraction] = (Fraction(1),)) -> Probe:
    """A probe of a Keras model, which raises ModelError as serving does."""
    function = tf.function(
        lambda *images: model(images[0] if len(images) == 1 else list(images), training=False),
        input_signature=[tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs],
        autograph=False,
    )

    def call(images: Sequence[np.ndarray]) -> list[np.ndarray]:
        try:
            found = function(*(tf.constant(image) for image in images))
        except (*REFUSALS, ValueError) as error:
            raise ModelError(str(error)[:200]) from error
        return [np.asarray(array) for array in (found if isinstance(found, (list, tuple)) else [found])]

    sizes = [(i.shape[2], i.shape[1]) for i in model.inputs]
    given = samples or (texture(320, 320, model.inputs[0].shape[-1]),)
    return Probe(call, given, ratios, sizes)


def examine(
    model: Any, *samples: np.ndarray, whole: tuple[int, int] | None = None, **more: Any
) -> tuple[SizeLaw, TileMargins]:
    probe = probe_of(model, *samples, **more)
    law = find_size_law(probe)
    return law, find_tile_margins(probe, law, lambda side: True, whole)


def keras_layer(x: Layer, y: Layer, pooling: str = "") -> Any:
    """The layer along both axes; strides of transposed and pooling layers as given."""
    padding = "same" if x.same else "valid"
    kernel, stride = (y.kernel, x.kernel), (y.stride, x.stride)
    if x.up:
        return L.Conv2DTranspose(6, kernel, strides=stride, padding=padding)
    if pooling:
        return {"max": L.MaxPooling2D, "avg": L.AveragePooling2D}[pooling](kernel, strides=stride, padding=padding)
    dilation = (y.dilation, x.dilation)
    return L.Conv2D(6, kernel, strides=stride, padding=padding, dilation_rate=dilation, activation="relu")


def stack(layers: Sequence[Any]) -> Any:
    return keras.Sequential([keras.Input((None, None, 2)), *layers])


def random_stack(seed: int) -> tuple[Any, list[Layer], list[Layer]]:
    """A random stack of convolutions and poolings, as a model and as layers along x and y."""
    generator = random.Random(seed)
    along_x, along_y, layers, reduced = [], [], [], 1
    for _ in range(generator.randint(1, 4)):
        same, kind = generator.random() < 0.6, generator.choice(["conv", "conv", "conv", "max", "avg", "up"])
        stride = generator.choice([1, 1, 2, 3]) if reduced <= 4 else 1
        dilation = generator.choice([1, 1, 2, 3]) if stride == 1 and kind == "conv" else 1
        kernels = [generator.randint(1, 5), generator.randint(1, 5)]
        if kind == "up":
            stride = 2 if reduced % 2 == 0 else 1
        reduced = reduced // stride if kind == "up" else reduced * stride
        x, y = (Layer(kernel, stride, dilation, same, kind == "up") for kernel in kernels)
        along_x.append(x)
        along_y.append(y)
        layers.append(keras_layer(x, y, kind if kind in ("max", "avg") else ""))
    return stack(layers), along_x, along_y


def check(found: TileMargins, law: SizeLaw, along: Sequence[Sequence[Layer]], whole: tuple[int, int]) -> None:
    """The stride is a multiple of the true one, and the margins hold those by hand and little more."""
    assert not found.whole, found.reason
    assert law.x is not None
    for layers, pixels, margin in zip(along, whole, (found.margin_x, found.margin_y)):
        assert found.stride % jump(layers) == 0
        far = pixels + math.ceil(400 / found.stride) * found.stride
        needed = margins(layers, far)
        for ours, by_hand in zip(margin, needed):
            assert ours >= by_hand
            assert ours <= by_hand + math.ceil(found.stride / law.x.scale)


@pytest.mark.parametrize("seed", range(24))
def test_random_stacks(seed: int) -> None:
    model, along_x, along_y = random_stack(seed)
    law = find_size_law(probe_of(model))
    assert law.x is not None
    assert law.y is not None
    period = math.lcm(law.x.lattice, law.x.scale.numerator)
    whole = law.x.rfield + period * (20 + seed), law.y.rfield + period * (21 + seed // 2)
    law, found = examine(model, whole=whole)
    check(found, law, (along_x, along_y), whole)


def unet(depth: int, kernel: int, padding: str = "same", pool: str = "max") -> Any:
    """A U-Net whose skips are joined to what transposed convolutions bring up."""
    image = x = keras.Input((None, None, 2))
    skips = []
    for level in range(depth):
        x = L.Conv2D(4 + level, kernel, padding=padding, activation="relu")(x)
        skips.append(x)
        x = L.MaxPooling2D(2)(x) if pool == "max" else L.Conv2D(6, kernel, strides=2, padding="same")(x)
    x = L.Conv2D(8, kernel, padding=padding, activation="relu")(x)
    for skip in reversed(skips):
        x = L.Conv2DTranspose(6, kernel, strides=2, padding="same")(x)
        x = L.Concatenate()([x, skip])
        x = L.Conv2D(4, kernel, padding=padding, activation="relu")(x)
    return keras.Model(image, L.Conv2D(3, 1, activation="softmax")(x))


def unet_layers(depth: int, kernel: int, pool: str) -> tuple[list[Layer], list[tuple[int, int]]]:
    layers, skips, starts = [], [], []
    for _ in range(depth):
        layers.append(Layer(kernel))
        starts.append(len(layers))
        layers.append(Layer(2 if pool == "max" else kernel, 2))
    layers.append(Layer(kernel))
    for start in reversed(starts):
        layers.append(Layer(kernel, 2, up=True))
        skips.append((start, len(layers) - 1))
        layers.append(Layer(kernel))
    return [*layers, Layer(1)], skips


@pytest.mark.parametrize(
    ("depth", "kernel", "pool"),
    [(1, 3, "max"), (2, 3, "max"), (3, 3, "max"), (2, 2, "max"), (2, 5, "conv"), (2, 4, "conv")],
)
def test_unets(depth: int, kernel: int, pool: str) -> None:
    law, found = examine(unet(depth, kernel, pool=pool))
    layers, skips = unet_layers(depth, kernel, pool)
    assert law.x is not None
    assert (law.x.lattice, law.x.scale, law.x.crop) == (2**depth, 1, 0)
    assert found.stride == 2**depth
    needed = margins(layers, 256, skips)
    assert found.margin_x == found.margin_y
    for ours, by_hand in zip(found.margin_x, needed):
        assert by_hand <= ours <= by_hand + 2**depth


class CutToSize(L.Layer):
    """Cuts the first tensor to the size of the second."""

    def call(self, pair: Any) -> Any:
        shape = tf.shape(pair[1])
        return pair[0][:, : shape[1], : shape[2]]

    def compute_output_shape(self, shapes: Any) -> Any:
        return (*shapes[1][:3], shapes[0][3])


@pytest.mark.parametrize("sizes", [(64, 64), (65, 64), (64, 65), (65, 65)])
def test_same_padding_of_odd_sizes_falls_elsewhere(sizes: tuple[int, int]) -> None:
    """A strided convolution pads odd sizes on both sides, even ones at the end; the model takes both."""
    image = keras.Input((None, None, 2))
    x = L.UpSampling2D(2)(L.Conv2D(4, 3, strides=2, padding="same")(image))
    law, found = examine(keras.Model(image, CutToSize()([x, image])), whole=sizes)
    assert law.x is not None
    assert (law.x.lattice, law.x.scale) == (1, 1)
    assert found.stride == 2
    for size, margin in zip(sizes, (found.margin_x, found.margin_y)):
        assert margin == ((2, 1) if size % 2 else (0, 2))


def test_flat_input_hides_no_stride() -> None:
    """A stride of 2 is found where the sample is constant but for one pixel in a thousand."""
    sample = texture(320, 320, 2)
    sample[100:220, 100:220] = 0.5
    _, found = examine(unet(1, 3), sample)
    assert found.stride % 2 == 0


def test_classes_as_output() -> None:
    """Class numbers change less often than scores: the margins are found all the same."""
    model = unet(2, 3)
    classes = keras.ops.argmax(model.output, axis=-1)
    law, found = examine(keras.Model(model.input, classes))
    scores = examine(model)[1]
    assert found.stride % 4 == 0
    assert found.margin_x == scores.margin_x


def test_dead_outputs_are_not_taken_for_a_stride_of_one() -> None:
    """A model whose classes never vary on the sample still has the stride of its pooling, or a multiple."""
    image = keras.Input((None, None, 2))
    x = L.Conv2D(2, 3, padding="same", bias_initializer=lambda shape, dtype: keras.ops.array([1e4, 0.0]))(image)
    x = L.UpSampling2D(2)(L.MaxPooling2D(2)(x))
    _, found = examine(keras.Model(image, keras.ops.argmax(x, axis=-1)))
    assert found.stride % 2 == 0


@pytest.mark.parametrize("dtype", ["uint8", "int32", "bool", "float16", "float64"])
def test_input_dtypes(dtype: str) -> None:
    image = keras.Input((None, None, 2), dtype=dtype)
    x = L.Conv2D(4, 5, padding="same")(keras.ops.cast(image, "float32"))
    values = np.random.default_rng(0).random((320, 320, 2))
    sample = (values > 0.5) if dtype == "bool" else (values * 200).astype(dtype)
    _, found = examine(keras.Model(image, x), sample)
    assert (found.stride, found.margin_x, found.margin_y) == (1, (2, 2), (2, 2))


def test_values_that_the_model_refuses_are_not_planted() -> None:
    """An embedding knows 200 numbers; others are an error on a CPU."""
    image = keras.Input((None, None, 1), dtype="int32")
    x = L.Embedding(200, 3)(image[..., 0])
    x = L.Conv2D(2, 3, padding="same")(x)
    sample = np.random.default_rng(0).integers(0, 200, (320, 320, 1)).astype("int32")
    _, found = examine(keras.Model(image, x), sample)
    assert (found.stride, found.margin_x) == (1, (1, 1))


def normalised(image: Any) -> Any:
    x = L.Conv2D(4, 3, padding="same")(image)
    return L.GroupNormalization(groups=-1)(x)


def excited(image: Any) -> Any:
    x = L.Conv2D(4, 3, padding="same", activation="relu")(image)
    return x * L.Dense(4, activation="sigmoid")(L.GlobalAveragePooling2D(keepdims=True)(x))


class SelfAttention(L.Layer):
    """Every pixel looks at every other."""

    def call(self, x: Any) -> Any:
        flat = tf.reshape(x, [1, -1, x.shape[-1]])
        return tf.reshape(tf.matmul(tf.nn.softmax(tf.matmul(flat, flat, transpose_b=True)), flat), tf.shape(x))

    def compute_output_shape(self, shape: Any) -> Any:
        return shape


def attended(image: Any) -> Any:
    return SelfAttention()(L.Conv2D(4, 8, strides=8)(image))


def standardised(image: Any) -> Any:
    mean = keras.ops.mean(image, axis=(1, 2), keepdims=True)
    return L.Conv2D(3, 1)(image - mean)


@pytest.mark.parametrize("body", [normalised, excited, attended, standardised])
def test_whole_image_only(body: Any) -> None:
    image = keras.Input((None, None, 2))
    model = keras.Model(image, body(image))
    probe = probe_of(model)
    found = find_tile_margins(probe, find_size_law(probe), lambda side: side <= 256)
    assert found.whole
    assert found.reason


def test_sees_more_than_the_memory_allows() -> None:
    probe = probe_of(unet(3, 5))
    found = find_tile_margins(probe, find_size_law(probe), lambda side: side <= SIDES[0])
    assert found.whole
    assert "more than 32 pixels" in found.reason


@pytest.mark.parametrize("offset", [-6, 0, 6])
def test_second_source_larger_or_smaller_than_its_share(offset: int) -> None:
    """The second source at twice the spacing is cropped or padded to fit; it alone sees its neighbours."""
    first, second = keras.Input((None, None, 1), name="a"), keras.Input((None, None, 1), name="b")
    y = L.Conv2D(3, 3, padding="same")(second)
    y = L.Cropping2D(3)(y) if offset > 0 else L.ZeroPadding2D(3)(y) if offset < 0 else y
    x = L.Add()([L.Conv2D(3, 1)(first), L.UpSampling2D(2)(y)])
    probe = probe_of(
        keras.Model([first, second], x),
        texture(320, 320),
        texture(320, 320, seed=1),
        ratios=(Fraction(1), Fraction(1, 2)),
    )
    law = find_size_law(probe)
    assert law.offsets == (0, offset)
    found = find_tile_margins(probe, law, lambda side: True)
    assert not found.whole, found.reason
    # In pixels of the second source: one for the convolution, and three for what the padding stands for.
    reach = max(0, 1 + (3 if offset < 0 else -3 if offset > 0 else 0))
    assert found.stride == 2
    assert found.margin_x == found.margin_y == (2 * reach, 2 * reach)


APPLICATIONS = {"EfficientNetV2B0": None, "MobileNetV3Small": None, "ResNet50": "conv4_block2_out"}
"""Networks of Keras, and the layer behind which each is cut, where it is."""
RECEPTIVE_FIELD, STRIDE = 163, 16
"""Of ResNet50 up to that layer: 11 behind the first pooling, 3 blocks of 8 pixels, 4 of 16 and 2 of 32."""


@pytest.mark.parametrize("name", APPLICATIONS)
def test_keras_applications(name: str) -> None:
    """ResNet50 sees a part at a time; squeeze and excitation of the others sees everything."""
    layer = APPLICATIONS[name]
    model = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(None, None, 3))
    if layer:
        model = keras.Model(model.input, model.get_layer(layer).output)
    probe = probe_of(model, (texture(320, 320, 3) * 255).astype("float32"))
    law = find_size_law(probe)
    assert law.x is not None
    assert law.x.scale == (STRIDE if layer else 32)
    found = find_tile_margins(probe, law, lambda side: layer is not None or side <= 256)
    if layer is None:
        assert found.whole
        return
    assert not found.whole, found.reason
    assert found.stride == STRIDE
    needed = math.ceil((RECEPTIVE_FIELD - 1) / 2 / STRIDE)
    for margin in (*found.margin_x, *found.margin_y):
        assert needed - 1 <= margin <= needed + 1
