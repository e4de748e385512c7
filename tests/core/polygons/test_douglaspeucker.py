"""Which vertices of arcs are kept: as by Douglas and Peucker's algorithm, written plainly."""

from __future__ import annotations

import numpy as np
import pytest

from otbtf_qgis.core.polygons import douglaspeucker
from otbtf_qgis.core.polygons.douglaspeucker import kept_vertices

LINEAR = np.array([[3.0, 0.5], [-0.25, 2.0]])


def plain(points: np.ndarray, first: int, last: int, tolerance: float, kept: set[int]) -> None:
    """One arc, in map coordinates, piece by piece."""
    kept |= {first, last}
    a, b = points[first], points[last]
    distances = []
    for place in range(first + 1, last):
        share = np.clip((points[place] - a) @ (b - a) / max((b - a) @ (b - a), 1e-300), 0, 1)
        distances.append(np.hypot(*(points[place] - a - share * (b - a))))
    if distances and (max(distances) > tolerance or (a == b).all()):
        middle = first + 1 + int(np.argmax(np.round(distances, 9)))
        plain(points, first, middle, tolerance, kept)
        plain(points, middle, last, tolerance, kept)


@pytest.mark.parametrize("part", [3, 1000])
def test_as_the_algorithm_written_plainly(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(douglaspeucker, "_PART", part)
    monkeypatch.setattr(douglaspeucker, "_AT_ONCE", 2 * part)
    random = np.random.default_rng(2)
    arcs = [np.cumsum(random.integers(-3, 4, (size, 2)), axis=0) for size in (2, 40, 3, 75, 2, 60)]
    arcs[3] = np.concatenate((arcs[3], arcs[3][:1]))  # closed
    points = np.concatenate(arcs)
    firsts = np.cumsum([0, *map(len, arcs)])[:-1]
    expected: set[int] = set()
    for first, arc in zip(firsts.tolist(), arcs):
        own: set[int] = set()
        plain(arc @ LINEAR.T, 0, len(arc) - 1, 9.0, own)
        expected |= {first + place for place in own}
    kept = kept_vertices(points, firsts, np.zeros(len(points), bool), LINEAR, 9.0)
    assert set(np.flatnonzero(kept).tolist()) == expected
    assert len(expected) < len(points) * 0.8
