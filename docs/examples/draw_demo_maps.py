"""Draw the example image and the maps that the demo's two models made of it, side by side.

    ENGINE_PYTHON docs/examples/draw_demo_maps.py DATA

DATA is the demo's folder; the picture is DATA/demo.png.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no display

import numpy as np
from matplotlib import pyplot
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from osgeo import gdal
from sklearn.metrics import cohen_kappa_score

gdal.UseExceptions()

SIDE = 512
"""Width and height, in pixels of the image, of its middle: all that is drawn, so that textures are seen."""
NO_LABEL = 255


def legend(truth: gdal.Dataset) -> tuple[list[str], list[tuple[float, ...]]]:
    """Return names and colours (0 to 1) of the classes, from the attribute table of the reference data."""
    table = truth.GetRasterBand(1).GetDefaultRAT()
    rows = range(table.GetRowCount())
    names = [table.GetValueAsString(row, table.GetColOfUsage(gdal.GFU_Name)) for row in rows]
    usages = [table.GetColOfUsage(usage) for usage in (gdal.GFU_Red, gdal.GFU_Green, gdal.GFU_Blue)]
    return names, [tuple(table.GetValueAsInt(row, column) / 255 for column in usages) for row in rows]


def extent(raster: gdal.Dataset) -> tuple[float, float, float, float]:
    """Return west, east, south and north of a raster."""
    west, width, _, north, _, height = raster.GetGeoTransform()
    return west, west + width * raster.RasterXSize, north + height * raster.RasterYSize, north


def true_colours(image: gdal.Dataset) -> np.ndarray:
    """Return red, green and blue (B4, B3, B2), stretched from the 2nd to the 98th percentile."""
    bands = [image.GetRasterBand(number).ReadAsArray() for number in (3, 2, 1)]
    limits = [np.percentile(band, (2, 98)) for band in bands]
    return np.dstack([np.clip((band - low) / (high - low), 0, 1) for band, (low, high) in zip(bands, limits)])


def kappa(classes: gdal.Dataset, truth: gdal.Dataset) -> float:
    """Return Cohen's kappa of a map, whose pixels may be larger, on the labelled pixels of the reference data."""
    labels, found = truth.ReadAsArray(), classes.ReadAsArray()
    west, width, _, north, _, height = truth.GetGeoTransform()
    map_west, map_width, _, map_north, _, map_height = classes.GetGeoTransform()
    rows, columns = np.nonzero(labels != NO_LABEL)
    x = np.floor((west + (columns + 0.5) * width - map_west) / map_width).astype(int)
    y = np.floor((north + (rows + 0.5) * height - map_north) / map_height).astype(int)
    inside = (x >= 0) & (y >= 0) & (x < classes.RasterXSize) & (y < classes.RasterYSize)
    return float(cohen_kappa_score(labels[rows[inside], columns[inside]], found[y[inside], x[inside]]))


def main(data: Path) -> None:
    """Draw and save the picture."""
    image, truth = gdal.Open(str(data / "xs_10m.tif")), gdal.Open(str(data / "terrain_truth_B.tif"))
    maps = {name: gdal.Open(str(data / f"map_{name}.tif")) for name in ("cnn", "unet")}
    names, colours = legend(truth)
    figure, axes = pyplot.subplots(1, 3, figsize=(12, 4.6))
    axes[0].imshow(true_colours(image), extent=extent(image))
    axes[0].set_title("Image: 4 bands, 10 m")
    for axis, title, raster in zip(axes[1:], ("CNN of 16 x 16 pixels", "U-Net"), maps.values()):
        metres = f"{raster.GetGeoTransform()[1]:g} m"
        axis.imshow(
            raster.ReadAsArray(), cmap=ListedColormap(colours), vmin=-0.5, vmax=len(colours) - 0.5,
            extent=extent(raster), interpolation="nearest",
        )  # fmt: skip
        score = kappa(raster, truth)
        axis.set_title(f"{title}: {metres}, kappa {score:.2f}")
        print(f"  {title}: {raster.RasterXSize} x {raster.RasterYSize} pixels of {metres}, kappa {score:.2f} on B")
    west, east, south, north = extent(image)
    x, y, half = (west + east) / 2, (south + north) / 2, SIDE / 2 * image.GetGeoTransform()[1]
    for axis in axes:
        axis.set(xlim=(x - half, x + half), ylim=(y - half, y + half), xticks=[], yticks=[])
    handles = [Patch(color=colour, label=name) for name, colour in zip(names, colours)]
    figure.legend(handles=handles, loc="lower center", ncol=len(handles), frameon=False)
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.08, top=0.93, wspace=0.02)
    figure.savefig(data / "demo.png", dpi=90)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
