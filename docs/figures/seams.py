"""Draws docs/figures/seams.png: a U-Net served in tiles, and the same tiles cut without the right overlap.

Run in the engine's Python: PYTHONPATH=build/tree python docs/figures/seams.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras
import matplotlib
import numpy as np
from osgeo import gdal

from otbtf_qgis.core.registry import run

matplotlib.use("Agg")
from matplotlib import pyplot as plt

SIZE, TILE = 192, 64


def textured_image() -> np.ndarray:
    """Return fields with stripes of many directions and widths, of shape (SIZE, SIZE, 1)."""
    generator = np.random.default_rng(4)
    row, column = np.mgrid[:SIZE, :SIZE].astype("float64")
    centres = generator.random((40, 2)) * SIZE
    field = np.argmin([(row - y) ** 2 + (column - x) ** 2 for y, x in centres], axis=0)
    angle, width = generator.random(40) * np.pi, generator.uniform(3, 12, 40)
    phase = (row * np.sin(angle[field]) + column * np.cos(angle[field])) * 2 * np.pi / width[field]
    return (0.5 + 0.4 * np.sin(phase) + 0.05 * generator.normal(size=phase.shape))[..., None].astype("float32")


def unet() -> Any:
    """Return a U-Net of two levels with random weights."""
    keras.utils.set_random_seed(3)
    layers = keras.layers

    def conv(x: Any, filters: int) -> Any:
        return layers.Conv2D(filters, 3, padding="same", activation="relu")(x)

    image = keras.Input((None, None, 1))
    first = conv(image, 8)
    second = conv(layers.MaxPooling2D(2)(first), 16)
    x = conv(layers.MaxPooling2D(2)(second), 16)
    for skip in (second, first):
        x = conv(layers.Concatenate()([layers.Conv2DTranspose(16, 3, strides=2, padding="same")(x), skip]), 16)
    return keras.Model(image, layers.Conv2D(1, 1)(x))


def served(model: Any, image: np.ndarray, tile: int) -> np.ndarray:
    """Return the output of TensorflowModelServe with tiles of `tile` pixels."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: str(Path(folder) / name) for name in ("image.tif", "model.keras", "out.tif")}
        raster = gdal.GetDriverByName("GTiff").Create(paths["image.tif"], SIZE, SIZE, 1, gdal.GDT_Float32)
        raster.WriteArray(image[..., 0])
        del raster
        model.save(paths["model.keras"])
        values = {"source1.il": [paths["image.tif"]], "model.dir": paths["model.keras"], "out": paths["out.tif"]}
        run("TensorflowModelServe", {**values, "optim.tilesizex": tile, "optim.tilesizey": tile})
        return gdal.Open(paths["out.tif"]).ReadAsArray()


def cut_by_hand(model: Any, image: np.ndarray, crop: int) -> np.ndarray:
    """Return the outputs of tiles that overlap by `crop` pixels, cut off again; too few leave seams."""
    out = np.empty((SIZE, SIZE), "float32")
    for y in range(0, SIZE, TILE):
        for x in range(0, SIZE, TILE):
            top, left = max(0, y - crop), max(0, x - crop)
            part = image[None, top : y + TILE + crop, left : x + TILE + crop]
            values = model(part).numpy()[0, y - top :, x - left :, 0]
            out[y : y + TILE, x : x + TILE] = values[:TILE, :TILE]
    return out


def main() -> None:
    """Draw the figure."""
    image, model = textured_image(), unet()
    whole = model(image[None]).numpy()[0, ..., 0]
    spread = float(whole.std())
    shown = [
        ("Overlap found by probing", served(model, image, TILE)),
        ("Crop of 4 pixels: too few", cut_by_hand(model, image, 4)),
    ]
    figure, axes = plt.subplots(2, 3, figsize=(10.5, 7), constrained_layout=True)
    axes[0, 0].imshow(image[..., 0], cmap="gray")
    axes[0, 0].set_title("Image")
    axes[1, 0].imshow(whole, cmap="viridis")
    axes[1, 0].set_title("U-Net, untiled")
    drawn = None
    for column, (title, values) in enumerate(shown, 1):
        difference = np.abs(values - whole) / spread
        axes[0, column].imshow(values, cmap="viridis", vmin=whole.min(), vmax=whole.max())
        axes[0, column].set_title(f"{title}\ntiles of {TILE} pixels")
        drawn = axes[1, column].imshow(difference, cmap="magma", vmin=0, vmax=0.5)
        axes[1, column].set_title(f"Difference from untiled\nat most {difference.max():.1g} standard deviations")
    figure.colorbar(drawn, ax=axes[1, 1:].tolist(), shrink=0.8, label="standard deviations")
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=72)


if __name__ == "__main__":
    main()
