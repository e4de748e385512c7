"""One run's work: reading, computing and writing any box of the output, and what that takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..base.progress import Progress
from ..geometry import tiling
from ..geometry.fields import Span
from ..geometry.grid import Box
from ..machine.memory import peak_growth
from ..probing.appliedgeometry import ServingGeometry
from ..probing.compute import Compute, whole
from ..probing.geometryresolver import drawn_sample
from ..probing.sources import OpenSource
from ..probing.trialpixels import KINDS, part
from ..rasters.conversion import Converter
from ..rasters.narrowing import Narrowing
from .nodatamask import holds_nothing, nodata_outputs, under
from .patchwise import Patchwise
from .pipeline import IN_FLIGHT, stream
from .shiftandstitch import ShiftAndStitch, choose_way
from .stitchedpatches import StitchedPatches


@dataclass(frozen=True)
class Rate:
    """What computing takes, as measured: seconds and bytes per output pixel, and the most outputs of a batch.

    Attributes:
        side: in pixels, of the largest piece that was tried.
    """

    seconds: float
    bytes: float
    batch: float
    side: int = 0

    def memory(self, outputs: float) -> float:
        """Return the bytes that computing so many outputs takes."""
        return self.bytes * min(outputs, self.batch)


@dataclass
class Tile:
    """One tile as it was read: pixels of each source (none where all may be spared), and where the output is no-data."""

    images: list[np.ndarray]
    nodata: np.ndarray | None


MASK_BYTES = 24
"""What finding no-data takes for a source pixel: counts along columns and along both, and what is copied on the way."""

TRIALS = (64, 128, 256)
"""Sides in pixels of the pieces on which time and memory are measured."""

CONVERT_BYTES = 24
"""What a value takes on its way to another pixel type: as double, clipped, and where it is finite."""


class Writer(Protocol):
    """Takes tiles in order, as `core.rasters.rasteroutput.OutputRaster` does."""

    def write(self, box: Box, array: np.ndarray) -> None:
        """Write an array of shape (box.height, box.width, bands)."""


class Job:
    """Reads, computes and writes any box of the output.

    Attributes:
        finish: what becomes of a tile's values, given these and where they are no-data (None for nowhere): what is
            written in their place, the background value where they are no-data; None to write them as they are.
    """

    def __init__(
        self,
        sources: Sequence[OpenSource],
        geometry: ServingGeometry,
        box: Box,
        compute: Compute,
        converter: Converter,
        background: float | np.ndarray,
        padding: str = "reflect",
    ) -> None:
        self.sources, self.geometry, self.box = sources, geometry, box
        self.compute, self.converter = compute, converter
        self._background, self._padding = background, padding
        self.finish: Callable[[np.ndarray, np.ndarray | None], np.ndarray] | None = None
        self._bands = 0
        self.narrowings = [
            Narrowing(source.stack.dtype, info.dtype) for source, info in zip(self.sources, compute.inputs)
        ]
        self._patches: Patchwise | ShiftAndStitch | StitchedPatches = Patchwise(geometry, compute)

    def learn(self) -> int:
        """Compute one small piece, so that a model that does not fit fails now; return the number of bands."""
        middle = Box(self.box.x + self.box.width // 2, self.box.y + self.box.height // 2, 1, 1)
        return self.compute_tile(middle, self.read(middle, masked=False)).shape[-1]

    def choose_way(self, probed: Compute, memory: int, progress: Progress, rebuilding: bool) -> None:
        """Choose how patches are computed: as whole regions where that gives the same values; say so.

        `probed` calls the model for the values that numbers of classes are made of; `rebuilding` says whether the
        model may be built anew for that.
        """

        def read(box: Box) -> list[np.ndarray]:
            return self.read(box, masked=False).images

        self._patches = choose_way(
            self.geometry, self.compute, probed, self.sources, read, memory, progress, rebuilding
        )

    @property
    def trial(self) -> tuple[Any, ...]:
        """What `calibrate` depends on, beside the model, its sources' types and the memory."""
        way = () if self.geometry.fields.fullyconv else (type(self._patches), self._patches.batch)
        return (self.geometry.fields, self._piece(TRIALS[-1]), *way)

    def _piece(self, side: int) -> tuple[int, int]:
        """Return width and height in outputs of what so many pixels give, as far as the box has them."""
        scale = float(self.geometry.fields.x.scale)
        width, height = (max(1, min(int(side / scale), size)) for size in (self.box.width, self.box.height))
        return width, height

    def trial_values(self, side: int, compute: Compute) -> np.ndarray:
        """Return what `compute` gives, in the way that was chosen, for pixels as the sources have them.

        They are put together so that the outputs vary, and are the same for each part of a run. `side` is that of what
        may be computed at once, in pixels of the first source.
        """
        if not self.shares:
            side = min(side, TRIALS[0])
        scale = float(self.geometry.fields.x.scale)
        width, height = (max(1, min(int(side / scale), axis.size)) for axis in (self.geometry.x, self.geometry.y))
        box = Box(0, 0, width, height)
        outputs = self.computed(box)
        regions = [self.geometry.region(number, outputs) for number in range(len(self.sources))]
        samples = [drawn_sample(source, source.stack.dtype.name) for source in self.sources]
        assert not isinstance(self._patches, StitchedPatches)  # nosec B101 (tells mypy; its weights are constants already)
        way = None if self.geometry.fields.fullyconv else self._patches.by(compute)
        found = []
        for make in KINDS.values():
            images = [part(make(sample), 0, r.width, r.height) for sample, r in zip(samples, regions)]
            found.append(way(box, images) if way else compute.region(images, outputs.width, outputs.height))
        return np.concatenate(found)

    def calibrate(self, memory: int) -> Rate:
        """Measure time and memory of the model on growing pieces of the input, as far as the memory allows."""
        batch = float("inf") if self.geometry.fields.fullyconv else float(self._patches.batch)
        rate = Rate(0.0, 0.0, batch)
        for side in TRIALS:
            width, height = self._piece(side)
            left, top = (self.box.width - width) // 2, (self.box.height - height) // 2
            box = Box(self.box.x + left, self.box.y + top, width, height)
            tile, seconds = self.read(box, masked=False), 0.0

            def work(box: Box = box, tile: Tile = tile) -> None:
                nonlocal seconds
                start = time.perf_counter()
                self.compute_tile(box, tile)
                seconds = time.perf_counter() - start

            growth = peak_growth(work)
            area = self.computed(box).area
            rate = Rate(seconds / area, max(1.25 * growth / min(area, batch), 1.0), batch, side)
            if 16 * growth > memory or box == self.box:  # attention takes sixteen times as much for twice the side
                break
        return rate

    def bytes_held(self, outputs: Box, bands: int) -> float:
        """Return the bytes of the tiles on their way through the three stages, each of so many outputs."""
        total = 0.0
        for number, source in enumerate(self.sources):
            area = self.geometry.region(number, outputs).area
            total += IN_FLIGHT * area * source.stack.bands * source.stack.dtype.itemsize
            total += MASK_BYTES * area if source.nodata is not None else 0
        values = outputs.area * bands
        name = self.compute.dtype_name
        model = np.dtype("float32" if name == "bfloat16" else name)
        return total + values * (IN_FLIGHT * model.itemsize + (CONVERT_BYTES if model != self.converter.dtype else 0))

    def bytes_moved(self, outputs: Box, bands: int) -> float:
        """Return the bytes of the pixels that are read, and of the values that are written, for so many outputs."""
        pixels = (
            self.geometry.region(k, outputs).area * s.stack.bands * s.stack.dtype.itemsize
            for k, s in enumerate(self.sources)
        )
        return sum(pixels) + outputs.area * bands * self.converter.dtype.itemsize

    @property
    def constant(self) -> bool:
        """Whether the model's weights are constants by the way that was chosen."""
        return isinstance(self._patches, StitchedPatches)

    @property
    def shares(self) -> bool:
        """Whether outputs beside each other are computed together, so that less is computed in large tiles."""
        return self.geometry.fields.fullyconv or not isinstance(self._patches, Patchwise)

    def computed(self, box: Box) -> Box:
        """Return the outputs that are computed to have those in `box`."""
        return self.geometry.computable(box) if self.geometry.fields.fullyconv else box

    def pixels(self, box: Box) -> Box:
        """Return the pixels of the first source from which the outputs in `box` are computed."""
        return self.geometry.region(0, self.computed(box))

    @property
    def stored_by_lines(self) -> bool:
        """Whether a source is stored in whole lines of pixels, all of which are read for any part of them."""
        return any(s.stack.block_size[0] >= s.stack.grid.width > tiling.BLOCK for s in self.sources)

    def run(self, raster: Writer, tile: tuple[int, int], progress: Progress) -> None:
        """Compute the whole box into `raster`, tile by tile."""
        done = 0
        self.count_anew()

        def write(part: Box, values: np.ndarray) -> None:
            nonlocal done
            raster.write(part, self.converter(values))
            done += part.area
            progress.fraction(done / self.box.area)

        def moved(part: Box) -> Box:
            return Box(part.x + self.box.x, part.y + self.box.y, part.width, part.height)

        stream(
            self._cells() if self.geometry.fields.fixed else tiling.tiles(self.box.width, self.box.height, *tile),
            lambda part: self.read(moved(part), sparing=True),
            lambda part, data: self.compute_tile(moved(part), data),
            write,
            progress.check,
        )

    def _cells(self) -> Iterator[Box]:
        """Yield the parts of the box, counted from its corner, that a model of one size computes in one go."""
        for y in self.geometry.y.cells(Span(self.box.y, self.box.height)):
            for x in self.geometry.x.cells(Span(self.box.x, self.box.width)):
                yield Box(x.start - self.box.x, y.start - self.box.y, x.size, y.size)

    def count_anew(self) -> None:
        """Forget what the sources' pixels were counted for: trials are over."""
        for narrowing in self.narrowings:
            narrowing.reset()

    def told(self) -> list[str]:
        """Return, as warnings, how many pixels the model's inputs do not hold as they are."""
        return [
            f"Source {source.number}: the input {info.name} of the model takes {info.dtype}, but of the pixels {counted} "
            "(a pixel that several tiles or patches read counts for each). They have become the nearest value that it "
            "holds; NaN has become 0. Scale or clip the image to what the model was trained on."
            for source, info, narrowing in zip(self.sources, self.compute.inputs, self.narrowings)
            if (counted := narrowing.told())
        ]

    def read(self, box: Box, masked: bool = True, sparing: bool = False) -> Tile:
        """Return the pixels of each source for the outputs in `box`, and with `masked` where these are no-data.

        With `sparing`, where all of them are, no further source is read, nothing of one that holds no data, and no
        pixels are returned.
        """
        outputs = self.computed(box)
        regions = [self.geometry.region(number, outputs) for number in range(len(self.sources))]
        if not masked or all(source.nodata is None for source in self.sources):
            stacks = (source.stack for source in self.sources)
            images = [stack.read_padded(region, self._padding) for stack, region in zip(stacks, regions)]
            return Tile([narrowing(image) for narrowing, image in zip(self.narrowings, images)], None)
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
                found[number] = self.narrowings[number](source.stack.read_padded(region, self._padding))
                continue
            window = region.hull(under(*below[number]))
            pixels = source.stack.read_padded(window, self._padding)
            empty = source.nodata.everywhere(pixels, window, self._padding)
            mask |= nodata_outputs(empty, *below[number], window)
            if sparing and mask.all():
                return Tile([], mask)
            pixels = self.narrowings[number](pixels, empty)
            found[number] = pixels[whole(Box(region.x - window.x, region.y - window.y, region.width, region.height))]
        return Tile(list(found.values()), mask)

    def compute_tile(self, box: Box, tile: Tile) -> np.ndarray:
        """Return the outputs in `box`, of shape (box.height, box.width, bands), from what `read` returned for it."""
        if tile.nodata is not None and tile.nodata.all() and self._bands:
            return np.full((box.height, box.width, self._bands), self._background, self.converter.dtype)
        if self.geometry.fields.fullyconv:
            outputs = self.geometry.computable(box)
            values = self.compute.region(tile.images, outputs.width, outputs.height)
            values = values[whole(Box(box.x - outputs.x, box.y - outputs.y, box.width, box.height))]
        else:
            values = self._patches(box, tile.images)
        if self.finish is not None:
            values = self.finish(values, tile.nodata)
        self._bands = values.shape[-1]
        if tile.nodata is not None and tile.nodata.any():
            values = values.copy()
            values[tile.nodata] = self._background
        return values
