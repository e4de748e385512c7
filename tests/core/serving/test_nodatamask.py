"""No-data: the rule of OTBTF.md, against a slow reference that looks at one output pixel at a time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serving
from osgeo import gdal

BACKGROUND = -7.0
COARSE = (300000.0, 20.0, 0.0, 4000000.0, 0.0, -20.0)
SHIFTED = (300013.0, 6.0, 0.0, 3999991.0, 0.0, -6.0)


def holes(pixels: np.ndarray, value: float, seed: int) -> np.ndarray:
    """Return the pixels with rectangles, single pixels and single bands set to `value`."""
    generator = np.random.default_rng(seed)
    pixels = pixels.copy()
    height, width = pixels.shape[:2]
    for _ in range(8):
        y, x = generator.integers(0, height), generator.integers(0, width)
        h, w = generator.integers(1, height // 2), generator.integers(1, width // 2)
        pixels[y : y + h, x : x + w] = value
    single = generator.random(pixels.shape[:2]) < 0.1
    pixels[single] = value
    pixels[generator.random(pixels.shape) < 0.1] = value  # one band alone does not count
    return pixels


def reference(out: str, sources: list[tuple[str, float]]) -> np.ndarray:
    """Return where the output must be background, from the files' geotransforms alone."""
    dataset = gdal.Open(out)
    x0, dx, _, y0, _, dy = dataset.GetGeoTransform()
    mask = np.zeros((dataset.RasterYSize, dataset.RasterXSize), bool)
    for path, value in sources:
        pixels = serving.read(path)
        empty = (np.isnan(pixels) if math.isnan(value) else pixels == value).all(axis=2)
        sx0, sdx, _, sy0, _, sdy = gdal.Open(path).GetGeoTransform()
        centres_x = sx0 + (np.arange(empty.shape[1]) + 0.5) * sdx
        centres_y = sy0 + (np.arange(empty.shape[0]) + 0.5) * sdy
        for row, column in np.ndindex(*mask.shape):
            left, top = x0 + column * dx, y0 + row * dy
            across = (centres_x >= left - 1e-5) & (centres_x < left + dx - 1e-5)  # an edge belongs to what begins there
            down = (centres_y <= top + 1e-5) & (centres_y > top + dy + 1e-5)
            if across.any() and down.any():
                under = empty[np.ix_(down, across)]
            else:
                i, j = int((top + dy / 2 - sy0) // sdy), int((left + dx / 2 - sx0) // sdx)
                under = empty[i : i + 1, j : j + 1]
            mask[row, column] |= under.all()
    return mask


def check(folder: Path, sources: list[tuple[str, float]], **values: Any) -> None:
    """Serve with and without no-data, with several tile sizes, and compare with the reference."""
    given = {f"source{k}_il": path for k, (path, _) in enumerate(sources, 1)}
    nodata = {f"source{k}_nodata": value for k, (_, value) in enumerate(sources, 1)}
    plain = str(folder / "plain.tif")
    serving.serve(**given, **values, out=plain, nodata_from_layer="off")
    expected = serving.read(plain)
    mask = reference(plain, sources)
    assert 0.02 < mask.mean() < 0.98
    expected[mask] = BACKGROUND
    for tile in (None, 3, 7):
        out = str(folder / f"out{tile}.tif")
        tiles = {"optim_tilesizex": tile, "optim_tilesizey": tile}
        serving.serve(**given, **nodata, **values, **tiles, out=out, output_bv=BACKGROUND, out_pixeltype="float")
        np.testing.assert_allclose(serving.read(out), expected, rtol=1e-4, atol=1e-5)
        assert serving.nodata_of(out) == BACKGROUND


@pytest.fixture
def image(tmp_path: Path) -> str:
    return serving.write(tmp_path / "image.tif", holes(serving.noise(31, 37, 2, "float32"), 0.0, 1))


def patch_mean(folder: Path, side: int, bands: int = 2) -> str:
    import tensorflow as tf

    return serving.save(
        folder / "net", lambda x: {"y": tf.reduce_mean(x, [1, 2])}, x=([None, side, side, bands], "float32")
    )


@pytest.mark.parametrize(("side", "scale"), [(1, 1), (6, 1), (5, 4), (8, 4), (4, 0.5), (3, 2.5)])
def test_patches(tmp_path: Path, image: str, side: int, scale: float) -> None:
    """With a scale of 4 the pixels under an output are 4 x 4, with 0.5 there is none and its centre's pixel counts."""
    check(tmp_path, [(image, 0.0)], model_dir=patch_mean(tmp_path, side), output_spcscale=scale)


def test_regions(tmp_path: Path, image: str) -> None:
    net = serving.convolutions(tmp_path / "net", 2, (3,), 2, "float32")
    check(tmp_path, [(image, 0.0)], model_dir=net, model_fullyconv="on")


def test_regions_with_a_scale_of_four(tmp_path: Path, image: str) -> None:
    import tensorflow as tf

    net = serving.save(
        tmp_path / "net",
        lambda x: {"y": tf.nn.avg_pool2d(x, 8, 4, "VALID")},
        x=([None, None, None, 2], "float32"),
    )
    fields = {"source1_rfieldx": 8, "source1_rfieldy": 8, "output_spcscale": 4}
    check(tmp_path, [(image, 0.0)], model_dir=net, model_fullyconv="on", **fields)


def test_nan(tmp_path: Path) -> None:
    path = serving.write(tmp_path / "nan.tif", holes(serving.noise(31, 37, 2, "float32"), np.nan, 2))
    net = serving.pixelwise(tmp_path / "net", lambda x: x * 2, 2)
    check(tmp_path, [(path, np.nan)], model_dir=net)


def test_several_sources_on_several_grids(tmp_path: Path, image: str) -> None:
    """In any of them: no-data is a matter of each source."""
    import tensorflow as tf

    coarse = serving.write(tmp_path / "coarse.tif", holes(serving.noise(16, 19, 1, "uint16"), 5, 3), COARSE)
    shifted = serving.write(tmp_path / "shifted.tif", holes(serving.noise(48, 56, 1, "int16"), -1, 4), SHIFTED)
    net = serving.save(
        tmp_path / "net",
        lambda a, b, c: {
            "y": tf.reduce_mean(a, [1, 2, 3]) + tf.reduce_mean(b, [1, 2, 3]) + tf.reduce_mean(c, [1, 2, 3])
        },
        a=([None, 4, 4, 2], "float32"),
        b=([None, 2, 2, 1], "float32"),
        c=([None, 3, 3, 1], "float32"),
    )
    fields = {f"source{k}_rfield{axis}": side for k, side in ((1, 4), (2, 2), (3, 3)) for axis in "xy"}
    sources = [(image, 0.0), (coarse, 5.0), (shifted, -1.0)]
    check(tmp_path, sources, model_dir=net, model_fullyconv="off", output_spcscale=2, **fields)


def test_the_layers_own_value_is_used_unless_told_otherwise(tmp_path: Path) -> None:
    pixels = holes(serving.noise(20, 20, 2), 255, 5)
    path = serving.write(tmp_path / "image.tif", pixels, nodata=255)
    net = serving.pixelwise(tmp_path / "net", lambda x: x, 2, "uint8")
    values = {"source1_il": path, "model_dir": net, "out": str(tmp_path / "out.tif")}
    serving.serve(**values, output_bv=1)
    empty = (pixels == 255).all(axis=2)
    np.testing.assert_array_equal(serving.read(values["out"]), np.where(empty[..., None], 1, pixels))
    serving.serve(**values, output_bv=1, nodata_from_layer="off")
    np.testing.assert_array_equal(serving.read(values["out"]), pixels)
    assert serving.nodata_of(values["out"]) is None
    serving.serve(**values, output_bv=1, source1_nodata=254)  # what is given wins over the layer's own
    np.testing.assert_array_equal(
        serving.read(values["out"]), np.where((pixels == 254).all(axis=2)[..., None], 1, pixels)
    )


def test_an_image_without_a_pixel_of_data(tmp_path: Path) -> None:
    path = serving.write(tmp_path / "image.tif", np.zeros((20, 20, 2), np.uint8))
    net = serving.pixelwise(tmp_path / "net", lambda x: x[..., :1], 2, "uint8")
    out = str(tmp_path / "out.tif")
    serving.serve(source1_il=path, model_dir=net, source1_nodata=0, output_bv=3, out=out)
    assert (serving.read(out) == 3).all() and serving.read(out).shape == (20, 20, 1)


@pytest.mark.parametrize(
    ("rule", "bands", "share"), [("any", 0.0, 1.0), ("0.5", 0.5, 0.0), ("all", 1.0, 0.25), ("0.3", 0.3, 0.5)]
)
def test_the_rule_says_which_pixels_and_which_outputs(rule: str, bands: float, share: float, tmp_path: Path) -> None:
    pixels = holes(serving.noise(24, 32, 3, "float32"), 9.0, 3)
    path = serving.write(tmp_path / "a.tif", pixels, nodata=9.0)
    model = patch_mean(tmp_path, 4, 3)
    given = {"output__spcscale": 4, "nodata_rule": rule, "nodata_pixels": share, "output__bv": BACKGROUND}
    gaps = pixels == 9.0
    empty = (gaps.mean(axis=2) > bands + 1e-9) | gaps.all(axis=2)
    below = empty.reshape(6, 4, 8, 4).mean(axis=(1, 3))
    expected = (below > share) | (below == 1)
    for tile in (8, 3):
        found = serving.served(tmp_path, model, path, **given, optim__tilesizex=tile, optim__tilesizey=tile)
        assert np.array_equal(found[..., 0] == BACKGROUND, expected)
    assert expected.any() and not expected.all()
