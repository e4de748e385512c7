"""Bytes and pixels that tiles read, hold and compute, from the geometry of a run alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..geometry import tiling
from ..geometry.grid import Box
from ..probing.appliedgeometry import ServingGeometry
from ..probing.sources import OpenSource
from .pipeline import IN_FLIGHT

MASK_BYTES = 24
"""Cost of finding no-data, in bytes per source pixel: counts along columns and along both axes, and copies."""

CONVERT_BYTES = 24
"""Cost of converting a value to another pixel type, in bytes: as double, clipped, and whether it is finite."""


@dataclass(frozen=True)
class Rate:
    """Measured cost of computing: seconds and bytes per output pixel, and the most outputs of a batch.

    Attributes:
        side: in pixels, of a square as large as the largest piece that was tried.
    """

    seconds: float
    bytes: float
    batch: float
    side: int = 0

    def memory(self, outputs: float) -> float:
        """Return the bytes that computing a number of outputs takes."""
        return self.bytes * min(outputs, self.batch)


def computed_with(geometry: ServingGeometry, box: Box) -> Box:
    """Return the outputs that are computed to have those in `box`."""
    return geometry.computable(box) if geometry.fields.fullyconv else box


def bytes_read(sources: Sequence[OpenSource], geometry: ServingGeometry, outputs: Box) -> float:
    """Return the bytes of the pixels of the tiles in the pipeline, each of these outputs."""
    total = 0.0
    for number, source in enumerate(sources):
        area = geometry.region(number, outputs).area
        total += IN_FLIGHT * area * source.stack.bands * source.dtype.itemsize
        total += MASK_BYTES * area if source.nodata is not None else 0
        total += area * source.stack.bands * (1 + source.dtype.itemsize) if source.gaps is not None else 0
    return total


@dataclass(frozen=True)
class TileCosts:
    """The costs of tiles of one output.

    Attributes:
        sources: that are read.
        geometry: of the whole output.
        box: the part of it that is written.
        bands: that the model returns, or that are made of them if these are more.
        computed_type: NumPy's or TensorFlow's name of the type of its values.
        written_type: of what they become.
        shares: whether outputs beside each other are computed together, so that less is computed in large tiles.
    """

    sources: Sequence[OpenSource]
    geometry: ServingGeometry
    box: Box
    bands: int
    computed_type: str
    written_type: np.dtype
    shares: bool = True

    def bytes_held(self, outputs: Box) -> float:
        """Return the bytes of the tiles in the pipeline, each of these outputs."""
        values = outputs.area * self.bands
        model = np.dtype("float32" if self.computed_type == "bfloat16" else self.computed_type)
        converted = CONVERT_BYTES if model != self.written_type else 0
        return bytes_read(self.sources, self.geometry, outputs) + values * (IN_FLIGHT * model.itemsize + converted)

    def bytes_moved(self, outputs: Box) -> float:
        """Return the bytes of the pixels that are read and of the values that are written for these outputs."""
        pixels = (
            self.geometry.region(k, outputs).area * s.stack.bands * s.stack.dtype.itemsize
            for k, s in enumerate(self.sources)
        )
        return sum(pixels) + outputs.area * self.bands * self.written_type.itemsize

    def computed(self, box: Box) -> Box:
        """Return the outputs that are computed to have those in `box`."""
        return computed_with(self.geometry, box)

    def pixels(self, box: Box) -> Box:
        """Return the pixels of the first source from which the outputs in `box` are computed."""
        return self.geometry.region(0, self.computed(box))

    @property
    def stored_by_lines(self) -> bool:
        """Whether a source is stored in whole lines of pixels, all of which are read for any part of them."""
        return any(s.stack.block_size[0] >= s.stack.grid.width > tiling.BLOCK for s in self.sources)
