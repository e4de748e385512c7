"""A regular grid of patches over an image, and which of them are whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..geometry.grid import Box, Grid
from ..phrases import Phrase

_PIXELS = 8_000_000  # pixels looked at together


@dataclass(frozen=True)
class PatchGrid:
    """Patches of `size` x `size` pixels, one every `step` pixels from the offset on.

    Attributes:
        image: the image's grid.
        size: width and height of a patch in pixels.
        step: distance from one patch to the next.
        offset_x, offset_y: first column and row of the first patch.
    """

    image: Grid
    size: int
    step: int
    offset_x: int = 0
    offset_y: int = 0

    def __post_init__(self) -> None:
        for axis, offset, most in (("x", self.offset_x, self.image.width), ("y", self.offset_y, self.image.height)):
            if offset + self.size > most:
                shifted = (
                    Phrase(" and {axis} {offset}", axis=field(f"grid_offset{axis}"), offset=offset) if offset else ""
                )
                raise ParameterError(
                    "{grid_psize} is {size}{shifted}, but the image has only {width} x {height} pixels: choose a "
                    "smaller patch.",
                    grid_psize=field("grid_psize"),
                    size=self.size,
                    shifted=shifted,
                    width=self.image.width,
                    height=self.image.height,
                )

    @property
    def columns(self) -> int:
        """Number of patches in a row."""
        return (self.image.width - self.offset_x - self.size) // self.step + 1

    @property
    def rows(self) -> int:
        """Number of rows of patches."""
        return (self.image.height - self.offset_y - self.size) // self.step + 1

    def reach(self, gap: int = 0) -> int:
        """Return how many steps away a patch can be and still lie less than `gap` pixels from this one, or overlap."""
        return -(-(self.size + gap) // self.step) - 1

    def points(self, row: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the map coordinates of patches: the centre of the pixel around which PatchesExtraction cuts them."""
        grid, middle = self.image, self.size // 2
        x = grid.x.origin + (self.offset_x + column * self.step + middle + 0.5) * grid.x.spacing
        y = grid.y.origin + (self.offset_y + row * self.step + middle + 0.5) * grid.y.spacing
        return x, -y

    def strips(self) -> Iterator[tuple[slice, Box]]:
        """Yield rows of patches, some at a time, and the pixels that they cover."""
        width = (self.columns - 1) * self.step + self.size
        rows = max(1, (_PIXELS // width - self.size) // self.step + 1)
        for start in range(0, self.rows, rows):
            end = min(start + rows, self.rows)
            height = (end - start - 1) * self.step + self.size
            yield slice(start, end), Box(self.offset_x, self.offset_y + start * self.step, width, height)

    def counts(self, pixels: np.ndarray) -> np.ndarray:
        """Return how many pixels are True in each patch of a strip.

        Args:
            pixels: bool, shape (height, width) of the strip's box.

        Returns:
            int64, shape (rows of patches in the strip, columns).
        """
        sums = np.zeros((pixels.shape[0] + 1, pixels.shape[1] + 1), "int64")
        np.cumsum(pixels, axis=0, out=sums[1:, 1:])
        np.cumsum(sums[1:, 1:], axis=1, out=sums[1:, 1:])
        top = np.arange(0, pixels.shape[0] - self.size + 1, self.step)[:, None]
        left = np.arange(0, pixels.shape[1] - self.size + 1, self.step)[None, :]
        bottom, right = top + self.size, left + self.size
        return np.asarray(sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left])


def whole_patches(
    patches: PatchGrid, valid: Callable[[Box], np.ndarray], progress: Progress, without: int = 0
) -> np.ndarray:
    """Return which patches are valid in every pixel but some, bool, shape (rows, columns).

    Args:
        patches: the grid.
        valid: gives the valid pixels of a box, bool, shape (height, width).
        progress: told how far it is; may cancel.
        without: so many pixels of a patch may be invalid.
    """
    whole = np.zeros((patches.rows, patches.columns), bool)
    for rows, box in patches.strips():
        progress.check()
        pixels = valid(box)
        whole[rows] = True if pixels.all() else patches.counts(pixels) >= patches.size**2 - without
        progress.fraction(0.5 * rows.stop / patches.rows)
    return whole
