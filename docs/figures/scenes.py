"""Draws docs/images/scenes.png: what a network that has seen one image, or two, makes of a third one.

Run in the engine's Python: PYTHONPATH=build/tree python docs/figures/scenes.py
"""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from osgeo import gdal

from otbtf_qgis.core.registry import run

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.colors import ListedColormap

gdal.UseExceptions()

SIZE = 512
LIGHT = {"first": (1.0, 1.0, 1.0, 1.0), "second": (1.35, 1.25, 1.2, 0.8), "third": (1.2, 1.15, 1.1, 0.9)}
"""What haze and season make of the reflectance in the bands of each image, relative to the first one."""

SETTINGS = {"samples": 400, "epochs": 30, "seed": 1}


def make_scene(folder: Path, number: int, name: str) -> tuple[str, str]:
    """Make an image in its own light, and its labels, beside the other ones; return both paths."""
    made = folder / name
    run("CreateExampleData", {"outdir": str(made), "size": SIZE, "seed": number})
    paths = str(made / f"{name}.tif"), str(made / "terrain_truth_A.tif")
    (made / "xs_10m.tif").rename(paths[0])
    for path in (paths[0], str(made / "terrain_truth_A.tif")):
        raster = gdal.Open(path, gdal.GA_Update)
        west, *rest = raster.GetGeoTransform()
        raster.SetGeoTransform((west + 10 * SIZE * number, *rest))
        for band, light in enumerate(LIGHT[name] if path == paths[0] else (), 1):
            values = raster.GetRasterBand(band)
            values.WriteArray((values.ReadAsArray() * light).astype("uint16"))
        raster = None
    return paths


def mapped(folder: Path, scenes: dict[str, tuple[str, str]], *further: str) -> dict[str, Any]:
    """Learn from the first scene and from further ones; the last of these is held back."""
    table = folder / "scenes.csv"
    with open(table, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "in", "labels_raster", "held_back"])
        writer.writerows([name, *scenes[name], "yes" if name == further[-1] else ""] for name in further)
    values = {
        "in": [scenes["first"][0]],
        "labels.raster": scenes["first"][1],
        "out": str(folder / "map.tif"),
        **SETTINGS,
    }
    found: dict[str, Any] = run("LandCoverMap", {**values, **({"scenes": str(table)} if further else {})})
    print(further, f"kappa {found['kappa']:.2f}, overall accuracy {found['overall_accuracy']:.2f}")
    return found


def true_colours(path: str) -> np.ndarray:
    """Return red, green and blue, all images stretched alike."""
    raster = gdal.Open(path)
    bands = np.dstack([raster.GetRasterBand(number).ReadAsArray() for number in (3, 2, 1)]).astype(float)
    return (bands / 2500).clip(0, 1)


def draw(folder: Path) -> None:
    """Run, and draw the picture."""
    scenes = {name: make_scene(folder, number, name) for number, name in enumerate(LIGHT, 1)}
    alone = mapped(folder, scenes)
    figure, axes = plt.subplots(1, 5, figsize=(12, 3), layout="constrained")
    for axis, (name, (image, _)) in zip(axes, scenes.items()):
        axis.imshow(true_colours(image))
        axis.set_title(f"{name} scene", fontsize=9)
    for axis, further in zip(axes[3:], (("third",), ("second", "third"))):
        found = mapped(folder, scenes, *further)
        colours = ListedColormap([row["color"] for row in found["classes"]])
        axis.imshow(gdal.Open(str(folder / "map_third.tif")).ReadAsArray(), cmap=colours, interpolation="nearest")
        learned = "first" if len(further) == 1 else "first and second"
        axis.set_title(f"third, from the {learned}:\nkappa {found['kappa']:.2f}", fontsize=9)
    for axis in axes:
        axis.set(xticks=[], yticks=[])
    axes[0].set_xlabel(f"kappa in other places\nof it: {alone['kappa']:.2f}", fontsize=9)
    figure.savefig(Path(__file__).parents[1] / "images" / "scenes.png", dpi=80, bbox_inches="tight")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        draw(Path(temporary))
