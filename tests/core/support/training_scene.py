"""Small patches that a network can learn, and small networks, for the tests of training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from api_helpers import write

from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import as_key, worded


class Log(Progress):
    """Keeps the lines of a run."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, message: str) -> None:
        self.lines.append(worded(message, as_key))

    def warning(self, message: str) -> None:
        self.lines.append(f"Warning: {worded(message, as_key)}")


def patches(
    folder: Path, name: str, count: int, seed: int = 0, labels: tuple[int, ...] = (0, 1, 2), side: int = 8
) -> dict[str, list[str]]:
    """Write patches of `side` x `side` x 3 that are brightest in the band of their class, and the labels.

    Returns:
        The keys and values of sources 1 and 2.
    """
    random = np.random.default_rng(seed)
    classes = np.arange(count) % len(labels)
    pixels = random.integers(0, 120, (count, side, side, 3))
    pixels[np.arange(count), :, :, classes] += 60
    values = np.array(labels)[classes].reshape(-1, 1, 1, 1)
    image = write(folder / f"{name}.tif", pixels.astype("uint16"))
    target = write(folder / f"{name}_labels.tif", values.astype("int16" if values.min() < 0 else "uint8"))
    return {"source1.il": [image], "source2.il": [target]}


def tiles(folder: Path, name: str, count: int, seed: int = 0) -> dict[str, list[str]]:
    """Write tiles of 8 x 8 x 3 and label tiles of the same size, in which 9 marks what shall not count."""
    random = np.random.default_rng(seed)
    classes = random.integers(0, 3, (count, 2, 2)).repeat(4, axis=1).repeat(4, axis=2)
    pixels = random.integers(0, 120, (count, 8, 8, 3))
    np.put_along_axis(pixels, classes[..., None], 170, axis=3)
    classes[:, 0, :] = 9
    image = write(folder / f"{name}.tif", pixels.astype("uint16"))
    target = write(folder / f"{name}_labels.tif", classes[..., None].astype("uint8"))
    return {"source1.il": [image], "source2.il": [target]}


def values(folder: Path, name: str, count: int, seed: int = 0) -> dict[str, list[str]]:
    """Write single pixels of 3 bands, and two values that follow from them."""
    random = np.random.default_rng(seed)
    pixels = random.random((count, 1, 1, 3)).astype("float32")
    targets = np.stack([pixels[..., 0] + pixels[..., 1], 2 * pixels[..., 2]], axis=-1)
    image = write(folder / f"{name}.tif", pixels)
    return {"source1.il": [image], "source2.il": [write(folder / f"{name}_values.tif", targets)]}


def keyed(what: str, sources: dict[str, list[str]]) -> dict[str, Any]:
    """`source1.il` -> `training.source1.il`."""
    return {f"{what}.{key}": paths for key, paths in sources.items()}


def classifier(path: Path, classes: int = 3, dropout: float = 0.0, inputs: int = 1) -> str:
    """Save a network for patches of 8 x 8, with batch normalization, and return its path."""
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(1)
    images = [keras.Input((8, 8, 3), name=f"image{number}") for number in range(1, inputs + 1)]
    parts = [layers.Rescaling(0.01, name=f"scaled{number}")(image) for number, image in enumerate(images, 1)]
    hidden = parts[0] if len(parts) == 1 else layers.Concatenate()(parts)
    hidden = layers.Conv2D(4, 3, activation="relu", name="conv")(hidden)
    hidden = layers.BatchNormalization(name="norm")(hidden)
    hidden = layers.Dropout(dropout, name="drop")(hidden)
    hidden = layers.GlobalAveragePooling2D(name="features")(hidden)
    output = layers.Dense(classes, activation="softmax" if classes > 1 else "sigmoid", name="predictions")(hidden)
    keras.Model(images, output, name="small").save(path)
    return str(path)


def pixelwise(path: Path, bands: int = 3, activation: str = "softmax") -> str:
    """Save a fully convolutional network that returns as many pixels as it gets."""
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(1)
    image = keras.Input((None, None, 3), name="image")
    hidden = layers.Conv2D(6, 1, activation="relu", name="conv")(layers.Rescaling(0.01, name="scaled")(image))
    keras.Model(image, layers.Conv2D(bands, 1, activation=activation, name="predictions")(hidden)).save(path)
    return str(path)


def train(log: Progress | None = None, **values: Any) -> dict[str, Any]:
    """Train, with keys in which __ stands for a dot."""
    return registry.run(
        "TensorflowModelTrain", {key.replace("__", "."): value for key, value in values.items()}, log or Log()
    )


def weights(path: str) -> list[np.ndarray]:
    """The weights in a .keras file."""
    import keras

    import otbtf_qgis.core.layers  # noqa: F401

    found: list[np.ndarray] = keras.models.load_model(path, compile=False).get_weights()
    return found


def history(path: Path) -> list[dict[str, float]]:
    """The rows of a history, without the times."""
    import csv

    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{k: float(v) for k, v in row.items() if v and not k.startswith("seconds")} for row in rows]


def describe(path: str, **content: Any) -> None:
    """Write the JSON beside a patches image."""
    Path(f"{path}.json").write_text(json.dumps({"version": 1, **content}))
