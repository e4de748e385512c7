"""Draws docs/images/historical_map.png: the land cover of an old map, from 17 polygons.

Run in the engine's Python: PYTHONPATH=build/tree python docs/figures/historical_map.py FOLDER

FOLDER holds map.tif (a scan of a French map of the 19th century) and train.gpkg (polygons with the field Type) of
MuseoToolBox (https://github.com/nkarasiak/MuseoToolBox, GPL-3.0), which are no part of this project.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import matplotlib
import numpy as np
from osgeo import gdal

from otbtf_qgis.core.classes.legend import raster_legend
from otbtf_qgis.core.registry import run

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.patches import Patch

COLORS = {"Agriculture": "#b3a6bd", "Buildings": "#c8352b", "Forest": "#4f8a35", "Soil": "#f3e6bf", "Water": "#3b8ec2"}
SPECKS = 30  # pixels; smaller patches are given to their neighbours
BORDER = (0, 0, 255)  # what the scan has beyond the map

gdal.UseExceptions()


def land_cover(data: Path, folder: Path) -> tuple[np.ndarray, list[str]]:
    """Make the map; return its classes by pixel, without specks, and their names."""
    results = run(
        "LandCoverMap",
        {
            "in": [str(data / "map.tif")],
            "labels.vector": str(data / "train.gpkg"),
            "labels.field": "Type",
            "template": "cnn16_deep",
            "patchsize": 3,
            "out": str(folder / "map.tif"),
        },
    )
    print({key: results[key] for key in ("kappa", "overall_accuracy", "epochs_run")})
    made = gdal.Open(results["out"])
    legend = raster_legend(made)
    kept = gdal.GetDriverByName("MEM").CreateCopy("", made)
    gdal.SieveFilter(kept.GetRasterBand(1), None, kept.GetRasterBand(1), SPECKS, 8)
    return kept.ReadAsArray(), [legend[value].name for value in sorted(legend)]


def draw(classes: np.ndarray, names: list[str], outside: np.ndarray, path: Path) -> None:
    """Draw the map with its legend."""
    shown = np.ma.masked_array(classes, outside)
    figure, axes = plt.subplots(figsize=(9, 4.9), dpi=120)
    colors = ListedColormap([COLORS[name] for name in names])
    axes.imshow(
        shown, cmap=colors, norm=BoundaryNorm(np.arange(len(names) + 1) - 0.5, len(names)), interpolation="none"
    )
    axes.set_axis_off()
    present = [Patch(color=COLORS[name], label=name) for place, name in enumerate(names) if (shown == place).any()]
    figure.legend(handles=present, loc="lower center", ncol=len(present), frameon=False)
    figure.subplots_adjust(0, 0.07, 1, 1)
    figure.savefig(path)


def main(data: Path) -> None:
    """Make the picture."""
    scan = gdal.Open(str(data / "map.tif")).ReadAsArray()
    outside = (scan == np.array(BORDER)[:, None, None]).all(axis=0)
    with tempfile.TemporaryDirectory() as folder:
        classes, names = land_cover(data, Path(folder))
    draw(classes, names, outside, Path(__file__).parents[1] / "images" / "historical_map.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
