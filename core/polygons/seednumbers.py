"""Numbers of seeds, in the order of their first pixels, from strips of a map of any height."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..geometry.grid import Box
from .components import NO_CLASS, components_of, joined


class SeedNumbers:
    """Numbers connected pixels from 1 on, row by row; they do not depend on the strips.

    Attributes:
        count: of the seeds, after `close`.
    """

    def __init__(self, path: Path, width: int, height: int) -> None:
        """Create the file that keeps a number of 4 bytes for each pixel."""
        self._pixels = np.memmap(path, "<i4", "w+", shape=(height, width))
        self._numbers = np.zeros(1, "int32")
        self._pairs: list[np.ndarray] = []
        self._row = 0
        self.count = 0

    def add(self, seeds: np.ndarray) -> None:
        """Add the next strip: which of its pixels are seeds, of shape (rows, columns)."""
        found = components_of(np.where(seeds, 0, NO_CLASS).astype("int32"))
        own = found.codes != NO_CLASS
        numbers = np.where(own, self.count + np.cumsum(own), 0).astype("int32")[found.labels]
        if self._row:
            above = self._pixels[self._row - 1]
            touching = (above > 0) & (numbers[0] > 0)
            self._pairs.append(np.unique(np.stack((above[touching], numbers[0][touching])), axis=1))
        self._pixels[self._row : self._row + len(seeds)] = numbers
        self._row += len(seeds)
        self.count += int(own.sum())

    def close(self) -> None:
        """Join what touches across strips."""
        pairs = np.concatenate(self._pairs, axis=1) if self._pairs else np.empty((2, 0), "int32")
        roots = joined(self.count + 1, pairs[0], pairs[1])
        first = roots == np.arange(len(roots))
        self._numbers = (np.cumsum(first) - 1).astype("int32")[roots]
        self.count = int(first.sum()) - 1

    def read(self, box: Box) -> np.ndarray:
        """Return the numbers of the seeds in a window, int32, 0 elsewhere; after `close`."""
        rows, columns = slice(box.y, box.y + box.height), slice(box.x, box.x + box.width)
        return np.asarray(self._numbers[self._pixels[rows, columns]])
