"""The values of an image under points."""

from __future__ import annotations

import numpy as np

from ..base.progress import Progress
from ..geometry.grid import Box
from ..rasters.rasterstack import Stack
from .footprint import pixel_of

_SIDE = 512  # pixels, width and height of what is read together, where the image's blocks are no larger


def values_under(
    image: Stack, x: np.ndarray, y: np.ndarray, memory: int, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """Return the image's values under points in its coordinate system.

    Args:
        image: the image.
        x, y: coordinates, shape (n,); infinite ones are outside.
        memory: budget in MB for what is read together.
        progress: may ask to stop.

    Returns:
        Values, shape (n, bands), and whether each point lies in the image, shape (n,); values of those outside are 0.

    Raises:
        RasterError: a part cannot be read.
        Cancelled: `progress` asked to stop.
    """
    grid = image.grid
    places = np.stack([(x - grid.x.origin) / grid.x.spacing, (-y - grid.y.origin) / grid.y.spacing], axis=1)
    inside = np.isfinite(places).all(axis=1)
    column, row = pixel_of(np.where(inside[:, None], places, -1.0))
    inside &= (column >= 0) & (column < grid.width) & (row >= 0) & (row < grid.height)
    values = np.zeros((len(x), image.bands))
    here = np.flatnonzero(inside)
    width, height = _tile(image, memory)
    tile = (row[here] // height) * (grid.width // width + 1) + column[here] // width
    order = np.argsort(tile, kind="stable")
    changes = np.flatnonzero(np.diff(tile[order])) + 1
    for group in np.split(here[order], changes):
        if not len(group):
            continue
        progress.check()
        columns, rows = column[group], row[group]
        left, top = int(columns.min()), int(rows.min())
        box = Box(left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top)
        values[group] = image.read(box)[rows - top, columns - left]
    return values, inside


def _tile(image: Stack, memory: int) -> tuple[int, int]:
    """Return width and height of what is read together: whole blocks of the image, where the budget allows more."""
    most = memory * 1_000_000 // (2 * image.bands * image.dtype.itemsize)
    block_width, block_height = image.block_size
    width = block_width * max(1, _SIDE // block_width)
    height = block_height * max(1, min(_SIDE, most // width) // block_height)
    return width, height
