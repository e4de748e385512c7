"""Patch locations: the points around which patches may be cut, before they are split between training and validation."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..geometry.grid import TOLERANCE, Grid
from ..rasters.rasterstack import Stack
from ..samples.spatialblocks import block_side
from .landcoverlabels import MapClasses
from .samplesplit import LocatedSamples


@dataclass(frozen=True)
class PatchLocations:
    """Points around which patches may be cut, in the image's coordinate system; n of them.

    Attributes:
        x, y: coordinates, float64, shape (n,).
        counts: how many labels of each class the patch holds, float64, shape (n, classes).
        features: number of the feature or region that each comes from, int64, shape (n,); None where there are none.
        classes: the classes.
        label_raster: path of the raster that label tiles are cut from; empty where a patch has one label, that of
            its only class.
    """

    x: np.ndarray
    y: np.ndarray
    counts: np.ndarray
    features: np.ndarray | None
    classes: MapClasses
    label_raster: str = ""

    @property
    def labels(self) -> np.ndarray:
        """The label of each, where it has one; int64, shape (n,)."""
        return np.array(self.classes.values, "int64")[self.counts.argmax(axis=1)]

    def of(self, chosen: np.ndarray) -> PatchLocations:
        """Return some of them, chosen as an index chooses elements of an array."""
        features = None if self.features is None else self.features[chosen]
        return replace(self, x=self.x[chosen], y=self.y[chosen], counts=self.counts[chosen], features=features)

    def located_on(self, image: Stack, patch: int) -> LocatedSamples:
        """Return them as samples on the pixels of the image, with patches of `patch` x `patch` pixels."""
        grid = image.grid
        places = pixels_of(grid, self.x, self.y)
        return LocatedSamples(places, self.counts, self.features, patch, block_side(patch, grid.width, grid.height))


def pixels_of(grid: Grid, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return column and row of the pixels that hold points, int64, shape (n, 2)."""
    columns = np.floor((x - grid.x.origin) / grid.x.spacing + TOLERANCE)
    rows = np.floor((-y - grid.y.origin) / grid.y.spacing + TOLERANCE)
    return np.stack([columns, rows], axis=1).astype("int64")
