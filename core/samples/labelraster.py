"""Reading a raster of class labels block by block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..base.progress import Progress
from ..errors import ParameterError, RasterError
from ..geometry.grid import Box
from ..phrases import Phrase
from ..rasters.alpha import BAND, open_images

_PIXELS = 4_000_000  # pixels read at a time
_DENSE = 1 << 20  # a range of labels up to this long is looked up in a table


class LabelRaster:
    """A raster whose only band holds whole numbers, seen in blocks of whole rows of its north-up view.

    Attributes:
        source: what was opened.
        stack: the open raster.
        nodata: the value that marks pixels without a label.
        nodata_from_layer: whether the raster's own, its masks and what the user has set in it count.
    """

    def __init__(
        self,
        source: Any,
        nodata: float | None,
        nodata_from_layer: bool,
        name: str = "",
        otherwise: float = -1.0,
        alpha: str = BAND,
        progress: Progress | None = None,
        placed: bool = True,
    ) -> None:
        """Open it.

        Args:
            source: what GDAL opens.
            nodata: value of pixels without a label, or None for the layer's own, else `otherwise`.
            nodata_from_layer: whether the layer's own, its masks and what the user has set in it count.
            name: mention of the parameter, for messages.
            otherwise: NaN where every value is a label.
            alpha: what a second band is that is marked as alpha; see `core.rasters.alpha.decide`.
            progress: is told of that.
            placed: see `Stack`.

        Raises:
            RasterError: it cannot be opened, or it is no raster of labels.
        """
        self.source, self.nodata_from_layer = source, nodata_from_layer
        self.stack = open_images([source], alpha, progress or Progress(), placed=placed)
        raster = self.stack.names[0]
        self._called = Phrase("{name} is {raster}, which", name=name, raster=raster) if name else raster
        if self.stack.bands != 1:
            raise ParameterError(
                "{called} has {bands} bands, but labels are one band: extract one (Raster > Conversion > Rearrange "
                "bands).",
                called=self._called,
                bands=self.stack.bands,
            )
        own = self.stack.held[0].tag if nodata_from_layer else None
        self.nodata = nodata if nodata is not None else own if own is not None else otherwise
        self._missing = self.stack.missing(self.nodata, nodata_from_layer, nan=True)

    def rows_at_a_time(self) -> int:
        """Return how many rows a block has: whole blocks of the file, as far as that fits."""
        width, height = self.stack.grid.width, self.stack.grid.height
        stored = max(1, self.stack.block_size[1])
        rows = max(1, _PIXELS // width)
        return min(height, max(stored, rows // stored * stored) if stored * width <= 8 * _PIXELS else rows)

    def boxes(self, pad: int = 0) -> list[Box]:
        """Return the blocks from north to south, without a border of `pad` pixels at each side of the raster."""
        grid, rows = self.stack.grid, self.rows_at_a_time()
        inner = Box(pad, pad, grid.width - 2 * pad, grid.height - 2 * pad)
        whole = [Box(0, y, grid.width, min(rows, grid.height - y)) for y in range(0, grid.height, rows)]
        cut = [box.intersection(inner) for box in whole]
        return [box for box in cut if box.area > 0]

    def read_values(self, box: Box) -> tuple[np.ndarray, np.ndarray]:
        """Return the known pixels of `box` in scan order: their flat indices in it, and their values, whatever these are.

        Raises:
            RasterError: a pixel cannot be read.
        """
        pixels = self.stack.read(box)
        where = np.flatnonzero(~self._missing.marked(pixels, box))
        return where, pixels.reshape(-1)[where]

    def read(self, box: Box) -> tuple[np.ndarray, np.ndarray]:
        """Return the labelled pixels of `box` in scan order: their flat indices in it, and their labels as int64.

        Raises:
            RasterError: a pixel holds a fraction, or cannot be read.
        """
        where, labels = self.read_values(box)
        if labels.dtype.kind == "f":
            wrong = np.flatnonzero((labels != np.rint(labels)) | (np.abs(labels) >= 2.0**63))
            if len(wrong):
                row, column = divmod(int(where[wrong[0]]), box.width)
                raise RasterError(
                    "{called} has the value {labels:g} in column {x}, row {y}, but labels are whole numbers: round "
                    "the raster first (Raster > Raster Calculator).",
                    called=self._called,
                    labels=labels[wrong[0]],
                    x=box.x + column,
                    y=box.y + row,
                )
        return where, labels

    def blocks(self, pad: int = 0) -> Iterator[tuple[Box, np.ndarray, np.ndarray]]:
        """Yield each box with what `read` returns for it."""
        for box in self.boxes(pad):
            yield (box, *self.read(box))


def count_labels(labels: np.ndarray) -> dict[int, int]:
    """Return how often each label occurs in a flat array of whole numbers."""
    if not len(labels):
        return {}
    low, high = int(labels.min()), int(labels.max())
    if high - low < max(_DENSE, len(labels)):
        counts = np.bincount(labels.astype("int64") - low)
        found = np.flatnonzero(counts)
        return dict(zip((found + low).tolist(), counts[found].tolist()))
    values, counts = np.unique(labels, return_counts=True)
    return dict(zip((int(value) for value in values), counts.tolist()))


def sum_by_label(labels: np.ndarray, values: np.ndarray) -> dict[int, float]:
    """Return the sums of positive values at each label that occurs in a flat array of whole numbers."""
    if not len(labels):
        return {}
    low, high = int(labels.min()), int(labels.max())
    if high - low < max(_DENSE, len(labels)):
        sums = np.bincount(labels.astype("int64") - low, values)
        found = np.flatnonzero(sums)
        return dict(zip((found + low).tolist(), sums[found].tolist()))
    names, at = np.unique(labels, return_inverse=True)
    return dict(zip((int(name) for name in names), np.bincount(at, values).tolist()))


def group_by_label(labels: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort pixels by class, keeping their order inside each.

    Args:
        labels: shape (n,); all of them among `classes`.
        classes: the sorted classes, int64, shape (c,).

    Returns:
        The order, shape (n,), and where each class begins in it, shape (c + 1,).
    """
    low, high = int(classes[0]), int(classes[-1])
    if high - low < _DENSE:
        table = np.zeros(high - low + 1, "uint16" if len(classes) <= 65536 else "uint32")
        table[classes - low] = np.arange(len(classes))
        codes = table[labels.astype("int64") - low]
    else:
        codes = np.searchsorted(classes, labels.astype("int64"))
    order = np.argsort(codes, kind="stable")
    starts = np.zeros(len(classes) + 1, "int64")
    np.cumsum(np.bincount(codes, minlength=len(classes)), out=starts[1:])
    return order, starts
