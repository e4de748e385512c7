"""Single objects of a map of what touches, each with a number, tile by tile.

Seeds are numbered on the whole map, so an object has one number in all tiles. Each tile is flooded with a margin around it,
and its own pixels are taken. An object is whole, with all its neighbours, in every tile that has a pixel of it, if none is
larger than half of the margin: then the tiles have no effect.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .. import errors
from ..base.progress import Part, Progress
from ..errors import ParameterError
from ..geometry.grid import Box
from ..geometry.tiling import tiles
from ..operations.maptopolygons import MapToPolygons
from ..phrases import Phrase
from .mapreading import PIXEL_BYTES, Beside
from .polygonizing import Strip
from .scoremaps import ScoreMaps
from .seednumbers import SeedNumbers
from .watershed import flooded, segmentation

_TILE_BYTES = 150
"""Memory that a pixel of a tile takes in the watershed."""


class InstanceReader:
    """Separates objects, and reads them as a map with a code for each; like `MapReader`.

    Attributes:
        placed: the raster of the extent.
        classes: class of each code: 1.
        rows: of a strip.
        has_values: whether pixels have probabilities.
    """

    has_values = True

    def __init__(self, parameters: MapToPolygons, progress: Progress) -> None:
        """Open the rasters.

        Raises:
            ParameterError, RasterError, EngineError: they, or scikit-image, cannot be used.
        """
        segmentation()
        self._progress = progress
        self._maps = ScoreMaps(parameters, progress)
        self.placed = self._maps.placed
        self._probabilities = (
            Beside("probabilities", parameters, self.placed, progress) if parameters.probabilities is not None else None
        )
        self._least, self._overlap = parameters.seeds, parameters.overlap
        grid = self.placed.stack.grid
        self._width, self._height = grid.width, grid.height
        self._side = self._side_of_tiles(parameters.ram)
        self.rows = max(1, min(grid.height, (parameters.ram << 20) // (PIXEL_BYTES * grid.width)))
        self.classes: list[int] = []
        self._numbers = np.zeros((0, 0), "int32")

    def _side_of_tiles(self, ram: int) -> int:
        """Return the side of a tile without its margin."""
        margin = 2 * self._overlap
        least = min(self._width, self._overlap + 2 * margin) * min(self._height, self._overlap + 2 * margin)
        if least * _TILE_BYTES > ram << 20:
            raise ParameterError(
                "{overlap} is {pixels} pixels, for which tiles take {needed} MB, but {ram} is {given}: raise {ram}, or "
                "lower {overlap}.",
                overlap=errors.field("overlap"),
                pixels=self._overlap,
                needed=-(-least * _TILE_BYTES >> 20),
                ram=errors.field("ram"),
                given=ram,
            )
        return max(self._overlap, math.isqrt((ram << 20) // _TILE_BYTES) - 2 * margin)

    def separate(self, folder: Path, progress: Progress) -> None:
        """Find the objects, and keep their numbers in files in `folder`, 8 bytes for each pixel.

        Raises:
            RasterError: a value is not between 0 and 1, or cannot be read.
            Cancelled: the user asked to stop.
        """
        seeds = SeedNumbers(folder / "seeds", self._width, self._height)
        for box in self._told(tiles(self._width, self._height, self._width, self.rows), Part(progress, 0, 0.2)):
            seeds.add(self._maps.read(box).seeds(self._least))
        seeds.close()
        self.classes = [1] * seeds.count
        self._numbers = np.memmap(folder / "objects", "<i4", "w+", shape=(self._height, self._width))
        sizes = _Sizes(seeds.count)
        left_out = 0
        for box in self._told(tiles(self._width, self._height, self._side, self._side), Part(progress, 0.2, 1)):
            numbers, inside = self._flooded(box, seeds)
            self._numbers[box.y : box.y + box.height, box.x : box.x + box.width] = numbers
            sizes.add(numbers, box)
            left_out += int((inside & (numbers == 0)).sum())
        self._tell(seeds.count, left_out, sizes.sides(), progress)

    def _told(self, boxes: Iterator[Box], progress: Progress) -> Iterator[Box]:
        area = self._width * self._height
        done = 0
        for box in boxes:
            progress.check()
            yield box
            done += box.width * box.height
            progress.fraction(done / area)

    def _flooded(self, box: Box, seeds: SeedNumbers) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of objects in a tile, and which pixels belong to any."""
        margin = 2 * self._overlap
        x, y = max(0, box.x - margin), max(0, box.y - margin)
        right = min(self._width, box.x + box.width + margin)
        bottom = min(self._height, box.y + box.height + margin)
        window = Box(x, y, right - x, bottom - y)
        scores = self._maps.read(window)
        numbers = flooded(scores.relief(), seeds.read(window), scores.inside)
        own = np.s_[box.y - y : box.y - y + box.height, box.x - x : box.x - x + box.width]
        return numbers[own], scores.inside[own]

    def _tell(self, count: int, left_out: int, sides: np.ndarray, progress: Progress) -> None:
        progress.info(Phrase("{count} {count:object|objects} told apart.", count=count))
        if left_out:
            progress.info(
                Phrase(
                    "{left_out} {left_out:pixel of the extent is|pixels of the extent are} connected with no seed, and "
                    "{left_out:belongs|belong} to no object: a lower {seeds} gives more seeds.",
                    left_out=left_out,
                    seeds=errors.field("seeds"),
                )
            )
        large = int((sides > self._overlap).sum())
        if large and self._side < max(self._width, self._height):
            progress.warning(
                Phrase(
                    "{large} {large:object is|objects are} larger than {overlap} ({pixels} pixels), so that borders of "
                    "these and their neighbours may depend on {ram}: set {overlap} to {largest} or more.",
                    large=large,
                    overlap=errors.field("overlap"),
                    pixels=self._overlap,
                    ram=errors.field("ram"),
                    largest=int(sides.max()),
                )
            )

    def codes(self) -> Iterator[np.ndarray]:
        """Yield the codes of the pixels of each strip, int32 of shape (rows, columns)."""
        for box in tiles(self._width, self._height, self._width, self.rows):
            self._progress.check()
            yield self._numbers[box.y : box.y + box.height] - np.int32(1)

    def strips(self) -> Iterator[Strip]:
        """Yield the strips from north to south, after `separate`."""
        for box, codes in zip(tiles(self._width, self._height, self._width, self.rows), self.codes()):
            values = self._maps.read(box).extent if self._probabilities is None else self._probabilities.largest(box)
            yield Strip(codes, values)

    @property
    def steps(self) -> int:
        """The number of strips."""
        return -(-self._height // self.rows)


class _Sizes:
    """The columns and rows that each object reaches."""

    def __init__(self, count: int) -> None:
        self._least = np.full((2, count + 1), np.iinfo("int32").max, "int32")
        self._most = np.full((2, count + 1), -1, "int32")

    def add(self, numbers: np.ndarray, box: Box) -> None:
        rows, columns = np.nonzero(numbers)
        found = numbers[rows, columns]
        for axis, places in enumerate((columns + box.x, rows + box.y)):
            np.minimum.at(self._least[axis], found, places.astype("int32"))
            np.maximum.at(self._most[axis], found, places.astype("int32"))

    def sides(self) -> np.ndarray:
        """Return the longer side of each, in pixels; none of an empty map."""
        return np.max(self._most[:, 1:] - self._least[:, 1:] + 1, axis=0)
