"""Pixels of a tile that the image does not have."""

from __future__ import annotations

import numpy as np

from ..geometry.grid import Box


def known_pixels(box: Box, image: Box, missing: np.ndarray | None) -> np.ndarray:
    """Return which pixels of a tile lie in the image and have data, bool, shape (height, width).

    Args:
        box: of the tile.
        image: all pixels of the image.
        missing: where they are no-data, of the same shape; None for nowhere.
    """
    known = np.zeros((box.height, box.width), bool)
    within = box.intersection(image)
    known[within.y - box.y : within.bottom - box.y, within.x - box.x : within.right - box.x] = True
    return known if missing is None else known & ~missing


def filled(pixels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return pixels whose unknown ones have the median of each band.

    Black or other values of missing data beside the ground have edges and shadows, in which detectors find objects.

    Args:
        pixels: shape (height, width, bands).
        known: which of them to keep; some are.
    """
    if known.all():
        return pixels
    pixels = pixels.copy()
    for band in np.moveaxis(pixels, -1, 0):
        values = band[known]
        values = values[np.isfinite(values)]
        middle = len(values) // 2
        band[~known] = np.partition(values, middle)[middle] if len(values) else 0
    return pixels
