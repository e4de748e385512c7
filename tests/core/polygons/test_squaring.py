"""Right angles for outlines."""

from __future__ import annotations

import numpy as np
import pytest

from otbtf_qgis.core.polygons.squaring import squared

CORNERS = np.array([(0, 0), (20, 0), (20, 8), (12, 8), (12, 15), (0, 15)], "float64")


def closed(corners: np.ndarray) -> np.ndarray:
    return np.concatenate((corners, corners[:1]))


def turned(corners: np.ndarray, angle: float) -> np.ndarray:
    return corners @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


@pytest.mark.parametrize("angle", [0.0, 0.3, 1.2, 2.5])
@pytest.mark.parametrize("first", [0, 3])
@pytest.mark.parametrize("way", [1, -1])
def test_an_outline_that_is_nearly_right(angle: float, first: int, way: int) -> None:
    moved = CORNERS + np.random.default_rng(0).normal(0, 0.3, CORNERS.shape)
    outline = closed(np.roll(turned(moved, angle), first, axis=0))[::way] + 500
    ring = squared(outline, outline, 1.5)
    assert ring is not None and len(ring) == 7 and (ring[0] == ring[-1]).all()
    steps = np.diff(ring, axis=0)
    assert np.abs((steps * np.roll(steps, 1, axis=0)).sum(axis=1)).max() < 1e-9
    signed = (ring[:-1, 0] @ ring[1:, 1] - ring[1:, 0] @ ring[:-1, 1]) / 2
    assert signed == pytest.approx(way * 244, rel=0.05)
    distances = np.hypot(*(turned(CORNERS, angle)[:, None] + 500 - ring).transpose(2, 0, 1)).min(axis=1)
    assert distances.max() < 1


def test_a_short_wall_joins_its_neighbours() -> None:
    corners = np.array([(0, 0), (10, 0), (10, 1), (20, 1), (20, 10), (0, 10)], "float64")
    ring = squared(closed(corners), closed(corners), 1.5)
    assert ring is not None
    assert {tuple(corner) for corner in np.round(ring, 6).tolist()} == {(0, 0.5), (20, 0.5), (20, 10), (0, 10)}


def test_what_is_not_near_right_angles_has_none() -> None:
    for corners in (20 * disc(16), np.array([(0, 0), (9, 0), (0, 9)], "float64")):
        assert squared(closed(corners), closed(corners), 1.0) is None
    small = closed(np.array([(0, 0), (1, 0), (1, 1), (0, 1)], "float64"))
    assert squared(small, small, 1.5) is None


def disc(sides: int) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    return np.stack((np.cos(angles), np.sin(angles)), axis=1)


def test_a_round_tank_becomes_no_square() -> None:
    """An octagon within the tolerance of a square, as what is left of a house, and of a disc, whose corners are far out."""
    outline = closed(np.array([(9, -5), (9, 5), (5, 9), (-5, 9), (-9, 5), (-9, -5), (-5, -9), (5, -9)], "float64"))
    square = squared(outline, closed(9 * np.sqrt(2) * turned(disc(4), np.pi / 4)), 1.0)
    assert square is not None and len(square) == 5
    assert squared(outline, closed(np.hypot(9, 5) * disc(64)), 1.0) is None
