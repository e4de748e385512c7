"""Draws docs/figures/mask.png: a map of the example scene, whole and in the polygons of MASK_VECTOR alone.

Run in the engine's Python: PYTHONPATH=build/tree python docs/figures/mask.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.colors import ListedColormap
from osgeo import gdal

from otbtf_qgis.core.exampledata.referenceclasses import CLASSES
from otbtf_qgis.core.registry import run

matplotlib.use("Agg")
from matplotlib import pyplot as plt

SIZE, NODATA = 256, 255


def main() -> None:
    """Draw the figure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run("CreateExampleData", {"outdir": str(folder), "size": SIZE, "seed": 1})
        image, model = [str(folder / "xs_10m.tif")], str(folder / "model")
        labels = {"labels.raster": str(folder / "terrain_truth_A.tif"), "mode": "patches", "template": "cnn16"}
        whole = {"in": image, **labels, "seed": 1, "epochs": 15, "out": str(folder / "whole.tif")}
        run("LandCoverMap", {**whole, "model.saveto": model})
        within = {"mask.vector": str(folder / "terrain_truth_B.gpkg"), "out.nodata": NODATA, "output.bv": NODATA}
        part = {"source1.il": image, "model.dir": model, **within, "out": str(folder / "part.tif")}
        run("TensorflowModelServe", part)
        rgb = np.moveaxis(gdal.Open(image[0]).ReadAsArray()[2::-1], 0, -1).astype("float32")
        maps = [gdal.Open(str(folder / f"{each}.tif")).ReadAsArray() for each in ("whole", "part")]
    colours = ListedColormap([np.array(colour) / 255 for _, colour in CLASSES.values()])
    figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.9), constrained_layout=True)
    axes[0].imshow(np.clip(rgb / np.percentile(rgb, 99), 0, 1))
    for axis, values in zip(axes[1:], maps):
        axis.imshow(np.ma.masked_equal(values, NODATA), cmap=colours, vmin=-0.5, vmax=len(CLASSES) - 0.5)
    for axis, title in zip(axes, ("Image", "Map", "Map with MASK_VECTOR")):
        axis.set_title(title)
        axis.set_xticks([])
        axis.set_yticks([])
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=72)


if __name__ == "__main__":
    main()
