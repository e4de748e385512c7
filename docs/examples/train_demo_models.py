"""Train a small CNN and a small U-Net on the example data, and save them for TensorflowModelServe.

    ENGINE_PYTHON docs/examples/train_demo_models.py DATA

DATA is the folder that `otbtf:createexampledata` made. The terrain truth A trains, B tells how good the result
is. The models are saved beside the data: the CNN as the SavedModel folder `cnn`, the U-Net as `unet.keras`. Both
take the image's own values and return the number of a class, so that serving them gives a map.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is loaded: errors only

import keras
import numpy as np
from keras import layers
from osgeo import gdal
from sklearn.metrics import cohen_kappa_score

gdal.UseExceptions()

CLASSES = 6
NO_LABEL = 255

PATCH = 16
"""Width and height in pixels of what the CNN sees."""
SAMPLES = 500
"""Patches of each class that train the CNN, and that tell its kappa."""
TILE = 64
"""Width and height in pixels of what the U-Net is trained on."""


def read(data: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the image (rows, columns, bands) and the labels A and B (rows, columns)."""
    image = gdal.Open(str(data / "xs_10m.tif")).ReadAsArray()
    truth = [gdal.Open(str(data / f"terrain_truth_{side}.tif")).ReadAsArray() for side in "AB"]
    return np.moveaxis(image, 0, -1).astype("float32"), truth[0], truth[1]


def patches(image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return patches around the same number of pixels of each class, evenly drawn, and their classes.

    The patch of pixel i starts at i - PATCH // 2: so does TensorflowModelServe cut them.
    """
    rows, columns = labels.shape
    windows = np.lib.stride_tricks.sliding_window_view(image, (PATCH, PATCH), axis=(0, 1))
    starts, classes = [], []
    inside = labels[PATCH // 2 : rows - PATCH // 2 + 1, PATCH // 2 : columns - PATCH // 2 + 1]
    for class_ in range(CLASSES):
        found = np.flatnonzero(inside == class_)
        starts.append(found[np.linspace(0, len(found) - 1, min(SAMPLES, len(found))).astype(int)])
        classes.append(np.full(len(starts[-1]), class_))
    y, x = np.unravel_index(np.concatenate(starts), inside.shape)
    return np.moveaxis(windows[y, x], 1, -1), np.concatenate(classes)


def tiles(image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the tiles of the image in which something is labelled, and their labels."""
    found = [
        (image[y : y + TILE, x : x + TILE], labels[y : y + TILE, x : x + TILE])
        for y in range(0, labels.shape[0] - TILE + 1, TILE // 2)
        for x in range(0, labels.shape[1] - TILE + 1, TILE // 2)
        if (labels[y : y + TILE, x : x + TILE] != NO_LABEL).any()
    ]
    return np.stack([tile for tile, _ in found]), np.stack([label for _, label in found])


def scaled_input(image: np.ndarray) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Return an input of any width and height, and the same with each band brought to mean 0 and deviation 1.

    The means and deviations are those of `image`; they are saved with the model.
    """
    bands = image.reshape(-1, image.shape[-1])
    raw = keras.Input((None, None, image.shape[-1]), name="image")
    return raw, layers.Normalization(mean=bands.mean(axis=0), variance=bands.var(axis=0))(raw)


def cnn(image: np.ndarray) -> keras.Model:
    """Return a CNN that sees 16 x 16 pixels.

    Width and height are left free, and the dense layer is written as a convolution of 1 x 1. So the network takes
    single patches, in training, and whole regions, in serving: then it gives one output every 4 pixels.
    """
    raw, x = scaled_input(image)
    x = layers.Conv2D(16, 5, activation="relu")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(16, 3, activation="relu")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(32, 2, activation="relu")(x)
    return keras.Model(raw, layers.Conv2D(CLASSES, 1, activation="softmax")(x))


def unet(image: np.ndarray) -> keras.Model:
    """Return a U-Net that gives one output for each pixel, from what it sees in three resolutions."""
    raw, scaled = scaled_input(image)

    def block(x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))

    fine = block(scaled, 12)
    middle = block(layers.MaxPooling2D()(fine), 24)
    coarse = block(block(layers.MaxPooling2D()(middle), 48), 48)
    x = layers.Conv2DTranspose(24, 2, strides=2)(coarse)
    x = block(layers.Concatenate()([x, middle]), 24)
    x = layers.Conv2DTranspose(12, 2, strides=2)(x)
    x = block(layers.Concatenate()([x, fine]), 12)
    return keras.Model(raw, layers.Conv2D(CLASSES, 1, activation="softmax")(x))


def classifier(network: keras.Model) -> keras.Model:
    """Return the network with the number of the most probable class as its output, of type uint8."""
    best = keras.ops.argmax(network.output, axis=-1, keepdims=True)
    return keras.Model(network.input, keras.ops.cast(best, "uint8"))


def train(name: str, network: keras.Model, x: np.ndarray, y: np.ndarray, batch: int, epochs: int) -> None:
    """Train the network on x and y; pixels without a label count for nothing."""
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=NO_LABEL)
    network.compile(keras.optimizers.Adam(1e-3), loss)
    start = time.monotonic()
    network.fit(x, y, batch_size=batch, epochs=epochs, verbose=0)
    print(
        f"  {name}: {len(x)} samples of {x.shape[1]} x {x.shape[2]}, {epochs} epochs, {time.monotonic() - start:.0f} s"
    )


def kappa(network: keras.Model, x: np.ndarray, y: np.ndarray) -> float:
    """Return Cohen's kappa over what is labelled."""
    found = network.predict(x, verbose=0).argmax(axis=-1).reshape(y.shape)
    labelled = y != NO_LABEL
    return float(cohen_kappa_score(y[labelled], found[labelled]))


def main(data: Path) -> None:
    """Train and save both models."""
    keras.utils.set_random_seed(1)
    image, truth_a, truth_b = read(data)

    x, y = patches(image, truth_a)
    network = cnn(image)
    train("CNN", network, x, y[:, None, None], batch=50, epochs=12)
    print(f"  CNN: kappa {kappa(network, *patches(image, truth_b)):.2f} on patches around pixels of B")
    classifier(network).export(str(data / "cnn"), verbose=False)

    x, y = tiles(image, truth_a)
    network = unet(image)
    train("U-Net", network, x, y, batch=16, epochs=6)
    print(f"  U-Net: kappa {kappa(network, *tiles(image, truth_b)):.2f} on the labelled pixels of B")
    classifier(network).save(str(data / "unet.keras"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
