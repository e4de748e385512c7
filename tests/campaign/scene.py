"""The inputs of a campaign: as small as they can be while there is still time to interrupt a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import serving
from points import write_points

ORIGIN_X, ORIGIN_Y, SIZE = serving.ORIGIN[0], serving.ORIGIN[3], 10.0
SIDE = 8
"""Of patches, in pixels."""


def scattered(count: int, height: int, width: int) -> list[tuple[float, float]]:
    """Return places in an image of that size, far enough from its edge for a patch."""
    random = np.random.default_rng(1)
    x = ORIGIN_X + SIZE * (SIDE + random.random(count) * (width - 2 * SIDE))
    y = ORIGIN_Y - SIZE * (SIDE + random.random(count) * (height - 2 * SIDE))
    return [(float(a), float(b)) for a, b in zip(x, y)]


def points(path: Path, count: int, height: int, width: int) -> str:
    """Write points with the classes 0, 1 and 2 in the field `class`."""
    return write_points(path, scattered(count, height, width), **{"class": [n % 3 for n in range(count)]})


def network(path: Path) -> str:
    """Save a network that tells three classes from patches of 8 x 8 x 3."""
    import keras

    keras.utils.set_random_seed(1)
    layers = keras.layers
    image = keras.Input((SIDE, SIDE, 3), name="source1")
    hidden = layers.Conv2D(4, 3, activation="relu")(layers.Rescaling(0.01)(image))
    output = layers.Dense(3, activation="softmax", name="predictions")(layers.GlobalAveragePooling2D()(hidden))
    keras.Model(image, output).save(path)
    return str(path)


def make(folder: Path) -> dict[str, Any]:
    """Write all inputs of the interrupted runs into a folder, and return their paths by name."""
    from otbtf_qgis.core import registry

    folder.mkdir(parents=True)
    image = serving.write(folder / "image.tif", serving.noise(200, 300, 3, "uint16"))
    made = {
        "image": image,
        "points": points(folder / "points.gpkg", 60000, 200, 300),
        "strip": serving.write(folder / "strip.tif", serving.noise(60, 64)),
        "slow": serving.slow(folder / "slow", products=15),
        "network": network(folder / "network.keras"),
        "patches": str(folder / "patches.tif"),
        "labels": str(folder / "labels.tif"),
        "records": str(folder / "records"),
    }
    values = {
        "source1.il": [image],
        "source1.patchsizex": SIDE,
        "source1.patchsizey": SIDE,
        "source1.out": made["patches"],
        "outlabels": made["labels"],
        "out.tfrecords": made["records"],
        "vec": points(folder / "few.gpkg", 150, 200, 300),
        "field": "class",
    }
    registry.run("PatchesExtraction", values)
    return made
