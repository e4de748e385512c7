"""Serving patch by patch: cutting the patch of each output pixel, and computing them in batches."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from ..geometry import tiling
from ..geometry.grid import Box
from ..machine.memory import MB, peak_growth
from ..probing.appliedgeometry import ServingGeometry
from ..probing.compute import Compute, whole
from ..rasters.buffers import aligned_empty

TRIAL_BATCH = 32
"""Patches of the first batch, by which the memory of one is measured."""

TRIED = 96
"""Side in outputs of a part of the image that is enough for trial batches."""

LARGEST_BATCH = 8192
"""Most patches of a batch: more are not faster."""

BATCH_BYTES = 64 * MB
"""Most bytes of a batch's patches themselves."""

BATCH_SHARE = 0.25
"""Share of the memory for computing one batch."""


class Patchwise:
    """The outputs of patches, computed in batches of patches.

    Attributes:
        geometry: the geometry.
        batch: how many patches are cut and computed at a time.
    """

    def __init__(self, geometry: ServingGeometry, compute: Compute, batch: int = TRIAL_BATCH) -> None:
        self.geometry, self._compute, self.batch = geometry, compute, batch

    def __call__(self, box: Box, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return the values of the outputs in `box`, of shape (box.height, box.width, bands).

        Args:
            box: outputs.
            images: of each source, the pixels of `geometry.region(number, box)`.
        """
        return self.at(range(box.x, box.right), range(box.y, box.bottom), box, images)

    def at(self, columns: Sequence[int], rows: Sequence[int], box: Box, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return the values of the outputs where some columns and rows of `box` cross."""
        starts = [self.starts(number, columns, rows, box) for number in range(len(images))]
        width = min(len(columns), self.batch)
        values: np.ndarray | None = None
        for part in tiling.tiles(len(columns), len(rows), width, max(1, self.batch // width)):
            down, across = whole(part)
            batch = [
                cut_patches(image, x[across], y[down], *self.geometry.fields.rfield(number))
                for number, (image, (x, y)) in enumerate(zip(images, starts))
            ]
            found = self._compute.patches([patches.reshape(-1, *patches.shape[2:]) for patches in batch])
            if values is None:
                values = np.empty((len(rows), len(columns), found.shape[-1]), found.dtype)
            values[down, across] = found.reshape(part.height, part.width, -1)
        assert values is not None  # nosec B101 (tells mypy)
        return values

    def starts(self, source: int, columns: Sequence[int], rows: Sequence[int], box: Box) -> tuple[list[int], list[int]]:
        """Return the first pixels of a source's patches, along x and y, counted from those of the box's first output."""
        x, y = self.geometry.x, self.geometry.y
        left, top = x.patch_start(source, box.x), y.patch_start(source, box.y)
        return [x.patch_start(source, i) - left for i in columns], [y.patch_start(source, i) - top for i in rows]


def fitting_batch(
    geometry: ServingGeometry, compute: Compute, memory: float, box: Box, images: Sequence[np.ndarray]
) -> int:
    """Return the batch size that the memory allows, measured on batches of growing size.

    Args:
        geometry: of patches.
        compute: calls the model.
        memory: bytes for images and computation.
        box: outputs to try.
        images: of each source, the pixels of `geometry.region(number, box)`.
    """
    patch = 0
    for number, image in enumerate(images):
        width, height = geometry.fields.rfield(number)
        patch += width * height * image.shape[2] * image.dtype.itemsize
    largest = max(1, min(LARGEST_BATCH, BATCH_BYTES // patch))
    batch = min(TRIAL_BATCH, 1 << largest.bit_length() - 1)
    while True:
        width = min(batch, box.width)
        columns, rows = range(box.x, box.x + width), range(box.y, box.y + min(batch // width, box.height))
        growth = peak_growth(partial(Patchwise(geometry, compute, batch).at, columns, rows, box, images))
        affordable = int(BATCH_SHARE * memory / max(growth / (width * len(rows)), patch))
        possible = max(1, min(largest, affordable, 8 * batch))
        before, batch = batch, 1 << possible.bit_length() - 1  # a power of two: often the same
        if batch <= before or len(rows) == box.height:
            return batch


def cut_patches(
    image: np.ndarray, starts_x: Sequence[int], starts_y: Sequence[int], width: int, height: int
) -> np.ndarray:
    """Return the patches of `image` that start at each pair of columns and rows, copied once: so that TensorFlow can use them.

    Args:
        image: pixels of shape (rows, columns, bands).
        starts_x, starts_y: first column and row of the patches, counted in `image`, in ascending order.
        width, height: of a patch.

    Returns:
        An array of shape (len(starts_y), len(starts_x), height, width, bands).
    """
    windows = np.lib.stride_tricks.sliding_window_view(image, (height, width), axis=(0, 1))  # type: ignore[call-overload]
    windows = np.moveaxis(windows, 2, -1)
    patches = aligned_empty((len(starts_y), len(starts_x), *windows.shape[2:]), image.dtype)
    across = even_parts(starts_x)
    for down, rows in even_parts(starts_y):
        for along, columns in across:
            patches[down, along] = windows[rows, columns]
    return patches


def even_parts(starts: Sequence[int]) -> list[tuple[slice, slice]]:
    """Take ascending numbers apart into the fewest interleaved parts that are evenly spaced.

    Patches of a source with larger pixels than the output start at 0, 0, 1, 1, 2, 2, ...: that is 0, 1, 2 twice.

    Returns:
        For each part, where its numbers are in `starts`, and the numbers themselves; the latter as a slice of one
        where all are the same.
    """
    numbers = np.asarray(starts)
    period = next(p for p in range(1, len(numbers) + 1) if np.unique(numbers[p:] - numbers[:-p]).size <= 1)
    step = int(numbers[period] - numbers[0]) if period < len(numbers) else 1
    parts = []
    for first in range(period):
        end = int(numbers[first::period][-1]) if step else int(numbers[first])
        parts.append((slice(first, None, period), slice(int(numbers[first]), end + 1, step or 1)))
    return parts
