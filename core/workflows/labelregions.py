"""Connected regions of a raster of labels: what a parcel is where there are no polygons."""

from __future__ import annotations

import numpy as np

from ..base.progress import Progress
from ..geometry.grid import Box
from ..samples.labelraster import LabelRaster

_TOUCHING = np.ones((3, 3), bool)  # pixels that share a corner belong together


def region_numbers(raster: LabelRaster, places: np.ndarray, progress: Progress) -> np.ndarray:
    """Return the number of the region of equal labels that holds each pixel, int64, shape (n,).

    Args:
        raster: the labels.
        places: column and row of pixels with a label, int64, shape (n, 2).
        progress: may cancel.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    numbers = np.zeros(len(places), "int64")
    links: list[np.ndarray] = []
    count, above, labels_above = 0, np.empty(0, "int64"), np.empty(0, "int64")
    for box in raster.boxes():
        progress.check()
        labels, known = _labels(raster, box)
        regions, found = _regions(labels, known)
        regions[known] += count
        count += found
        if len(above):
            links.append(_touching(above, labels_above, np.where(known[0], regions[0], -1), labels[0]))
        above, labels_above = np.where(known[-1], regions[-1], -1), labels[-1]
        here = (places[:, 1] >= box.y) & (places[:, 1] < box.bottom)
        numbers[here] = regions[places[here, 1] - box.y, places[here, 0] - box.x]
    pairs = np.concatenate([*links, np.empty((0, 2), "int64")])
    graph = coo_matrix((np.ones(len(pairs), bool), tuple(pairs.T)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1][numbers], "int64")


def _labels(raster: LabelRaster, box: Box) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels of a box, int64, and where there are some, bool; both of shape (height, width)."""
    where, found = raster.read(box)
    labels, known = np.zeros(box.area, "int64"), np.zeros(box.area, bool)
    labels[where], known[where] = found, True
    return labels.reshape(box.height, box.width), known.reshape(box.height, box.width)


def _regions(labels: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the number of each pixel's region, from 0, and how many there are."""
    from scipy.ndimage import label

    regions, count = np.zeros(labels.shape, "int64"), 0
    for value in np.unique(labels[known]):
        of_class = known & (labels == value)
        numbered, found = label(of_class, _TOUCHING)
        regions[of_class] = numbered[of_class] - 1 + count
        count += found
    return regions, count


def _touching(above: np.ndarray, labels_above: np.ndarray, below: np.ndarray, labels_below: np.ndarray) -> np.ndarray:
    """Return which regions of two rows touch with the same label, shape (k, 2); -1 stands for no region."""
    width, pairs = len(above), []
    for shift in (-1, 0, 1):
        here = slice(max(0, shift), width + min(0, shift))
        there = slice(max(0, -shift), width + min(0, -shift))
        same = (above[here] >= 0) & (below[there] >= 0) & (labels_above[here] == labels_below[there])
        pairs.append(np.stack([above[here][same], below[there][same]], axis=1))
    return np.unique(np.concatenate(pairs), axis=0)
