"""From pixels to outputs: reading and computing any box of the output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..geometry.fields import Span
from ..geometry.grid import Box
from ..phrases import Phrase
from ..probing.appliedgeometry import ServingGeometry
from ..probing.compute import Compute, whole
from ..probing.sources import OpenSource
from ..rasters.narrowing import Narrowing
from ..samples.mapmask import MapMask
from .nodatamask import holds_nothing, nodata_outputs, under
from .patchways import PatchWay
from .tilecosts import bytes_read, computed_with


@dataclass
class Tile:
    """One tile after reading: pixels of each source (none if the whole tile is no-data), and the output's no-data mask."""

    images: list[np.ndarray]
    nodata: np.ndarray | None


class Finish(Protocol):
    """What becomes of a tile's values before they are written.

    Attributes:
        bands: of what it returns.
    """

    bands: int

    def __call__(self, values: np.ndarray, nodata: np.ndarray | None, /) -> np.ndarray:
        """Return what is written for values of shape (height, width, bands) with a no-data mask."""


@dataclass(frozen=True)
class TileOutput:
    """What is made of a tile's values.

    Attributes:
        dtype: of what is written.
        background: what no-data becomes; of each band.
        finish: what values become before; None to write them as they are.
    """

    dtype: np.dtype
    background: float | np.ndarray = 0.0
    finish: Finish | None = None


class TileComputer:
    """Reads and computes the outputs in any box; all that decides their values is given at the start."""

    def __init__(
        self,
        sources: Sequence[OpenSource],
        compute: Compute,
        geometry: ServingGeometry,
        padding: str,
        way: PatchWay | None,
        output: TileOutput,
        bands: int = 0,
        mask: MapMask | None = None,
    ) -> None:
        """Prepare.

        Args:
            sources: that are read.
            compute: calls the model.
            geometry: of the whole output.
            padding: what stands beyond the images' edges.
            way: how patches are computed; None where regions are.
            output: what is made of values.
            bands: of what is returned; 0 where that is not known yet, so that tiles of no-data are computed too.
            mask: tells where the map is made; None for everywhere.
        """
        self.sources, self.compute, self.geometry = sources, compute, geometry
        self._padding, self._output, self._bands, self._mask = padding, output, bands, mask
        self._patches = way.bind(geometry, compute) if way else None
        self._narrowings = [Narrowing(source.dtype, info.dtype) for source, info in zip(sources, compute.inputs)]

    def first_piece(self, box: Box) -> np.ndarray:
        """Return the output in the middle of a box, so that a model that does not fit fails now."""
        middle = Box(box.x + box.width // 2, box.y + box.height // 2, 1, 1)
        return self.values(middle, self.read(middle, masked=False))

    def bytes_read(self, outputs: Box) -> float:
        """Return the bytes of the pixels of the tiles in the pipeline, each of these outputs."""
        return bytes_read(self.sources, self.geometry, outputs)

    def told(self) -> list[str]:
        """Return warnings that count the pixels which the model's inputs cannot hold unchanged."""
        return [
            Phrase(
                "Source {number}: the input {info} of the model accepts {dtype}, but of the pixels {counted} (pixels "
                "that several tiles or patches read are counted several times). They became the nearest accepted value; "
                "NaN became 0. Scale or clip the image like the training images.",
                number=source.number,
                info=info.name,
                dtype=info.dtype,
                counted=counted,
            )
            for source, info, narrowing in zip(self.sources, self.compute.inputs, self._narrowings)
            if (counted := narrowing.told())
        ]

    def read(self, box: Box, masked: bool = True, sparing: bool = False) -> Tile:
        """Return the pixels of each source for the outputs in `box`, and with `masked` where these are no-data.

        With `sparing`, where all of them are, no further source is read, nothing of one that holds no data, and no
        pixels are returned.
        """
        if not masked or self._mask is None:
            return self._read(box, masked, sparing)
        outside = ~self._mask.inside(box)
        if sparing and outside.all():
            return Tile([], outside)
        tile = self._read(box, masked, sparing)
        return Tile(tile.images, outside if tile.nodata is None else tile.nodata | outside)

    def _read(self, box: Box, masked: bool, sparing: bool) -> Tile:
        """Do what `read` does, as far as the sources tell what is no-data."""
        outputs = computed_with(self.geometry, box)
        regions = [self.geometry.region(number, outputs) for number in range(len(self.sources))]
        if not masked or all(source.nodata is None for source in self.sources):
            images = [source.read(region, self._padding) for source, region in zip(self.sources, regions)]
            return Tile([narrowing(image) for narrowing, image in zip(self._narrowings, images)], None)
        columns, rows = Span(box.x, box.width), Span(box.y, box.height)
        below = [
            (self.geometry.x.footprint(number, columns), self.geometry.y.footprint(number, rows))
            for number in range(len(self.sources))
        ]
        if sparing and any(holds_nothing(source, *lines) for source, lines in zip(self.sources, below)):
            return Tile([], np.ones((box.height, box.width), bool))
        mask, found = np.zeros((box.height, box.width), bool), dict.fromkeys(range(len(self.sources)), np.empty(0))
        for number in sorted(found, key=lambda number: self.sources[number].nodata is None):  # those that tell first
            source, region = self.sources[number], regions[number]
            if source.nodata is None:
                found[number] = self._narrowings[number](source.read(region, self._padding))
                continue
            window = region.hull(under(*below[number]))
            pixels = source.stack.read_padded(window, self._padding)
            empty = source.nodata.marked(pixels, window, self._padding)
            mask |= nodata_outputs(empty, *below[number], window, source.rule)
            if sparing and mask.all():
                return Tile([], mask)
            pixels = self._narrowings[number](source.with_gaps(pixels, window, self._padding), empty)
            found[number] = pixels[whole(Box(region.x - window.x, region.y - window.y, region.width, region.height))]
        return Tile(list(found.values()), mask)

    def values(self, box: Box, tile: Tile) -> np.ndarray:
        """Return the outputs in `box`, of shape (box.height, box.width, bands), from what `read` returned for it."""
        if tile.nodata is not None and tile.nodata.all() and self._bands:
            return np.full((box.height, box.width, self._bands), self._output.background, self._output.dtype)
        if self._patches is None:
            outputs = self.geometry.computable(box)
            values = self.compute.region(tile.images, outputs.width, outputs.height)
            values = values[whole(Box(box.x - outputs.x, box.y - outputs.y, box.width, box.height))]
        else:
            values = self._patches(box, tile.images)
        if self._output.finish is not None:
            values = self._output.finish(values, tile.nodata)
        if tile.nodata is not None and tile.nodata.any():
            values = values.copy()
            values[tile.nodata] = self._output.background
        return values
