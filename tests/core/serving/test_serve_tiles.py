"""Values do not depend on tiles: whatever their size, the output is that of one run over the whole image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

from osgeo import gdal  # noqa: E402
from serving import Log, read, served, texture, write_at  # noqa: E402

L = keras.layers


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    keras.utils.set_random_seed(5)
    image = keras.Input((None, None, 2))
    same = L.Conv2D(3, 5, padding="same", activation="relu")(image)
    valid = L.Conv2D(3, 3)(L.Conv2D(4, 3, activation="relu")(image))
    strided = L.Conv2D(3, 3, strides=2, padding="same")(L.Conv2D(4, 3, padding="same")(image))
    larger = L.Conv2DTranspose(2, 4, strides=4)(L.Conv2D(4, 3, padding="same")(image))
    down = L.Conv2D(4, 3, padding="same", activation="relu")(image)
    deep = L.Conv2D(6, 3, padding="same", activation="relu")(L.MaxPooling2D(2)(down))
    deeper = L.Conv2D(6, 3, padding="same", activation="relu")(L.MaxPooling2D(2)(deep))
    up = L.Concatenate()([L.Conv2DTranspose(4, 3, strides=2, padding="same")(deeper), deep])
    up = L.Concatenate()([L.Conv2DTranspose(4, 3, strides=2, padding="same")(up), down])
    unet = L.Conv2D(3, 3, padding="same", activation="softmax")(up)
    fixed = keras.Input((32, 32, 2))
    reach = L.Conv2D(4, 3, padding="same", activation="relu")(fixed)
    crop = L.Cropping2D(8)(L.Conv2D(3, 3, padding="same")(L.UpSampling2D(2)(L.MaxPooling2D(2)(reach))))
    wide = L.Conv2D(3, 3, padding="same")(L.UpSampling2D(2)(L.MaxPooling2D(2)(reach)))
    coarse = L.Conv2D(3, 3, padding="same")(L.AveragePooling2D(4)(reach))
    found = {"same": same, "valid": valid, "strided": strided, "larger": larger, "unet": unet}
    built = {name: keras.Model(image, output, name=name) for name, output in found.items()}
    built["patch"] = _patch_model()
    for name, output in (("crop", crop), ("wide", wide), ("coarse", coarse)):
        built[name] = keras.Model(fixed, output, name=name)
    return built


def _patch_model() -> Any:
    patch = keras.Input((8, 8, 2))
    return keras.Model(patch, L.Dense(3)(L.Flatten()(L.MaxPooling2D(2)(L.Conv2D(4, 3)(patch)))), name="patch")


def same(one: np.ndarray, two: np.ndarray) -> bool:
    assert one.shape == two.shape
    return float(np.abs(one.astype("float64") - two).max()) <= 1e-5 * float(np.abs(two).max())


def tiled(size: int) -> dict[str, int]:
    return {"optim.tilesizex": size, "optim.tilesizey": size}


NAMES = ["same", "valid", "strided", "larger", "unet", "patch", "crop", "wide", "coarse"]


@pytest.mark.parametrize("name", NAMES)
def test_any_tile_size(tmp_path: Path, models: dict[str, Any], name: str) -> None:
    image = write_at(tmp_path / "image.tif", texture(53, 67, 2))
    untiled = served(tmp_path, models[name], image, **{"optim.disabletiling": True})
    for size in (7, 16, 31, 1000):
        assert same(served(tmp_path, models[name], image, **tiled(size)), untiled), size
    assert same(served(tmp_path, models[name], image, **{"optim.tilesizex": 13, "optim.tilesizey": 5}), untiled)


@pytest.mark.parametrize("name", ["same", "valid", "unet", "larger", "strided"])
def test_tiles_of_one_pixel(tmp_path: Path, models: dict[str, Any], name: str) -> None:
    image = write_at(tmp_path / "image.tif", texture(13, 11, 2))
    untiled = served(tmp_path, models[name], image, **{"optim.disabletiling": True})
    assert same(served(tmp_path, models[name], image, **tiled(1)), untiled)


@pytest.mark.parametrize("shape", [(53, 67), (52, 64), (1, 1), (1, 40), (37, 1), (3, 97), (101, 2)])
def test_untiled_is_the_bare_model(tmp_path: Path, models: dict[str, Any], shape: tuple[int, int]) -> None:
    """For a model of any size, whatever the image's."""
    pixels = texture(*shape, 2)
    image = write_at(tmp_path / "image.tif", pixels)
    for name in ("same", "larger"):
        expected = np.asarray(models[name](pixels[None]))[0]
        assert same(served(tmp_path, models[name], image, **{"optim.disabletiling": True}), expected)
        assert same(served(tmp_path, models[name], image, **tiled(9)), expected)


@pytest.mark.parametrize("shape", [(53, 67), (52, 64), (1, 1), (1, 40), (37, 1), (3, 97)])
def test_lattice_is_completed_by_reflection(tmp_path: Path, models: dict[str, Any], shape: tuple[int, int]) -> None:
    """A U-Net that takes multiples of 4: the image is completed, and no row or column is lost."""
    pixels = texture(*shape, 2)
    image = write_at(tmp_path / "image.tif", pixels)
    lacking = [(0, -side % 4) for side in shape]
    full = np.pad(pixels, [*lacking, (0, 0)], mode="reflect")
    expected = np.asarray(models["unet"](full[None]))[0, : shape[0], : shape[1]]
    assert same(served(tmp_path, models["unet"], image, **{"optim.disabletiling": True}), expected)
    assert same(served(tmp_path, models["unet"], image, **tiled(8)), expected)


MODES = {"reflect": "reflect", "edge": "edge", "constant": "constant"}


@pytest.mark.parametrize("mode", MODES)
def test_padding_covers_the_whole_extent(tmp_path: Path, models: dict[str, Any], mode: str) -> None:
    pixels = texture(29, 23, 2)
    image = write_at(tmp_path / "image.tif", pixels)
    padded = np.pad(pixels, [(2, 2), (2, 2), (0, 0)], mode=MODES[mode])
    expected = np.asarray(models["valid"](padded[None]))[0]
    assert expected.shape[:2] == (29, 23)
    for size in (6, 1000):
        assert same(served(tmp_path, models["valid"], image, padding=mode, **tiled(size)), expected)
    box = served(tmp_path, models["valid"], image, padding=mode, **{"out.box": "3:5:11:17", **tiled(4)})
    assert same(box, expected[5:22, 3:14])


@pytest.mark.parametrize("mode", MODES)
def test_padding_of_patches(tmp_path: Path, models: dict[str, Any], mode: str) -> None:
    """A patch of 8 starts 4 pixels before its centre."""
    pixels = texture(13, 11, 2)
    image = write_at(tmp_path / "image.tif", pixels)
    padded = np.pad(pixels, [(4, 3), (4, 3), (0, 0)], mode=MODES[mode])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (8, 8), axis=(0, 1))
    patches = np.moveaxis(windows, 2, -1).reshape(-1, 8, 8, 2)
    expected = np.asarray(models["patch"](patches)).reshape(13, 11, 3)
    assert same(served(tmp_path, models["patch"], image, padding=mode, **tiled(5)), expected)


@pytest.mark.parametrize("name", NAMES)
def test_box_is_a_part_of_the_whole(tmp_path: Path, models: dict[str, Any], name: str) -> None:
    image = write_at(tmp_path / "image.tif", texture(61, 47, 2))
    whole = served(tmp_path, models[name], image)
    height, width = whole.shape[:2]
    x, y = width // 3, height // 4
    box = f"{x}:{y}:{width // 2}:{height // 2}"
    part = served(tmp_path, models[name], image, **{"out.box": box, **tiled(9)})
    assert same(part, whole[y : y + height // 2, x : x + width // 2])


@pytest.mark.parametrize("name", ["same", "unet", "patch", "wide"])
def test_south_up(tmp_path: Path, models: dict[str, Any], name: str) -> None:
    """Values are those of the north-up view; rows are stored as those of the source."""
    pixels = texture(37, 41, 2)
    north = write_at(tmp_path / "north.tif", pixels)
    south = write_at(tmp_path / "south.tif", pixels, south_up=True)
    expected = served(tmp_path, models[name], north, **tiled(11))
    assert same(served(tmp_path, models[name], south, out=str(tmp_path / "turned.tif"), **tiled(11)), expected[::-1])
    transform = gdal.Open(str(tmp_path / "turned.tif")).GetGeoTransform()
    assert transform[5] > 0


def test_narrow_images_and_a_receptive_field_that_does_not_fit(tmp_path: Path, models: dict[str, Any]) -> None:
    from otbtf_qgis.core.errors import ParameterError

    narrow = write_at(tmp_path / "narrow.tif", texture(40, 4, 2))
    with pytest.raises(
        ParameterError, match="receptive field of source 1 is 5 pixels along x, but the image has only 4"
    ):
        served(tmp_path, models["valid"], narrow)
    assert served(tmp_path, models["valid"], narrow, padding="edge").shape == (40, 4, 3)


def test_no_seam_on_a_real_map(tmp_path: Path, models: dict[str, Any], shared: Path) -> None:
    """A crop of a scanned map: lines and letters everywhere."""
    path = str(tmp_path / "map.tif")
    gdal.Translate(
        path, str(shared / "data" / "historical_map" / "map.tif"), srcWin=[301, 97, 211, 173], bandList=[1, 2]
    )
    bare = read(path).astype("float32")
    expected = np.asarray(models["same"](bare[None]))[0]
    assert same(served(tmp_path, models["same"], path, **tiled(37)), expected)
    for name in ("unet", "valid", "strided", "wide"):
        untiled = served(tmp_path, models[name], path, **{"optim.disabletiling": True})
        assert same(served(tmp_path, models[name], path, **tiled(37)), untiled)


def test_whole_image_models_are_not_tiled(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    image = keras.Input((None, None, 2))
    x = L.Conv2D(4, 3, padding="same")(image)
    model = keras.Model(image, L.GroupNormalization(groups=-1)(x))
    pixels, log = texture(70, 90, 2), Log()
    path = write_at(tmp_path / "image.tif", pixels)
    assert same(served(tmp_path, model, path, log=log, **tiled(16)), np.asarray(model(pixels[None]))[0])
    assert "whole image is computed at once" in log.text


def test_regions_of_a_model_that_needs_all_of_its_one_size_stand_side_by_side(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    image = keras.Input((16, 16, 2))
    model = keras.Model(image, L.GroupNormalization(groups=-1)(L.Conv2D(4, 3, padding="same")(image)))
    pixels, log = texture(40, 40, 2), Log()
    path = write_at(tmp_path / "image.tif", pixels)
    found = served(tmp_path, model, path, log=log, **tiled(5))
    assert same(found[16:32, :16], np.asarray(model(pixels[None, 16:32, :16]))[0])
    assert found.shape == (40, 40, 4)
    assert "seams may be visible" in log.warnings[0]
