"""What models do to sizes, as it is found by calling them; and values that users give, checked against it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

from serving import Log, served, texture, write_at  # noqa: E402

from otbtf_qgis.core.errors import ModelError, ParameterError  # noqa: E402
from otbtf_qgis.core.probing.sizelaw import AxisSizeLaw, Probe, SizeLaw, find_size_law  # noqa: E402

L = keras.layers


def law_of(sizes: Callable[[int], int], accepts: Callable[[int], bool] = lambda n: True) -> SizeLaw:
    """The law of a model that returns `sizes(n)` pixels for n."""

    def call(images: Any) -> list[np.ndarray]:
        side = images[0].shape[1]
        if not accepts(side) or sizes(side) < 1:
            raise ModelError("no such size")
        return [np.zeros((1, sizes(side), sizes(side), 1), "float32")]

    return find_size_law(Probe(call, [texture(32, 32)], [Fraction(1)], [(None, None)]))


SIZES = {
    "pixel by pixel, or same padding": (lambda n: n, (1, 1, 1, 1)),
    "valid 5": (lambda n: n - 4, (1, 1, 5, 1)),
    "valid 3, stride 2": (lambda n: (n - 3) // 2 + 1, (2, 1, 3, 1)),
    "same, stride 2": (lambda n: -(-n // 2), (2, 1, 4, 2)),
    "pooling by 4": (lambda n: n // 4, (4, 1, 8, 2)),
    "ResNet's 32": (lambda n: -(-n // 32), (32, 1, 64, 2)),
    "four times larger": (lambda n: 4 * n, (Fraction(1, 4), 1, 1, 4)),
    "thirds, then doubled": (lambda n: 2 * -(-n // 3), (Fraction(3, 2), 1, 6, 4)),
    "tripled, then pooled by 4": (lambda n: 3 * n // 4, (Fraction(4, 3), 1, 8, 6)),
    "transposed, valid": (lambda n: n + 2, (1, 1, 1, 3)),
    "halved, rounded up, and doubled": (lambda n: 4 * -(-n // 4), (1, 4, 4, 4)),
    "ninths in two steps": (lambda n: -(-((n - 5) // 3 + 1) // 3), (9, 1, 18, 2)),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes(name: str) -> None:
    function, (scale, lattice, rfield, efield) = SIZES[name]
    assert law_of(function) == SizeLaw((0,), *[AxisSizeLaw(Fraction(scale), lattice, rfield, efield)] * 2)


def test_a_fixed_size_of_three_pixels() -> None:
    """Too few to see how a change of the input moves: a crop, as a convolution without padding makes."""
    law = law_of(lambda n: n - 1, lambda n: n == 3)
    assert law == SizeLaw((0,), *[AxisSizeLaw(Fraction(1), 3, 3, 2, fixed=True)] * 2)


def test_a_few_sizes_that_are_rounded_up_are_no_lattice() -> None:
    """DeepLabV3+ joins features of strides 16 and 4: of 77 to 79 pixels too, which it completes to 80."""
    law = law_of(lambda n: 4 * -(-n // 4), lambda n: -(-n // 4) == 4 * -(-n // 16))
    assert law == SizeLaw((0,), *[AxisSizeLaw(Fraction(1), 16, 16, 16)] * 2)


@pytest.mark.parametrize("step", [2, 3, 8, 32, 64, 128])
def test_lattices(step: int) -> None:
    law = law_of(lambda n: n, lambda n: n % step == 0)
    assert law.x == AxisSizeLaw(Fraction(1), step, step, step)


def test_sizes_just_below_a_multiple_that_are_rounded_up() -> None:
    """DeepLabV3+ takes 61 to 64, 77 to 80, ...: 64, 79 and 94 are no steps of its lattice."""
    law = law_of(lambda n: -(-n // 16) * 16, lambda n: n % 16 in (0, 13, 14, 15))
    assert law == SizeLaw((0,), *[AxisSizeLaw(Fraction(1), 16, 16, 16)] * 2)


def test_unet_with_valid_padding() -> None:
    """The first U-Net: 572 pixels give 388, in steps of 16, from 188 on."""
    law = law_of(lambda n: n - 184, lambda n: n % 16 == 12 and n > 184)
    assert law.x == AxisSizeLaw(Fraction(1), 16, 188, 4)


def test_global_pooling_is_a_patch_of_any_size() -> None:
    assert law_of(lambda n: 1) == SizeLaw((0,), patch=None)


def test_no_size_is_taken() -> None:
    with pytest.raises(ModelError, match=r"none of the image sizes tried .*64, 128, 96.*set the receptive field"):
        law_of(lambda n: n, lambda n: False)


def fixed(pixels: int, body: Callable[[Any], Any], batch: int | None = None, bands: int = 2) -> Any:
    keras.utils.set_random_seed(3)
    image = keras.Input((pixels, pixels, bands), batch_size=batch)
    return keras.Model(image, body(image))


def served_texture(tmp_path: Path, model: Any, side: int = 40, **more: Any) -> tuple[np.ndarray, np.ndarray, str]:
    """Serve a model on texture and return the output, the input, and the geometry that was logged."""
    log, pixels = Log(), texture(side, side + 3, model.inputs[0].shape[-1])
    out = served(tmp_path, model, write_at(tmp_path / "image.tif", pixels), log=log, **more)
    return out, pixels, next(line for line in log.infos if line.startswith("Geometry"))


@pytest.mark.parametrize(
    ("body", "geometry"),
    [
        (lambda x: L.Conv2D(3, 3, padding="same")(x), "SOURCE1_RFIELDX=64 SOURCE1_RFIELDY=64 OUTPUT_EFIELDX=64"),
        (lambda x: L.Cropping2D(16)(L.Conv2D(3, 3, padding="same")(x)), "OUTPUT_EFIELDY=32 OUTPUT_SPCSCALE=1"),
        (lambda x: L.AveragePooling2D(4)(L.Conv2D(3, 3, padding="same")(x)), "OUTPUT_EFIELDY=16 OUTPUT_SPCSCALE=4"),
        (lambda x: L.UpSampling2D(2)(L.Conv2D(3, 3, padding="same")(x)), "OUTPUT_EFIELDY=128 OUTPUT_SPCSCALE=0.5"),
    ],
)
def test_models_of_one_size(tmp_path: Path, body: Any, geometry: str) -> None:
    assert geometry in served_texture(tmp_path, fixed(64, body), 90)[2]


@pytest.mark.parametrize("batch", [1, 4])
def test_fixed_batches(tmp_path: Path, batch: int) -> None:
    """Of patches, and of regions."""
    model = fixed(8, lambda x: L.Dense(2)(L.Flatten()(x)), batch)
    out, pixels, _ = served_texture(tmp_path, model, 14)
    single = fixed(8, lambda x: L.Dense(2)(L.Flatten()(x)))
    single.set_weights(model.get_weights())
    assert out.shape == (7, 10, 2)
    np.testing.assert_allclose(out[3, 5], np.asarray(single(pixels[None, 3:11, 5:13]))[0], rtol=1e-5)
    region = keras.Input((None, None, 2), batch_size=batch)
    convolution = keras.Model(region, L.Conv2D(2, 3, padding="same")(region))
    out, pixels, _ = served_texture(tmp_path, convolution, 20, **{"optim.tilesizex": 7})
    bare = np.asarray(convolution(np.repeat(pixels[None], batch, axis=0)))[0]
    np.testing.assert_allclose(out, bare, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_ranks_of_outputs(tmp_path: Path, rank: int) -> None:
    """Rank 1 and 3 are one band, rank 2 and 4 have the bands last."""
    shapes = {1: (), 2: (3,), 3: (4, 4), 4: (4, 4, 3)}

    class Cut(L.Layer):
        def call(self, x: Any) -> Any:
            return {1: x[:, 0, 0, 0], 2: x[:, 0, 0], 3: x[..., 0], 4: x}[rank]

        def compute_output_shape(self, shape: Any) -> Any:
            return (None, *shapes[rank])

    image = keras.Input((4, 4, 3))
    model = keras.Model(image, Cut()(image))
    pixels = texture(12, 16, 3)
    folder = str(tmp_path / "model")
    model.export(folder, format="tf_saved_model", verbose=False)
    out = served(tmp_path, folder, write_at(tmp_path / "image.tif", pixels))
    if rank > 2:
        np.testing.assert_array_equal(out, pixels[..., : 3 if rank == 4 else 1])
    else:
        np.testing.assert_array_equal(out, pixels[:9, :13, : 3 if rank == 2 else 1])


@pytest.mark.parametrize("dtype", ["uint8", "int32", "bool"])
@pytest.mark.parametrize("result", ["int64", "float16", "bool"])
def test_dtypes(tmp_path: Path, dtype: str, result: str) -> None:
    image = keras.Input((None, None, 1), dtype=dtype)
    model = keras.Model(image, keras.ops.cast(image, result))
    pixels = texture(20, 30, 1, dtype="uint8") % 3
    out = served(tmp_path, model, write_at(tmp_path / "image.tif", pixels), **{"optim.tilesizex": 8})
    expected = pixels.astype(dtype).astype(result)
    np.testing.assert_array_equal(out, expected.astype(out.dtype))
    assert out.dtype == {"int64": "int32", "float16": "float32", "bool": "uint8"}[result]


def test_two_outputs_of_different_bands(tmp_path: Path) -> None:
    keras.utils.set_random_seed(3)
    image = keras.Input((None, None, 2))
    model = keras.Model(
        image, {"b": L.Conv2D(3, 3, padding="same", name="b")(image), "a": L.Conv2D(1, 1, name="a")(image)}
    )
    pixels = texture(20, 30, 2)
    out = served(
        tmp_path, model, write_at(tmp_path / "image.tif", pixels), output__names="b a", **{"optim.tilesizex": 8}
    )
    bare = model(pixels[None])
    np.testing.assert_allclose(out, np.concatenate([bare["b"][0], bare["a"][0]], axis=-1), rtol=1e-4, atol=1e-6)


# ------------------------------------------------------------------ what users give


@pytest.fixture(scope="module")
def crop() -> Any:
    """12 pixels give 4: crop 4 on either side, multiples of 4."""
    keras.utils.set_random_seed(3)
    image = keras.Input((None, None, 2))
    x = L.UpSampling2D(4)(L.MaxPooling2D(4)(L.Conv2D(3, 3, padding="same")(image)))
    return keras.Model(image, L.Cropping2D(4)(L.Concatenate()([x, image])))


def test_right_values_pass_and_do_not_change_the_output(tmp_path: Path, crop: Any) -> None:
    image = write_at(tmp_path / "image.tif", texture(40, 48, 2))
    found = served(tmp_path, crop, image)
    for given in (
        {"source1.rfieldx": 12, "source1.rfieldy": 12, "output.efieldx": 4, "output.efieldy": 4, "output.spcscale": 1},
        {"source1.rfieldx": 28, "source1.rfieldy": 16},
        {"output.efieldx": 8},
        {"output.spcscale": 1, "model.fullyconv": "on"},
    ):
        np.testing.assert_array_equal(served(tmp_path, crop, image, **given), found)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"output.spcscale": 2}, r"OUTPUT_SPCSCALE is 2, .*set OUTPUT_SPCSCALE=1"),
        (
            {"source1.rfieldx": 12, "output.efieldx": 5},
            r"do not fit the model.*SOURCE1_RFIELDX=12 and OUTPUT_EFIELDX=4",
        ),
        ({"source1.rfieldy": 8}, r"SOURCE1_RFIELDY=12 and OUTPUT_EFIELDY=4"),
        ({"source1.rfieldx": 14}, r"SOURCE1_RFIELDX=12"),
        ({"output.efieldx": 3}, r"OUTPUT_EFIELDX=4"),
        ({"model.fullyconv": "off", "output.efieldx": 4}, r"OUTPUT_EFIELDX is 4.*MODEL_FULLYCONV=on"),
    ],
)
def test_wrong_values_name_the_right_ones(tmp_path: Path, crop: Any, given: dict[str, Any], message: str) -> None:
    image = write_at(tmp_path / "image.tif", texture(40, 48, 2))
    with pytest.raises(ParameterError, match=message):
        served(tmp_path, crop, image, **given)


def test_patch_classifier_of_another_size(tmp_path: Path) -> None:
    model = fixed(8, lambda x: L.Dense(2)(L.Flatten()(x)))
    image = write_at(tmp_path / "image.tif", texture(20, 20, 2))
    with pytest.raises(ParameterError, match="accepts patches of 8 pixels: set SOURCE1_RFIELDX=8"):
        served(tmp_path, model, image, **{"source1.rfieldx": 16})
    with pytest.raises(ModelError, match="one output for a patch of 8 x 8 pixels.*MODEL_FULLYCONV=off"):
        served(tmp_path, model, image, **{"model.fullyconv": "on"})


def test_the_distance_of_patches_is_said_where_it_is_not_given(tmp_path: Path) -> None:
    model = fixed(8, lambda x: L.Dense(2)(L.Flatten()(x)))
    image = write_at(tmp_path / "image.tif", texture(20, 20, 2))
    left_out, given = Log(), Log()
    assert served(tmp_path, model, image, log=left_out).shape == (13, 13, 2)
    assert "set OUTPUT_SPCSCALE" in left_out.text
    assert served(tmp_path, model, image, log=given, output__spcscale=4).shape == (4, 4, 2)
    assert "set OUTPUT_SPCSCALE" not in given.text


def test_global_pooling_asks_for_the_patch(tmp_path: Path) -> None:
    image = keras.Input((None, None, 2))
    model = keras.Model(image, L.Dense(3)(L.GlobalAveragePooling2D()(image)))
    pixels = texture(20, 20, 2)
    path = write_at(tmp_path / "image.tif", pixels)
    with pytest.raises(ParameterError, match="SOURCE1_RFIELDX is missing.*patches of any size"):
        served(tmp_path, model, path)
    out = served(tmp_path, model, path, **{"source1.rfieldx": 5, "source1.rfieldy": 7})
    assert out.shape == (14, 16, 3)
    np.testing.assert_allclose(out[2, 3], np.asarray(model(pixels[None, 2:9, 3:8]))[0], rtol=1e-5)
