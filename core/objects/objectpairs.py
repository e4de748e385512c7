"""Pairs of detections and reference objects that touch, and by how much they overlap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..base.progress import Progress
from .matching import Pairs

_BATCH = 500
"""Pairs that are compared between two looks at the user's wish to stop."""

_RECTANGLE = 1e-9
"""Relative difference of the area of a polygon from that of its envelope up to which it is a box."""


def joined(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the envelopes of two lists that meet, sorted by the first, then by the second.

    Args:
        one, other: x1, y1, x2, y2, shape (n, 4).
    """
    if not len(one) or not len(other):
        return np.empty(0, "int64"), np.empty(0, "int64")
    both = np.concatenate((one, other))
    sides = np.maximum(both[:, 2] - both[:, 0], both[:, 3] - both[:, 1])
    cell = max(float(np.percentile(sides, 90)), float(sides.max()) / 100, 1e-12)
    corner = both[:, :2].min(axis=0)
    first, second = (_in_cells(each, corner, cell) for each in (one, other))
    starts, ends = (np.searchsorted(second[0], first[0], side) for side in ("left", "right"))
    counts = ends - starts
    ahead = np.cumsum(counts) - counts
    left = np.repeat(first[1], counts)
    right = second[1][np.arange(int(counts.sum())) - np.repeat(ahead - starts, counts)]
    a, b = one[left], other[right]
    meeting = (np.minimum(a[:, 2:], b[:, 2:]) >= np.maximum(a[:, :2], b[:, :2])).all(axis=1)
    found = np.unique(np.stack((left[meeting], right[meeting]), axis=1), axis=0)
    return found[:, 0], found[:, 1]


def _in_cells(boxes: np.ndarray, corner: np.ndarray, cell: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the keys of all cells that boxes reach into, sorted, and the number of the box of each."""
    low, high = (
        np.floor((boxes[:, part] - corner[[0, 1]]) / cell).astype("int64") for part in (slice(0, 2), slice(2, 4))
    )
    sizes = high - low + 1
    counts = sizes[:, 0] * sizes[:, 1]
    number = np.repeat(np.arange(len(boxes)), counts)
    place = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    columns, rows = low[number, 0] + place % sizes[number, 0], low[number, 1] + place // sizes[number, 0]
    keys = rows * (1 << 32) + columns
    order = np.argsort(keys, kind="stable")
    return keys[order], number[order]


def overlapping(
    detections: Sequence[Any], objects: Sequence[Any], envelopes: np.ndarray, others: np.ndarray, progress: Progress
) -> Pairs:
    """Return the pairs of polygons that overlap, with their intersection divided by their union.

    Args:
        detections, objects: OGR's geometries, valid ones.
        envelopes, others: x1, y1, x2, y2 of each of them.
        progress: told how many pairs are compared.

    Raises:
        Cancelled: `progress` asked to stop.
    """
    left, right = joined(envelopes, others)
    a, b = envelopes[left], others[right]
    common = np.prod(np.clip(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0, None), axis=1)
    areas, sizes = (np.array([shape.GetArea() for shape in shapes]) for shapes in (detections, objects))
    boxes, rectangles = (_are_boxes(*pair) for pair in ((areas, envelopes), (sizes, others)))
    surfaces = (areas[left] > 0) & (sizes[right] > 0)
    common[~surfaces] = 0.0
    for place in _told(np.flatnonzero(surfaces & ~(boxes[left] & rectangles[right])), progress):
        shape = detections[left[place]].Intersection(objects[right[place]])
        common[place] = 0.0 if shape is None else shape.GetArea()
    union = areas[left] + sizes[right] - common
    shares = np.divide(common, union, out=np.zeros(len(union)), where=union > 0)
    kept = shares > 0
    return Pairs(left[kept], right[kept], shares[kept])


def containing(
    detections: Sequence[Any], objects: Sequence[Any], envelopes: np.ndarray, others: np.ndarray, progress: Progress
) -> Pairs:
    """Return the pairs of polygons and points in them; the nearer the point is to the middle, the nearer to 1 their overlap.

    See `overlapping` for the arguments.
    """
    left, right = joined(envelopes, others)
    areas = np.array([shape.GetArea() for shape in detections])
    boxes = _are_boxes(areas, envelopes)
    kept = np.ones(len(left), bool)
    for place in _told(np.flatnonzero(~boxes[left]), progress):
        kept[place] = areas[left[place]] > 0 and detections[left[place]].Intersects(objects[right[place]])
    left, right = left[kept], right[kept]
    middle, sides = (envelopes[:, :2] + envelopes[:, 2:]) / 2, envelopes[:, 2:] - envelopes[:, :2]
    away = np.abs(others[right, :2] - middle[left]) / np.where(sides[left] > 0, sides[left], 1)
    return Pairs(left, right, 1 - np.hypot(away[:, 0], away[:, 1]) / 2)


def _told(places: np.ndarray, progress: Progress) -> Iterator[int]:
    """Yield places, and tell how many are done."""
    for number, place in enumerate(places.tolist()):
        if number % _BATCH == 0:
            progress.check()
            progress.fraction(number / len(places))
        yield place


def _are_boxes(areas: np.ndarray, envelopes: np.ndarray) -> np.ndarray:
    """Return which polygons fill their envelope."""
    full = np.prod(envelopes[:, 2:] - envelopes[:, :2], axis=1)
    found: np.ndarray = np.abs(full - areas) <= _RECTANGLE * full
    return found
