"""Real images through networks with random but fixed weights, against the bare network or NumPy on the whole array."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import serving
from osgeo import gdal


def masked(values: np.ndarray, pixels: np.ndarray, nodata: float | None) -> np.ndarray:
    """Return the values, 0 where all bands of a pixel are no-data."""
    return values if nodata is None else np.where((pixels == nodata).all(axis=2)[..., None], 0, values)


@pytest.fixture
def historical_map(shared: Path) -> Path:
    path = shared / "data" / "historical_map" / "map.tif"
    return path if path.exists() else pytest.skip("needs ../shared/data")


@pytest.fixture
def ndvi(shared: Path) -> Path:
    path = shared / "data" / "ndvi_series" / "ndvi.tif"
    return path if path.exists() else pytest.skip("needs ../shared/data")


@pytest.mark.parametrize("tile", [None, 200])
def test_a_network_over_a_scanned_map(historical_map: Path, tmp_path: Path, tile: int | None) -> None:
    import keras

    keras.utils.set_random_seed(7)
    layers = keras.layers
    image = keras.Input((None, None, 3), name="rgb")
    x = layers.Conv2D(8, 5, padding="same", activation="relu")(layers.Rescaling(1 / 255)(image))
    x = layers.Conv2D(8, 3, padding="same", dilation_rate=2, activation="relu")(x)
    net = keras.Model(image, layers.Conv2D(4, 1, activation="softmax", name="classes")(x))
    net.save(tmp_path / "net.keras")
    pixels = serving.read(historical_map)
    whole = net(pixels[None].astype("float32")).numpy()[0]
    out = str(tmp_path / "out.tif")
    log = serving.Log()
    serving.serve(
        log,
        source1_il=str(historical_map),
        model_dir=str(tmp_path / "net.keras"),
        out=out,
        optim_tilesizex=tile,
        optim_tilesizey=tile,
    )
    nodata = serving.nodata_of(historical_map)
    found = serving.read(out)
    np.testing.assert_allclose(found, masked(whole, pixels, nodata), rtol=1e-4, atol=1e-5)
    assert found.std() > 0.01
    assert gdal.Open(out).GetGeoTransform() == gdal.Open(str(historical_map)).GetGeoTransform()


def test_a_pixelwise_model_over_68_dates(ndvi: Path, tmp_path: Path) -> None:
    import tensorflow as tf

    generator = np.random.default_rng(3)
    first, second = (generator.normal(size=size, scale=0.1).astype("float32") for size in ((68, 16), (16, 5)))
    net = serving.pixelwise(tmp_path / "net", lambda x: tf.matmul(tf.tanh(tf.matmul(x / 10000.0, first)), second), 68)
    pixels = serving.read(ndvi)
    assert pixels.shape == (101, 100, 68)
    expected = np.tanh(pixels.astype("float64") / 10000 @ first) @ second
    out = str(tmp_path / "out.tif")
    serving.serve(source1_il=str(ndvi), model_dir=net, out=out)
    nodata = serving.nodata_of(ndvi)
    np.testing.assert_allclose(serving.read(out), masked(expected, pixels, nodata), rtol=1e-4, atol=1e-4)
