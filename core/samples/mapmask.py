"""Where a map is made: the pixels of its grid that a raster or polygons include, read window by window."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from ..base.progress import Progress
from ..errors import RasterError, VectorError, field
from ..geometry.grid import TOLERANCE, Box, Grid
from ..parameters.maskgroup import Masked
from ..parameters.vectorsource import LayerSource
from ..rasters.placement import check_same
from ..rasters.rasterreference import Reference
from ..rasters.rasterstack import Stack
from ..vectors.transformation import Transformation
from ..vectors.vectorlayer import INTEGER, Field
from .footprint import POLYGON, Outlines
from .shapes import Shapes, open_training_layer

_WINDOW = 1 << 22
"""Pixels of a raster that are read at a time."""

_LOCATED = 1 << 17
"""Pixels of the map whose places in a raster are computed at a time."""

_KEPT = 1_000_000
"""Vertices up to which polygons stay in memory; those of larger layers are read again where they are needed."""

_TOGETHER = 256
"""Polygons that are read again at a time."""

_EDGE = 33
"""Points along an edge of a grid by which it is seen whether it meets another one."""


class MapMask(Protocol):
    """Tells which pixels of a grid belong to the map; not for use by two threads at a time."""

    def inside(self, box: Box) -> np.ndarray:
        """Return which pixels of a box do, bool, shape (box.height, box.width).

        Raises:
            RasterError, VectorError: the mask cannot be read.
        """


def open_mask(given: Masked, grid: Grid, reference: Reference, image: str, progress: Progress) -> MapMask | None:
    """Return the mask that the parameters name, on a grid; None where they name none.

    Args:
        given: the parameters.
        grid: of the whole map.
        reference: of the map.
        image: its name, for messages.
        progress: may cancel.

    Raises:
        RasterError, VectorError: it cannot be opened, or does not meet the image.
        Cancelled: `progress` asked to stop.
    """
    if given.mask is not None:
        return RasterMask(given.mask, grid, reference, image)
    if given.mask_vector is not None:
        return PolygonMask(given.mask_vector, grid, reference, image, progress)
    return None


class RasterMask:
    """A raster of one band: inside is what is neither 0 nor no-data.

    Attributes:
        stack: the open raster.
    """

    def __init__(self, source: Any, grid: Grid, reference: Reference, image: str) -> None:
        """Open it.

        Raises:
            RasterError: it cannot be opened, has several bands, or does not meet the image.
        """
        self.stack = Stack([source], placed=False)
        name, own = self.stack.names[0], self.stack.grid
        if self.stack.bands != 1:
            raise RasterError(
                "{mask} is {name}, which has {bands} bands, but must have one: choose a raster of one band.",
                mask=field("mask"),
                name=name,
                bands=self.stack.bands,
            )
        self._missing = self.stack.missing(nan=True)
        check_same([name, image], [self.stack.reference, reference])
        untold = not (self.stack.reference.wkt and reference.wkt)
        self._same = (untold or self.stack.reference.same_as(reference)) and own.same_as(grid)
        if not self._same and (self.stack.reference.by_points or reference.by_points):
            raise RasterError(
                "{mask} is {name}, whose grid is not that of {image}, and one of them is placed by points only: warp the mask "
                "to the image's grid (Raster > Projections > Warp).",
                mask=field("mask"),
                name=name,
                image=image,
            )
        self._grid, self._transformation = grid, Transformation(reference, self.stack.reference)
        if not self._same and not self._meets():
            raise RasterError(
                "{mask} is {name}, which does not meet {image}: choose a mask of the same place, or check the coordinate "
                "systems ({system} and {image_system}).",
                mask=field("mask"),
                name=name,
                image=image,
                system=self.stack.reference.describe(),
                image_system=reference.describe(),
            )

    def _meets(self) -> bool:
        """Return whether the mask's pixels under a coarse grid of points of the map reach into it."""
        columns = np.linspace(0, self._grid.width, _EDGE)
        rows = np.linspace(0, self._grid.height, _EDGE)
        x, y = self._placed(np.tile(columns, _EDGE), np.repeat(rows, _EDGE))
        known = np.isfinite(x) & np.isfinite(y)
        if not known.any():
            return False
        x, y, own = x[known], y[known], self.stack.grid
        return bool(x.min() < own.width and x.max() > 0 and y.min() < own.height and y.max() > 0)

    def _placed(self, columns: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return places in the map as places in the mask, both in pixels from the upper left corner."""
        grid, own = self._grid, self.stack.grid
        x, y = grid.x.origin + columns * grid.x.spacing, -(grid.y.origin + rows * grid.y.spacing)
        x, y = self._transformation.points(x, y)
        return (x - own.x.origin) / own.x.spacing, (-y - own.y.origin) / own.y.spacing

    def inside(self, box: Box) -> np.ndarray:
        """See `MapMask.inside`."""
        if self._same:
            return self._read(box)
        found = np.zeros((box.height, box.width), bool)
        self._fill(found, box, Box(0, 0, box.width, box.height))
        return found

    def _fill(self, found: np.ndarray, box: Box, part: Box) -> None:
        """Take the nearest pixels of the mask for a part of a box, cut until what is located and read is small."""
        if part.area > _LOCATED:
            for half in _halves(part):
                self._fill(found, box, half)
            return
        columns, rows = self._pixels(Box(box.x + part.x, box.y + part.y, part.width, part.height))
        own = self.stack.grid
        within = (columns >= 0) & (columns < own.width) & (rows >= 0) & (rows < own.height)
        if not within.any():
            return
        columns, rows = columns[within], rows[within]
        left, top = int(columns.min()), int(rows.min())
        window = Box(left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top)
        if window.area > _WINDOW and part.area > 1:
            for half in _halves(part):
                self._fill(found, box, half)
            return
        target = found[part.y : part.bottom, part.x : part.right]
        target[within] = self._read(window)[rows - top, columns - left]

    def _pixels(self, box: Box) -> tuple[np.ndarray, np.ndarray]:
        """Return column and row of the mask's pixel that holds each centre, int64, shape (box.height, box.width)."""
        across, down = np.arange(box.x, box.right) + 0.5, np.arange(box.y, box.bottom) + 0.5
        columns, rows = self._placed(np.tile(across, box.height), np.repeat(down, box.width))
        shape = box.height, box.width
        return _floored(columns).reshape(shape), _floored(rows).reshape(shape)

    def _read(self, box: Box) -> np.ndarray:
        pixels = self.stack.read(box)
        found: np.ndarray = pixels[..., 0] != 0
        return found & ~self._missing.marked(pixels, box) if self._missing.possible else found


class PolygonMask:
    """Polygons: inside is the pixel whose centre lies in one of them.

    Attributes:
        layer: the open layer.
        digest: what stands for the polygons on the grid.
    """

    def __init__(self, source: LayerSource, grid: Grid, reference: Reference, image: str, progress: Progress) -> None:
        """Open the layer, and see where its polygons lie.

        Raises:
            VectorError: it cannot be opened, holds no polygons, or none in the image.
            Cancelled: `progress` asked to stop.
        """
        self.layer = open_training_layer(source, None)
        self._shapes = Shapes(self.layer, "fid", grid, reference)
        self._shapes.field = Field("fid", INTEGER, -1)  # whatever a field of this name holds
        fids, boxes = [np.empty(0, np.int64)], [np.empty((0, 4), np.int64)]
        self._kept: list[Outlines] = []
        vertices, digest = 0, hashlib.sha256()
        for batch in self._shapes.read(progress):
            if (batch.outlines.kinds != POLYGON).any():
                raise VectorError(
                    "{mask} is the layer {layer} of {path}, which holds points or lines, but must hold polygons: choose "
                    "another layer.",
                    mask=field("mask_vector"),
                    layer=self.layer.name,
                    path=self.layer.path,
                )
            fids.append(np.array(batch.fids, np.int64))
            boxes.append(batch.outlines.boxes)
            vertices += len(batch.outlines.vertices)
            digest.update(batch.outlines.vertices.tobytes())
            self._kept = [*self._kept, batch.outlines] if vertices <= _KEPT else []
        self._again, self.digest = vertices > _KEPT, f"sha256:{digest.hexdigest()}"
        self._fids, self._boxes = np.concatenate(fids), np.concatenate(boxes)
        if not len(self._fids):
            raise VectorError(
                "{mask} is the layer {layer} of {path}, of which no polygon meets {image}. The layer covers {extent}; the "
                "image is in {system}. Choose polygons of the same place, or check the coordinate systems.",
                mask=field("mask_vector"),
                layer=self.layer.name,
                path=self.layer.path,
                image=image,
                extent=self.layer.describe(),
                system=reference.describe(),
            )

    def inside(self, box: Box) -> np.ndarray:
        """See `MapMask.inside`."""
        found = np.zeros(box.area, bool)
        limits = np.array([box.x, box.y, box.right, box.bottom])
        for outlines in self._outlines(box):
            runs = outlines.within(limits).runs(0, len(outlines.boxes))
            if len(runs):
                found[runs.flat(box)] = True
        return found.reshape(box.height, box.width)

    def _outlines(self, box: Box) -> Iterator[Outlines]:
        """Yield the polygons, at least those that meet a box."""
        left, top, right, bottom = self._boxes.T
        here = (left < box.right) & (right > box.x) & (top < box.bottom) & (bottom > box.y)
        if not here.any():
            return
        if not self._again:
            yield from self._kept
            return
        wanted = self._fids[here].tolist()
        for first in range(0, len(wanted), _TOGETHER):
            features = (self._shapes.feature(fid) for fid in wanted[first : first + _TOGETHER])
            yield self._shapes.again(features).outlines


def _floored(places: np.ndarray) -> np.ndarray:
    """Return whole numbers below places; -1 where there is none."""
    return np.floor(np.where(np.isfinite(places), places + TOLERANCE, -1).clip(-1, 2**40)).astype(np.int64)


def _halves(part: Box) -> tuple[Box, Box]:
    if part.width >= part.height:
        half = part.width // 2
        return Box(part.x, part.y, half, part.height), Box(part.x + half, part.y, part.width - half, part.height)
    half = part.height // 2
    return Box(part.x, part.y, part.width, half), Box(part.x, part.y + half, part.width, part.height - half)
