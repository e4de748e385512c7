"""Right angles for outlines of buildings.

The walls follow the main direction of the outline: the mean of the directions of its edges, by their lengths, as angles
modulo 90 degrees ("statistical weighting" of walls in C. Duchêne et al., "Quantitative and qualitative description of
building orientation", ICA workshop on generalisation, 2003). Edges that follow each other on one axis become one wall, in
the mean of their places; walls shorter than the tolerance join their neighbours.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .douglaspeucker import squared_distances

_MOST = 200
"""Vertices of an outline, simplified; more are no building."""


class _Wall(NamedTuple):
    """A straight line along x (level) or y.

    Attributes:
        level: whether it runs along x.
        length: of the edges in it.
        place: its y, or its x.
    """

    level: bool
    length: float
    place: float


def squared(outline: np.ndarray, border: np.ndarray, tolerance: float) -> np.ndarray | None:
    """Return the corners of an outline with right angles; None where none is near it.

    Args:
        outline: its vertices in map coordinates, float64 of shape (n, 2), the first one repeated at the end.
        border: likewise, the border of the pixels that it was simplified from.
        tolerance: the largest distance of a vertex of the outline from the new one, and the largest mean of that and of the
            distance of a corner of the new one from the border: the corners of a square around a disc are far out. Also
            the length of the shortest wall.

    Returns:
        As `outline`, in the same direction.
    """
    if not 5 <= len(outline) <= _MOST:
        return None
    steps = np.diff(outline, axis=0)
    along = steps[:, 0] + 1j * steps[:, 1]
    angle = np.angle((np.abs(along) * np.exp(4j * np.angle(along))).sum()) / 4
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    walls = _walls((outline - outline[0]) @ turn.T, tolerance)
    if not walls:
        return None
    corners = np.array([_corner(walls[number - 1], wall) for number, wall in enumerate(walls)])
    ring = np.concatenate((corners, corners[:1])) @ turn + outline[0]
    inside = _largest_distance(outline, ring)
    if inside > tolerance:
        return None
    outside = max(_largest_distance(corner[None], border) for corner in ring[1:])  # one by one: a border may be long
    return ring if inside + outside <= 2 * tolerance else None


def _walls(outline: np.ndarray, tolerance: float) -> list[_Wall]:
    """Return the walls along x and along y in turn; none if they are too few."""
    walls: list[_Wall] = []
    for start, end in zip(outline[:-1].tolist(), outline[1:].tolist()):
        steps = end[0] - start[0], end[1] - start[1]
        level = abs(steps[0]) >= abs(steps[1])
        wall = _Wall(level, math.hypot(*steps), (start[level] + end[level]) / 2)
        if walls and walls[-1].level == level:
            walls[-1] = _joined(walls[-1], wall)
        else:
            walls.append(wall)
    if walls[0].level == walls[-1].level:
        walls[0] = _joined(walls.pop(), walls[0])
    while len(walls) >= 4:
        sizes = [abs(walls[number - 2].place - wall.place) for number, wall in enumerate(walls)]  # of the wall between
        shortest = int(np.argmin(sizes))
        if sizes[shortest] >= tolerance:
            return walls
        walls = walls[shortest - 2 :] + walls[: shortest - 2]  # from the wall before it on
        walls = [_joined(walls[0], walls[2]), *walls[3:]]
    return []


def _joined(one: _Wall, other: _Wall) -> _Wall:
    length = one.length + other.length
    return _Wall(one.level, length, (one.length * one.place + other.length * other.place) / length)


def _corner(one: _Wall, other: _Wall) -> tuple[float, float]:
    return (other.place, one.place) if one.level else (one.place, other.place)


def _largest_distance(points: np.ndarray, ring: np.ndarray) -> float:
    """Return the largest distance of points from a ring."""
    starts, ends = (np.tile(each, (len(points), 1)) for each in (ring[:-1], ring[1:]))
    squares = squared_distances(np.repeat(points, len(ring) - 1, axis=0), starts, ends, np.eye(2))
    return math.sqrt(squares.reshape(len(points), -1).min(axis=1).max())
