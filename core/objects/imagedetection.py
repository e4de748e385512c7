"""An image and a detector, opened: the objects in any tiles of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..geometry.grid import Box
from ..operations.detectobjects import DetectObjects
from ..phrases import Phrase
from ..rasters.outputarea import wanted_box
from ..rasters.placement import check_placed
from ..serving.memorybudget import MemoryBudget
from ..serving.pipeline import IN_FLIGHT, stream
from .boxes import joined, places
from .detector import Detector, Pixels
from .detectoropening import open_detector
from .maskfiles import MaskFile
from .overlappingtiles import OverlappingTile, TileLattice, region_around

MOST_BOXES = 5_000_000
"""Boxes before suppression above which a run is refused: with so many, the smallest score is too low."""

_SUPPRESSED = 400
"""Bytes that a box takes at most while all are sorted and suppressed: itself, copies, and what is kept to find it again."""

_FLOAT = 4


@dataclass(frozen=True)
class FoundBoxes:
    """What was found in some tiles.

    Attributes:
        boxes: before suppression, in the order of the tiles.
        each: how many of them each tile has, int64.
    """

    boxes: np.ndarray
    each: np.ndarray


class ImageDetection:
    """An image and a detector, opened.

    Attributes:
        detector: with the image.
        wanted: part of the image in which objects have their centre.
        budget: of memory; that of a plan takes the place of the one that parameters and machine give.
    """

    def __init__(self, parameters: DetectObjects, progress: Progress) -> None:
        """Open them.

        Raises:
            ParameterError, RasterError, ModelError: bad input.
        """
        self.detector: Detector = open_detector(parameters, progress)
        image = self.detector.source.stack
        check_placed(image.names[0], image.reference, Phrase("objects in it have no place on the ground"))
        self.wanted: Box = wanted_box("", parameters.extent, image.grid, image.reference)
        self.budget = MemoryBudget.of(parameters.memory or parameters.ram, [self.detector.source])

    def lattice(self, overlap: int) -> TileLattice:
        """Return the tiles in which all wanted objects are seen."""
        size = self.detector.size
        around = region_around(self.wanted, self.detector.source.stack.grid.box, *size, overlap)
        return TileLattice(around, *size, overlap)

    @property
    def with_masks(self) -> bool:
        """Whether the masks of objects are wanted, too."""
        return self.detector.outlines is not None

    def found(self, lattice: TileLattice, part: Box, masks: Sequence[Path], progress: Progress) -> FoundBoxes:
        """Return the boxes of some tiles whose centre lies in the wanted part of the image.

        What the detector counts is counted anew.

        Args:
            lattice: all tiles.
            part: columns and rows of them.
            masks: the file to which masks go, where these are wanted.
            progress: told how far it is.

        Raises:
            OtbtfError: something cannot be read or computed, or there are too many boxes.
            Cancelled: `progress` asked to stop.
        """
        tiles, most = lattice.tiles(part), self.most_boxes
        parts: list[np.ndarray] = []
        count = 0

        def keep(_: OverlappingTile, boxes: np.ndarray) -> None:
            nonlocal count
            parts.append(boxes[self._within(boxes)])
            count += len(parts[-1])
            self.check_number(count, len(parts), len(tiles), most)
            progress.fraction(len(parts) / len(tiles))

        def read(tile: OverlappingTile) -> Pixels | None:
            return self.detector.read(tile.box)

        self.detector.reset_counts()
        with ExitStack() as stack:
            kept = [stack.enter_context(MaskFile(path)) for path in masks]
            detector = replace(self.detector, masks=kept[0]) if kept else self.detector
            stream(tiles, read, detector.boxes, keep, progress.check)
        return FoundBoxes(joined(parts), np.array([len(each) for each in parts], "int64"))

    def _within(self, boxes: np.ndarray) -> np.ndarray:
        (rows, columns), wanted = places(boxes), self.wanted
        inside: np.ndarray = (rows >= wanted.y) & (rows < wanted.bottom)
        return inside & (columns >= wanted.x) & (columns < wanted.right)

    def check_memory(self) -> None:
        """Raise ParameterError where the memory does not hold the tiles."""
        if self._left <= 0:
            width, height = self.detector.size
            raise ParameterError(
                "{memory} leaves {planned} MB for tiles of {width} x {height} pixels, which need {needed} MB: raise it, or "
                "set a smaller {tilesize} if the model takes it.",
                memory=field("memory"),
                planned=max(0, self.budget.planned) >> 20,
                width=width,
                height=height,
                needed=(self._tiles >> 20) + 1,
                tilesize=field("tilesize"),
            )

    @property
    def _tiles(self) -> int:
        """Bytes of the tiles that exist at a time."""
        (width, height), source = self.detector.size, self.detector.source
        return IN_FLIGHT * width * height * source.stack.bands * max(_FLOAT, source.dtype.itemsize)

    @property
    def _left(self) -> int:
        return self.budget.planned - self._tiles

    @property
    def most_boxes(self) -> int:
        """Number of boxes that fit into the memory beside the tiles."""
        return min(MOST_BOXES, self._left // _SUPPRESSED)

    def check_number(self, count: int, done: int, tiles: int, most: int) -> None:
        """Raise ParameterError where so many tiles have too many boxes.

        Args:
            count: of boxes.
            done: number of their tiles.
            tiles: how many there are.
            most: boxes that there may be.
        """
        if count > most:
            raise ParameterError(
                "More than {most} boxes have a score of {score} ({least:g}) or more after {done} of {tiles} tiles: raise "
                "{score}{memory}.",
                most=most,
                score=field("score"),
                least=self.detector.decoder.score,
                done=done,
                tiles=tiles,
                memory=Phrase(", or {memory}", memory=field("memory")) if most < MOST_BOXES else "",
            )
