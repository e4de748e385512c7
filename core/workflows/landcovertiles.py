"""Dense labels: tiles of the image with their label tiles, for networks that classify every pixel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from osgeo import gdal

from ..base.progress import Progress
from ..classes.classtables import declare_classes
from ..classes.modelclasses import ModelClass
from ..errors import ParameterError, field
from ..files.staging import Staging
from ..geometry.grid import Box
from ..patches.patchgrid import PatchGrid, whole_patches
from ..rasters.outputtrial import CLASSES
from ..rasters.rasteroutput import OutputRaster
from ..rasters.rasterstack import Stack
from ..samples.counting import Counted, count, owners
from ..samples.labelraster import LabelRaster
from ..samples.validity import Validity
from .landcoverlabels import Labels, MapClasses, Names, RasterLabels, VectorLabels, classes_of, smallest_type
from .patchlocations import PatchLocations
from .trainingplan import TrainingPlan

if TYPE_CHECKING:
    from ..operations.landcovermap import LandCoverMap

_MEMORY = 256  # MB for what is looked at together
_ROWS = 512  # of a label raster, written at a time
_Parts = Iterator[tuple[Box, np.ndarray]]


def choose_tiles(
    parameters: LandCoverMap,
    image: Stack,
    labels: Labels,
    names: Names,
    plan: TrainingPlan,
    folder: Path,
    progress: Progress,
) -> PatchLocations:
    """Write the labels as a raster on the image's grid, and choose the tiles that hold some.

    Tiles lie half their size apart, so that each place is seen in several positions.

    Args:
        parameters: of the operation.
        image: the image.
        labels: on it.
        names: names and colours that the user gives.
        plan: tells their side, and what becomes of missing values.
        folder: for files.
        progress: receives progress and warnings.

    Raises:
        ParameterError, RasterError, VectorError: there are no labels, or of one class only.
        Cancelled: `progress` asked to stop.
    """
    path, size, rule = str(folder / "labels.tif"), plan.size, plan.missing.for_training
    if isinstance(labels, RasterLabels):
        classes = classes_of(labels, map(str, labels.counts), names)
        parts = _of_raster(labels.raster, classes)
    else:
        counted = count(labels.shapes, Validity(image, None, False), _MEMORY, progress, share=0.3)
        classes = classes_of(labels, counted.labels, names)
        parts = _of_features(labels, counted, image, classes, progress)
    _write(path, image, classes, parts, progress)
    grid = PatchGrid(image.grid, size, max(1, size // 2))
    usable = whole_patches(
        grid, Validity(image, parameters.nodata, True, rule=rule).read, progress, rule.pixels_allowed(size**2)
    )
    counts = _counts(grid, LabelRaster(path, classes.ignored, False), classes, progress)
    rows, columns = np.nonzero(usable & (counts.sum(axis=-1) > 0))
    if not len(rows):
        raise ParameterError(
            "Every tile of {size} x {size} pixels that holds a label also holds no-data: lower {patchsize}, accept "
            "some in {nodata_pixels}, or check {nodata}.",
            size=size,
            patchsize=field("patchsize"),
            nodata_pixels=field("nodata_pixels"),
            nodata=field("nodata"),
        )
    x, y = grid.points(rows, columns)
    return PatchLocations(x, y, counts[rows, columns], None, classes, path)


def _of_raster(raster: LabelRaster, classes: MapClasses) -> _Parts:
    for box, where, found in raster.blocks():
        values = np.full(box.area, classes.ignored, "int64")
        values[where] = found
        yield box, values


def _of_features(
    labels: VectorLabels, counted: Counted, image: Stack, classes: MapClasses, progress: Progress
) -> _Parts:
    """Yield what pixels without a feature have, then windows with features: the last one that covers a pixel counts."""
    grid = image.grid
    for top in range(0, grid.height, _ROWS):
        strip = Box(0, top, grid.width, min(_ROWS, grid.height - top))
        yield strip, np.full(strip.area, classes.ignored, "int64")
    numbers = np.array([classes.numbers[text] for text in counted.labels])[counted.classes]
    most = Validity(image, None, False).pixels_within(_MEMORY)
    for _, window, owner in owners(labels.shapes, counted, most, progress):
        yield window, np.where(owner >= 0, numbers[owner], classes.ignored)


def _write(path: str, image: Stack, classes: MapClasses, parts: _Parts, progress: Progress) -> None:
    """Write labels as a raster on the image's grid, with the classes' names and colours.

    It declares no no-data value: a tile with pixels that have no label is as good as others.
    """
    dtype = smallest_type((*classes.values, classes.ignored))
    driver = gdal.GetDriverByName("GTiff")
    with (
        Staging(path, progress) as staging,
        OutputRaster(staging, image.grid, 1, dtype, image.reference, driver, content=CLASSES) as raster,
    ):
        declare_classes(raster.dataset, tuple(_described(value, classes) for value in classes.values))
        for box, values in parts:
            progress.check()
            raster.write(box, values.astype(dtype).reshape(box.height, box.width, 1))
        raster.commit(progress)


def _described(value: int, classes: MapClasses) -> ModelClass:
    entry = classes.legend[value]
    return ModelClass(value, entry.name, entry.color)


def _counts(grid: PatchGrid, labels: LabelRaster, classes: MapClasses, progress: Progress) -> np.ndarray:
    """Return how many pixels of each class each tile holds, float64, shape (rows, columns, classes)."""
    counts = np.zeros((grid.rows, grid.columns, len(classes.values)))
    for rows, box in grid.strips():
        progress.check()
        where, found = labels.read(box)
        for place, value in enumerate(classes.values):
            pixels = np.zeros(box.area, bool)
            pixels[where[found == value]] = True
            counts[rows, :, place] = grid.counts(pixels.reshape(box.height, box.width))
    return counts
