"""Parts of one output, computed by separate runs and put together by a VRT: the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

import small_models  # noqa: E402
from serving import Log, keras_file, read, texture, write_at  # noqa: E402

from otbtf_qgis.core.registry import run  # noqa: E402

L = keras.layers


@pytest.fixture(autouse=True)
def seeded() -> None:
    keras.utils.set_random_seed(4)


def patches(shape: tuple[int | None, ...] = (None, None, 3)) -> Any:
    x = keras.Input(shape)
    return keras.Model(x, L.Conv2D(2, 4, activation="tanh")(L.MaxPooling2D()(L.Conv2D(4, 5)(x))))


def one_size(margins: bool) -> Any:
    """Regions of 24 x 24 pixels only; with global pooling they have no margins, and are laid side by side."""
    x = keras.Input((24, 24, 3))
    hidden = L.Conv2D(4, 5, padding="same")(x)
    if not margins:
        hidden = L.Multiply()([hidden, L.GlobalAveragePooling2D(keepdims=True)(hidden)])
    return keras.Model(x, hidden)


def strided() -> Any:
    x = keras.Input((None, None, 3))
    return keras.Model(x, L.Conv2D(2, 3, padding="same")(L.Conv2D(4, 3, strides=4, padding="same")(x)))


PATCHES = {"model.fullyconv": "off", "source1.rfieldx": 12, "source1.rfieldy": 12}
CASES = {
    "patches, together": (patches, PATCHES),
    "patches, one by one": (lambda: patches((12, 12, 3)), {**PATCHES, "padding": "edge"}),
    "patches, two pixels apart, padded": (patches, {**PATCHES, "output.spcscale": 2, "padding": "reflect"}),
    "regions with margins": (small_models.unet, {}),
    "regions that crop": (small_models.valid, {}),
    "regions that crop, padded": (small_models.valid, {"padding": "constant"}),
    "coarser": (strided, {"padding": "reflect"}),
    "finer": (small_models.super_resolution, {}),
    "the whole image at once": (small_models.attention, {}),
    "windows of a fixed context": (small_models.attention, {"model.context": 16}),
    "windows of one size": (lambda: one_size(False), {"model.context": 24}),
    "one size": (lambda: one_size(True), {}),
    "one size, side by side": (lambda: one_size(False), {"padding": "reflect"}),
}


def served(values: dict[str, Any], out: Path, **more: Any) -> str:
    run("TensorflowModelServe", {**values, "out": str(out), **more}, Log())
    return str(out)


def joined(values: dict[str, Any], folder: Path, width: int, height: int) -> str:
    """Compute four parts of uneven size, in tiles of other sizes, and return a VRT of them."""
    left, top = width * 2 // 5, height * 3 // 7
    boxes = [(0, 0, left, top), (left, 0, width - left, top), (0, top, left, height - top)]
    parts = []
    for number, box in enumerate([*boxes, (left, top, width - left, height - top)]):
        tile = {"optim.tilesizex": [None, 9, 16, 31][number]}
        parts.append(served(values, folder / f"part{number}.tif", **{"out.box": ":".join(map(str, box))}, **tile))
    gdal.BuildVRT(str(folder / "joined.vrt"), parts).FlushCache()
    return str(folder / "joined.vrt")


def same(one: str, two: str) -> None:
    first, second = gdal.Open(one), gdal.Open(two)
    assert first.GetGeoTransform() == pytest.approx(second.GetGeoTransform(), abs=1e-6)
    assert first.GetProjection() == second.GetProjection()
    assert first.GetRasterBand(1).GetNoDataValue() == second.GetRasterBand(1).GetNoDataValue()
    a, b = read(one), read(two)
    assert a.shape == b.shape and a.dtype == b.dtype
    np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5 * np.nanmax(np.abs(a)))


@pytest.mark.parametrize("name", CASES)
def test_quarters_are_the_whole(tmp_path: Path, name: str) -> None:
    make, more = CASES[name]
    image = write_at(tmp_path / "image.tif", texture(75, 86, 3))
    values = {"source1.il": [image], "model.dir": keras_file(tmp_path, make()), **more}
    whole = served(values, tmp_path / "whole.tif")
    height, width = read(whole).shape[:2]
    same(whole, joined(values, tmp_path, width, height))


@pytest.mark.parametrize("name", CASES)
def test_parts_by_a_common_plan_are_the_whole(tmp_path: Path, name: str) -> None:
    make, more = CASES[name]
    image = write_at(tmp_path / "image.tif", texture(75, 86, 3))
    values = {"source1.il": [image], "model.dir": keras_file(tmp_path, make()), **more}
    whole = served(values, tmp_path / "whole.tif")
    for number in (2, 0, 1):
        served(values, tmp_path / "map.vrt", part=f"{number}/3")
    parts = len(list((tmp_path / "map.parts").glob("part-*.tif")))
    assert parts == 1 if name == "the whole image at once" else parts >= 3
    same(whole, str(tmp_path / "map.vrt"))
    served(values, tmp_path / "map.tif", resume=True)
    np.testing.assert_array_equal(read(tmp_path / "map.tif"), read(tmp_path / "map.vrt"))


def test_numbers_of_classes_with_nodata(tmp_path: Path) -> None:
    """No-data in part of the image, and two pixel sizes."""
    pixels = texture(75, 86, 3)
    pixels[:40, 20:50] = -1
    images = [
        write_at(tmp_path / "fine.tif", pixels, nodata=-1),
        write_at(tmp_path / "coarse.tif", texture(44, 44, 2), 20.0, (499_980.0, 4_800_040.0)),
    ]
    network = small_models.two_resolutions()
    rounded = keras.ops.cast(network.output * 10, "int16")
    model = keras.Model(network.inputs, L.Identity(name="numbers", dtype="int16")(rounded))
    placeholders = {"source1.placeholder": "fine", "source2.placeholder": "coarse"}
    values = {
        "source1.il": images[:1],
        "source2.il": images[1:],
        "model.dir": keras_file(tmp_path, model),
        "output.bv": -99,
    }
    whole = served({**values, **placeholders}, tmp_path / "whole.tif")
    array = read(whole)
    assert (array == -99).any() and len(np.unique(array)) > 5
    same(whole, joined({**values, **placeholders}, tmp_path, array.shape[1], array.shape[0]))
    for number in range(2):
        served({**values, **placeholders}, tmp_path / "map.vrt", part=f"{number}/2")
    same(whole, str(tmp_path / "map.vrt"))
