"""Reading a map strip by strip, its classes as codes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from osgeo import gdal

from .. import errors
from ..base.progress import Progress
from ..errors import ParameterError, RasterError
from ..geometry.grid import Box
from ..geometry.tiling import tiles
from ..operations.maptopolygons import MapToPolygons
from ..parameters.rastersource import RasterSource, described
from ..rasters.alpha import open_images
from ..rasters.inmemory import NO_PLACE, Opened, name_of
from ..rasters.rasteropening import open_dataset
from ..rasters.rasterreference import Reference
from .components import NO_CLASS
from .polygonizing import Strip

PIXEL_BYTES = 200
"""Memory that a pixel of a strip takes on a map of fields, with the borders around it."""

_TABLED = 1 << 16
"""Values of types with so few are looked up in a table."""


_LARGEST_CLASS = 2**63 - 1
"""What a field holds in the formats with the largest numbers."""


class Placed:
    """A raster with its place on the ground; it may be rotated.

    Attributes:
        stack: the raster, in pixel coordinates where it is rotated.
        dataset: GDAL's of the raster itself.
        transform: GDAL's six numbers for the columns and rows of the stack.
        reference: coordinate system.
    """

    def __init__(self, source: Any, alpha: str, progress: Progress) -> None:
        """Open it; see `Stack`."""
        source = described(source)
        self.dataset, _ = open_dataset(source)
        own = tuple(self.dataset.GetGeoTransform())
        if own == NO_PLACE or not (own[2] or own[4] or own[1] < 0):
            self.stack = open_images([source], alpha, progress)
            self.transform = self.stack.grid.north_up
        else:
            copy = gdal.GetDriverByName("VRT").CreateCopy("", self.dataset)
            copy.SetGeoTransform((0, 1, 0, 0, 0, -1))
            told = source if isinstance(source, RasterSource) else None
            self.stack = open_images([Opened(copy, name_of(source), told)], alpha, progress)
            self.transform = own
        self.reference = Reference.of(self.dataset, source)

    def same_place(self, other: Placed) -> bool:
        """Return whether both have the same pixels."""
        size = max(abs(number) for number in self.transform[1:3] + self.transform[4:])
        near = all(abs(a - b) <= 1e-3 * size for a, b in zip(self.transform, other.transform))
        sizes = [(placed.stack.grid.width, placed.stack.grid.height) for placed in (self, other)]
        return near and sizes[0] == sizes[1]


class Beside:
    """A raster on the grid of a map.

    Attributes:
        stack: the raster.
    """

    def __init__(self, key: str, parameters: MapToPolygons, placed: Placed, progress: Progress) -> None:
        """Open it.

        Args:
            key: the attribute of `parameters` that names it.
            parameters: of the run.
            placed: the map.
            progress: for warnings.

        Raises:
            ParameterError: it is not on the grid of the map.
        """
        own = Placed(getattr(parameters, key), parameters.alpha, progress)
        if not own.same_place(placed) or not own.reference.same_as(placed.reference):
            raise ParameterError(
                "{given} is {raster}, which is not on the grid of {in} ({map}): warp it to that grid.",
                **{
                    "given": errors.field(key),
                    "raster": own.stack.names[0],
                    "in": errors.field("image"),
                    "map": placed.stack.names[0],
                },
            )
        self.stack = own.stack
        self._missing = own.stack.missing(None, parameters.nodata_from_layer, nan=True)

    def read(self, box: Box) -> np.ndarray:
        """Return its values, float64 of shape (rows, columns, bands), NaN where there are none."""
        found = self.stack.read(box)
        return np.where(self._missing.marked(found, box)[..., None], np.nan, found.astype("float64"))

    def largest(self, box: Box) -> np.ndarray:
        """Return the largest value of each pixel, of shape (rows, columns)."""
        return np.asarray(np.fmax.reduce(self.read(box), axis=-1))


class MapReader:
    """Reads the pixels of a map as codes of its classes, and their probabilities.

    Attributes:
        placed: the map.
        classes: value of each code, as far as the map has been read.
        rows: of a strip.
    """

    def __init__(self, parameters: MapToPolygons, progress: Progress) -> None:
        """Open the map, and what tells probabilities.

        Raises:
            ParameterError, RasterError: it cannot be used.
        """
        self._progress, self._threshold = progress, parameters.threshold
        if self._threshold is not None and math.isnan(self._threshold):
            raise ParameterError("{threshold} is nan, but must be a number.", threshold=errors.field("threshold"))
        self.placed = Placed(parameters.image, parameters.alpha, progress)
        stack = self._stack = self.placed.stack
        if stack.bands != 1:
            raise ParameterError(
                "{in} is {raster}, which has {bands} bands, but a map has one: extract one (Raster > Conversion > "
                "Rearrange bands).",
                **{"in": errors.field("image"), "raster": stack.names[0], "bands": stack.bands},
            )
        self._missing = stack.missing(parameters.nodata, parameters.nodata_from_layer, nan=True)
        self._probabilities = (
            Beside("probabilities", parameters, self.placed, progress) if parameters.probabilities is not None else None
        )
        self.has_values = self._probabilities is not None or self._threshold is not None
        self.classes: list[int] = []
        self._codes: dict[int, int] = {}
        grid = stack.grid
        self.rows = max(1, min(grid.height, (parameters.ram << 20) // (PIXEL_BYTES * grid.width)))

    def codes(self) -> Iterator[np.ndarray]:
        """Yield the codes of the pixels of each strip, int32 of shape (rows, columns)."""
        for strip in self.strips(with_values=False):
            yield strip.codes

    def strips(self, with_values: bool = True) -> Iterator[Strip]:
        """Yield the strips from north to south.

        Raises:
            RasterError: a pixel of a map of classes holds a fraction, or cannot be read.
            Cancelled: the user asked to stop.
        """
        grid = self._stack.grid
        for box in tiles(grid.width, grid.height, grid.width, self.rows):
            self._progress.check()
            pixels = self._stack.read(box)
            missing = self._missing.marked(pixels, box)
            values = self._values(pixels[..., 0], missing, box) if with_values and self.has_values else None
            yield Strip(self._coded(pixels[..., 0], missing, box.y), values)

    @property
    def steps(self) -> int:
        """The number of strips."""
        return -(-self._stack.grid.height // self.rows)

    def _values(self, pixels: np.ndarray, missing: np.ndarray, box: Box) -> np.ndarray:
        if self._probabilities is None:
            return np.where(missing, np.nan, pixels.astype("float64"))
        return self._probabilities.largest(box)

    def _coded(self, pixels: np.ndarray, missing: np.ndarray, top: int) -> np.ndarray:
        if self._threshold is not None:
            self._code(1)
            return np.where((pixels >= self._threshold) & ~missing, 0, NO_CLASS).astype("int32")
        if pixels.dtype.kind == "f":
            pixels = self._whole(pixels, missing, top)
        if pixels.dtype.itemsize <= 2:
            return self._looked_up(pixels, missing)
        values, codes = np.unique(pixels[~missing], return_inverse=True)
        coded = np.full(pixels.shape, NO_CLASS, "int32")
        table = np.array([self._code(value) for value in values.tolist()], "int32")
        coded[~missing] = table[codes.reshape(-1)] if len(table) else NO_CLASS
        return coded

    def _looked_up(self, pixels: np.ndarray, missing: np.ndarray) -> np.ndarray:
        low = int(np.iinfo(pixels.dtype).min)
        shifted = pixels.astype("int32") - low
        counts = np.bincount(shifted[~missing], minlength=_TABLED)
        table = np.full(_TABLED, NO_CLASS, "int32")
        for value in np.flatnonzero(counts).tolist():
            table[value] = self._code(value + low)
        coded = table[shifted]
        coded[missing] = NO_CLASS
        return coded

    def _code(self, value: int) -> int:
        if value not in self._codes:
            if value > _LARGEST_CLASS:
                raise RasterError(
                    "{in} is {raster}, which has the class {value}, but numbers of classes end at {most}: give them smaller "
                    "ones (Raster > Raster Calculator).",
                    **{
                        "in": errors.field("image"),
                        "raster": self._stack.names[0],
                        "value": value,
                        "most": _LARGEST_CLASS,
                    },
                )
            self._codes[value] = len(self.classes)
            self.classes.append(value)
        return self._codes[value]

    def _whole(self, pixels: np.ndarray, missing: np.ndarray, top: int) -> np.ndarray:
        """Return whole numbers that are stored as real ones."""
        wrong = np.flatnonzero(~missing & ((pixels != np.rint(pixels)) | (np.abs(pixels) >= 2.0**53)))
        if len(wrong):
            row, column = divmod(int(wrong[0]), pixels.shape[1])
            raise RasterError(
                "{in} is {raster}, which has the value {value:g} in column {column}, row {row}, but classes are whole "
                "numbers. Set {threshold} if it is a probability, or round it first (Raster > Raster Calculator).",
                **{
                    "in": errors.field("image"),
                    "raster": self._stack.names[0],
                    "value": pixels[row, column],
                    "column": column,
                    "row": top + row,
                    "threshold": errors.field("threshold"),
                },
            )
        return np.where(missing, 0, pixels).astype("int64")
