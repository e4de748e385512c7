"""Draws docs/figures/context.png: a SegFormer on the example scene, in tiles side by side and in blended windows.

Run in the engine's Python: PYTHONPATH=build/tree python docs/figures/context.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras
import matplotlib
import numpy as np
from osgeo import gdal

from otbtf_qgis.core.exampledata.parcels import lay_out
from otbtf_qgis.core.exampledata.scene import draw
from otbtf_qgis.core.registry import run
from otbtf_qgis.core.templates.catalogue import create

matplotlib.use("Agg")
from matplotlib import pyplot as plt

SIZE, CONTEXT = 256, 64


def network(pixels: np.ndarray) -> Any:
    """Return a SegFormer of random weights, on scaled pixels, up to the scores of one class."""
    keras.utils.set_random_seed(4)
    whole = create("segformer_b0", bands=(pixels.shape[-1],), classes=2, width=8)
    image = keras.Input((None, None, pixels.shape[-1]), name="image")
    scaled = keras.layers.Rescaling(1 / float(pixels.std()), -float(pixels.mean() / pixels.std()))(image)
    scores = keras.Model(whole.inputs, whole.get_layer("logits").output)([scaled])
    return keras.Model(image, scores[..., :1])


def side_by_side(model: Any, pixels: np.ndarray) -> np.ndarray:
    """Return the scores of tiles that do not overlap."""
    found = np.empty((SIZE, SIZE), "float32")
    for y in range(0, SIZE, CONTEXT):
        for x in range(0, SIZE, CONTEXT):
            place = np.s_[y : y + CONTEXT, x : x + CONTEXT]
            found[place] = model(pixels[place][None])[0, ..., 0]
    return found


def main() -> None:
    """Draw the figure."""
    lines = np.arange(SIZE, dtype="int64")
    pixels = np.moveaxis(draw(lay_out(1, SIZE), lines, lines).xs_10m, 0, -1).astype("float32")
    model = network(pixels)
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: str(Path(folder) / name) for name in ("image.tif", "model.keras", "out.tif")}
        raster = gdal.GetDriverByName("GTiff").Create(paths["image.tif"], SIZE, SIZE, 4, gdal.GDT_Float32)
        raster.WriteArray(np.moveaxis(pixels, -1, 0))
        del raster
        model.save(paths["model.keras"])
        values = {"source1.il": [paths["image.tif"]], "model.dir": paths["model.keras"], "out": paths["out.tif"]}
        run("TensorflowModelServe", {**values, "model.context": CONTEXT, "output.names": model.output_names[0]})
        blended = gdal.Open(paths["out.tif"]).ReadAsArray()
    shown = pixels[..., 2::-1] / np.percentile(pixels[..., :3], 99)
    tiles = side_by_side(model, pixels)
    low, high = np.percentile(blended, (1, 99))
    figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.9), constrained_layout=True)
    for axis, title, values in zip(
        axes,
        ("Image", f"Tiles of {CONTEXT} pixels, side by side", f"Blended windows of {CONTEXT} pixels"),
        (np.clip(shown, 0, 1), tiles, blended),
    ):
        axis.imshow(values, cmap="viridis", vmin=low, vmax=high)
        axis.set_title(title)
        axis.set_xticks([])
        axis.set_yticks([])
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=72)


if __name__ == "__main__":
    main()
