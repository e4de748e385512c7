"""From the maps of a detector that finds objects as points to boxes (see `core.parameters.detectionmaps`)."""

from __future__ import annotations

import numpy as np

from ..parameters.detectionmaps import GEOMETRY


def peaks(heat: np.ndarray) -> np.ndarray:
    """Return where heat maps have a value that none of the eight neighbours exceeds, which CenterNet takes for suppression.

    Args:
        heat: shape (rows, columns, classes).
    """
    rows, columns = heat.shape[:2]
    around = np.pad(heat, ((1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    down = np.maximum(np.maximum(around[:-2], around[1:-1]), around[2:])
    largest = np.maximum(np.maximum(down[:, :columns], down[:, 1:-1]), down[:, 2:])
    found: np.ndarray = heat >= largest[:rows]
    return found


def centred_boxes(maps: np.ndarray, height: int, width: int, score: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the boxes that the peaks of heat maps stand for.

    Args:
        maps: of a tile, shape (rows, columns, classes + 4).
        height, width: of the tile in pixels, from which the size of a cell follows.
        score: heat from which on a peak counts.

    Returns:
        Centre and size (x, y, width, height) in pixels, shape (n, 4); scores and numbers of the heat maps, shape (n,).
    """
    heat = maps[..., : -len(GEOMETRY)]
    rows, columns, classes = np.nonzero(peaks(heat) & (heat >= score))
    tall, wide, down, right = np.moveaxis(maps[rows, columns, -len(GEOMETRY) :].astype("float64"), -1, 0)
    y, x = (rows + 0.5 + down) * (height / maps.shape[0]), (columns + 0.5 + right) * (width / maps.shape[1])
    return np.stack((x, y, wide, tall), axis=1), heat[rows, columns, classes], classes
