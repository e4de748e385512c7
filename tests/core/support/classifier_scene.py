"""A small image with classes on it, and the operations of classifiers, for their tests."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import serving
from points import write_points

from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress

WIDTH, HEIGHT = 60, 48
_numbers = itertools.count()


def pixels(seed: int = 0, bands: int = 3) -> np.ndarray:
    """An image of four quarters that differ in brightness, with noise; uint16."""
    generator = np.random.default_rng(seed)
    image = generator.normal(600, 100, (HEIGHT, WIDTH, bands))
    image[: HEIGHT // 2] += 500
    image[:, : WIDTH // 2] += 1000
    return image.clip(1).astype("uint16")


def box(left: float, top: float, right: float, bottom: float, spacing: float = 10.0) -> str:
    """A rectangle in pixels of the image, as WKT on the map."""
    x0, y0 = serving.ORIGIN[0], serving.ORIGIN[3]
    corners = ((left, top), (right, top), (right, bottom), (left, bottom), (left, top))
    return f"POLYGON(({','.join(f'{x0 + spacing * c} {y0 - spacing * r}' for c, r in corners)}))"


QUARTERS = (
    (box(8, 8, 26, 20), 3),
    (box(34, 8, 52, 20), 4),
    (box(8, 28, 26, 40), 9),
    (box(34, 28, 52, 40), 20),
)
"""A polygon in each quarter, and its class."""


def layer(path: Path, features: Sequence[tuple[str, Any]] = QUARTERS, epsg: int = serving.UTM) -> str:
    """Write polygons with the field `class`."""
    return write_points(path, [wkt for wkt, _ in features], epsg, **{"class": [label for _, label in features]})


def run(name: str, progress: Progress | None = None, **values: Any) -> dict[str, Any]:
    """Run an operation; `source1__il=` is the key source1.il."""
    return registry.run(name, {key.replace("__", "."): value for key, value in values.items()}, progress)


def train_deep(
    folder: Path, image: str, model: str, training: str, progress: Progress | None = None, **more: Any
) -> Any:
    """Run TrainClassifierFromDeepFeatures with a small forest; return its results."""
    values = {"classifier": "rf", "classifier__rf__nbtrees": 5, "rand": 1, "sample__vfn": "class", **more}
    out = str(folder / f"deep{next(_numbers)}.skops")
    return run(
        "TrainClassifierFromDeepFeatures",
        progress,
        **{"source1__il": [image], "model__dir": model, "vd": training, "out": out, **values},
    )


def train_pixels(folder: Path, labels: Sequence[int] = (3, 4, 9, 20), bands: int = 3, **more: Any) -> str:
    """Learn the quarters from the attributes of points; return the classifier's path."""
    image = pixels(bands=bands)
    rows, columns = (a.ravel() for a in np.mgrid[2:HEIGHT:5, 2:WIDTH:5])
    quarter = (rows >= HEIGHT // 2) * 2 + (columns >= WIDTH // 2)
    fields = {f"value_{band}": image[rows, columns, band].astype(float).tolist() for band in range(bands)}
    names = more.pop("names", {})
    fields["class"] = [names.get(labels[q], labels[q]) for q in quarter.tolist()]
    number = next(_numbers)
    samples = write_points(folder / f"samples{number}.gpkg", [(0.0, 0.0)] * len(rows), **fields)
    values = {"classifier": "rf", "classifier__rf__nbtrees": 5, "rand": 1, **more}
    out = str(folder / f"pixels{number}.skops")
    feat = " ".join(f"value_{band}" for band in range(bands))
    run("TrainVectorClassifier", io__vd=[samples], feat=feat, cfield="class", io__out=out, **values)
    return out
