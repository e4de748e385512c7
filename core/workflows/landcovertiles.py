"""Dense labels: tiles of the image with their label tiles, for networks that classify every pixel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
from .landcoverlabels import Labels, MapClasses, RasterLabels, VectorLabels, smallest_type
from .patchlocations import PatchLocations
from .trainingplan import TrainingPlan

if TYPE_CHECKING:
    from ..operations.landcovermap import LandCoverMap

_MEMORY = 256  # MB for what is looked at together
_ROWS = 512  # of a label raster, written at a time
_Parts = Iterator[tuple[Box, np.ndarray]]


@dataclass(frozen=True)
class LabelledTiles:
    """Tiles of an image whose labels were counted, before it is known what these are in the map.

    Attributes:
        parameters: of the operation.
        image: the image.
        labels: on it.
        counted: the labels' pixels; None for those of a raster.
        plan: tells the side of the tiles, and what becomes of missing values.
        folder: for files.
    """

    parameters: LandCoverMap
    image: Stack
    labels: Labels
    counted: Counted | None
    plan: TrainingPlan
    folder: Path

    @property
    def found(self) -> list[str]:
        """The labels that occur, as text, each once."""
        if isinstance(self.labels, RasterLabels):
            return [str(label) for label in self.labels.counts]
        assert self.counted is not None  # nosec B101 (tells mypy)
        return list(self.counted.labels)

    def located(self, classes: MapClasses, progress: Progress) -> PatchLocations:
        """Write the labels as a raster on the image's grid, and choose the tiles that hold some.

        Tiles lie half their size apart, so that each place is seen in several positions.

        Raises:
            ParameterError, RasterError: no tile with labels has data.
            Cancelled: `progress` asked to stop.
        """
        path, size, rule = str(self.folder / "labels.tif"), self.plan.size, self.plan.missing.for_training
        if isinstance(self.labels, RasterLabels):
            parts = _of_raster(self.labels.raster, classes)
        else:
            assert self.counted is not None  # nosec B101 (tells mypy)
            parts = _of_features(self.labels, self.counted, self.image, classes, progress)
        _write(path, self.image, classes, parts, progress)
        grid, nodata = PatchGrid(self.image.grid, size, max(1, size // 2)), self.parameters.nodata
        validity = Validity(self.image, nodata, True, rule=rule)
        usable = whole_patches(grid, validity.read, progress, rule.pixels_allowed(size**2))
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


def count_tiles(
    parameters: LandCoverMap,
    image: Stack,
    labels: Labels,
    plan: TrainingPlan,
    folder: Path,
    progress: Progress,
) -> LabelledTiles:
    """Count the labels of an image.

    Args:
        parameters: of the operation.
        image: the image.
        labels: on it.
        plan: tells the side of the tiles, and what becomes of missing values.
        folder: for files.
        progress: receives progress and warnings.

    Raises:
        ParameterError, RasterError, VectorError: there are none.
        Cancelled: `progress` asked to stop.
    """
    counted = None
    if isinstance(labels, VectorLabels):
        counted = count(labels.shapes, Validity(image, None, False), _MEMORY, progress, share=0.3)
    return LabelledTiles(parameters, image, labels, counted, plan, folder)


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
