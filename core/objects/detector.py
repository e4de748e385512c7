"""A detector and its image, opened: what computes the boxes of any tile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..base.librarymessages import telling_line
from ..classes.legend import Legend
from ..errors import ModelError, field
from ..geometry.grid import Box
from ..models.detectorhead import DetectorHead
from ..models.modelinterface import Model
from ..probing.sources import OpenSource
from ..rasters.narrowing import Narrowing
from ..samples.mapmask import MapMask
from .boxes import NO_BOXES, NO_MASK, boxes_of, hulls, places
from .decoding import Decoder
from .maskdecoding import MaskDecoder
from .maskfiles import MaskFile
from .overlappingtiles import OverlappingTile, cut_by_edges, taken
from .unknownpixels import filled, known_pixels

if TYPE_CHECKING:  # it imports TensorFlow
    from ..probing.compute import Compute

PADDING = "constant"
"""What is read beyond the edges of an image that is smaller than a tile: zeros, which the median of the tile replaces."""


@dataclass(frozen=True)
class Pixels:
    """A tile after reading.

    Attributes:
        image: shape (1, height, width, bands).
        inside: which pixels may hold the centre of an object, shape (height, width); None for all.
    """

    image: np.ndarray
    inside: np.ndarray | None


@dataclass(frozen=True)
class Detector:
    """A detector and its image.

    Attributes:
        model: the model.
        head: what its outputs are.
        source: the image.
        size: width and height of tiles.
        legend: names and colours of the classes, as far as the model tells them.
        classes: those to keep; None for all.
        compute: calls the model.
        decoder: reads what it returns.
        narrowing: brings pixels within what the model takes.
        mask: tells where objects are looked for; None for everywhere.
        outlines: decodes the masks of objects; None where they are not asked for.
        masks: takes the masks of the objects that are taken from tiles; None for none.
    """

    model: Model
    head: DetectorHead
    source: OpenSource
    size: tuple[int, int]
    legend: Legend
    classes: frozenset[int] | None
    compute: Compute
    decoder: Decoder
    narrowing: Narrowing
    mask: MapMask | None
    outlines: MaskDecoder | None = None
    masks: MaskFile | None = None

    def reset_counts(self) -> None:
        """Count from zero on what is warned of at the end."""
        self.decoder.full = self.decoder.tiles = 0
        self.narrowing.reset()

    def counts(self) -> dict[str, int]:
        """Return what was counted, by name."""
        return {"full": self.decoder.full, "tiles": self.decoder.tiles, **self.narrowing.counts()}

    def add_counts(self, counts: Mapping[str, int]) -> None:
        """Add what was counted elsewhere."""
        self.decoder.full += counts["full"]
        self.decoder.tiles += counts["tiles"]
        self.narrowing.add(counts)

    def read(self, box: Box) -> Pixels | None:
        """Return the pixels of a tile; None where no object can have its centre in it."""
        grid = self.source.stack.grid
        inside: np.ndarray | None = None
        if self.mask is not None:
            within = box.intersection(grid.box)
            inside = np.zeros((box.height, box.width), bool)
            rows, columns = (
                slice(within.y - box.y, within.bottom - box.y),
                slice(within.x - box.x, within.right - box.x),
            )
            inside[rows, columns] = self.mask.inside(within)
            if not inside.any():
                return None
        pixels = self.source.stack.read_padded(box, PADDING)
        missing = None
        if self.source.nodata is not None:
            missing = self.source.nodata.marked(pixels, box, PADDING)
            inside = ~missing if inside is None else inside & ~missing
            if not inside.any():
                return None
        known = known_pixels(box, grid.box, missing)
        if not known.any():
            return None
        pixels = filled(self.source.with_gaps(pixels, box, PADDING), known)
        return Pixels(self.narrowing(pixels, ~known)[None], inside)

    def boxes(self, tile: OverlappingTile, pixels: Pixels | None) -> np.ndarray:
        """Return the boxes of the objects that are taken from a tile, in pixels of the image; their masks go to the file."""
        if pixels is None:
            return NO_BOXES
        box = tile.box
        outputs = self._outputs(pixels.image)
        rows, numbers = self.decoder.numbered(outputs[: len(self.head.all_outputs)], box.height, box.width)
        if self.classes is not None:
            chosen = np.isin(rows[:, 5], list(self.classes))
            rows, numbers = rows[chosen], numbers[chosen]
        found = boxes_of(rows)
        if not len(found):
            return NO_BOXES
        around = hulls(found)
        keep = taken(around, tile) & self._centred(found, box, pixels.inside)
        found["cut"], found["tile"] = cut_by_edges(around, tile), tile.kind
        found = found[keep]
        if self.outlines is not None:
            within = box.intersection(self.source.stack.grid.box)
            masks = self.outlines(outputs[-1], rows[keep, :4], numbers[keep], outputs[0], box, within)
            # A trial has no file, but refuses what are no masks.
            found["mask"] = self.masks.add(masks) if self.masks is not None else [NO_MASK for _ in masks]
        for name, shift in (("y1", box.y), ("y2", box.y), ("x1", box.x), ("x2", box.x)):
            found[name] += shift
        return found

    def _outputs(self, image: np.ndarray) -> list[np.ndarray]:
        """Return what the model returns for a tile.

        Raises:
            ModelError: it does not take tiles of this size, or the memory does not hold them.
        """
        try:
            return self.compute.one([image])
        except ModelError as error:
            if error.__cause__ is None:
                raise
            raise ModelError(
                "The model {model} cannot compute tiles of {width} x {height} pixels: {reason}. Set {tilesize} to another "
                "size if the model takes it. Most models take multiples of 32; smaller tiles need less memory.",
                model=self.model.path,
                width=image.shape[2],
                height=image.shape[1],
                reason=telling_line(error.__cause__),
                tilesize=field("tilesize"),
            ) from error

    def _centred(self, boxes: np.ndarray, box: Box, inside: np.ndarray | None) -> np.ndarray:
        """Return which boxes have their centre in the image, and in a pixel that counts."""
        grid = self.source.stack.grid
        rows, columns = (np.floor(each).astype("int64") for each in places(boxes))
        height, width = min(box.height, grid.height - box.y), min(box.width, grid.width - box.x)
        within: np.ndarray = (rows >= 0) & (columns >= 0) & (rows < height) & (columns < width)
        if inside is not None:
            within[within] = inside[rows[within], columns[within]]
        return within
