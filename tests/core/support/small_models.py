"""Small Keras models with known geometry, and images for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal, osr


def pixelwise() -> Any:
    """A 1 x 1 convolution."""
    import keras

    x = keras.Input((None, None, 3), name="x")
    return keras.Model(x, keras.layers.Conv2D(2, 1, name="y")(x))


def unet() -> Any:
    """Two steps down by strided convolutions and up again: sizes are multiples of 4."""
    import keras

    layers = keras.layers
    x = keras.Input((None, None, 3), name="x")
    one = layers.Conv2D(6, 3, padding="same", activation="relu", name="one")(x)
    two = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="two")(one)
    four = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="four")(two)
    up = layers.Conv2DTranspose(6, 3, strides=2, padding="same", name="up_two")(four)
    up = layers.Conv2DTranspose(6, 3, strides=2, padding="same", name="up_one")(layers.Concatenate()([up, two]))
    logits = layers.Conv2D(4, 1, name="logits")(layers.Concatenate()([up, one]))
    return keras.Model(x, layers.Softmax(name="predictions")(logits))


def labels(dtype: str = "uint8") -> Any:
    """A pixel-wise model that returns the number of the largest band."""
    import keras

    x = keras.Input((None, None, 3), name="x")
    largest = keras.ops.argmax(x, axis=-1)
    return keras.Model(x, keras.layers.Identity(name="label")(keras.ops.cast(largest, dtype)))


def classifier() -> Any:
    """One output for a patch of 16 x 16."""
    import keras

    layers = keras.layers
    x = keras.Input((16, 16, 3), name="x")
    hidden = layers.MaxPooling2D()(layers.Conv2D(4, 5, activation="relu")(x))
    return keras.Model(x, layers.Dense(5, activation="softmax", name="classes")(layers.Flatten(name="flat")(hidden)))


def valid() -> Any:
    """Convolutions without padding, and pooling: 12 pixels give one output, two pixels apart."""
    import keras

    layers = keras.layers
    x = keras.Input((None, None, 3), name="x")
    hidden = layers.MaxPooling2D(2)(layers.Conv2D(4, 5, activation="relu")(x))
    return keras.Model(x, layers.Conv2D(2, (4, 4), name="y")(hidden))


def attention() -> Any:
    """Every output depends on the mean of the whole image."""
    import keras

    layers = keras.layers
    x = keras.Input((None, None, 3), name="x")
    hidden = layers.Conv2D(4, 3, padding="same")(x)
    mean = layers.GlobalAveragePooling2D(keepdims=True)(hidden)
    return keras.Model(x, layers.Multiply(name="y")([hidden, mean]))


def super_resolution() -> Any:
    """Four outputs along each side of a pixel."""
    import keras

    x = keras.Input((None, None, 3), name="x")
    hidden = keras.layers.Conv2D(4, 3, padding="same")(x)
    return keras.Model(x, keras.layers.Conv2DTranspose(1, 4, strides=4, name="y")(hidden))


def two_resolutions() -> Any:
    """A source at 10 m, and one at 20 m that is enlarged."""
    import keras

    layers = keras.layers
    fine, coarse = keras.Input((None, None, 3), name="fine"), keras.Input((None, None, 2), name="coarse")
    enlarged = layers.UpSampling2D(2)(layers.Conv2D(4, 3, padding="same")(coarse))
    both = layers.Concatenate()([layers.Conv2D(4, 5, padding="same")(fine), enlarged])
    return keras.Model([fine, coarse], layers.Conv2D(1, 1, name="y")(both))


def save(model: Any, folder: Path, name: str = "net") -> str:
    """Save a model as a `.keras` file and return its path."""
    path = str(folder / f"{name}.keras")
    model.save(path)
    return path


def image(
    folder: Path, name: str = "image", width: int = 72, height: int = 60, bands: int = 3, epsg: int = 32631
) -> str:
    """Write a GeoTIFF of random pixels of 10 m and return its path."""
    path = str(folder / f"{name}.tif")
    dataset = gdal.GetDriverByName("GTiff").Create(path, width, height, bands, gdal.GDT_Float32)
    dataset.SetGeoTransform((500000.0, 10.0, 0.0, 4800000.0, 0.0, -10.0))
    system = osr.SpatialReference()
    system.ImportFromEPSG(epsg)
    dataset.SetProjection(system.ExportToWkt())
    pixels = np.random.default_rng(1).random((bands, height, width), np.float32)
    dataset.WriteRaster(0, 0, width, height, pixels.tobytes(), buf_type=gdal.GDT_Float32)
    return path


def read(path: str) -> np.ndarray:
    """Return a raster's pixels, of shape (bands, rows, columns)."""
    array: np.ndarray = gdal.Open(path).ReadAsArray()
    return array if array.ndim == 3 else array[None]
