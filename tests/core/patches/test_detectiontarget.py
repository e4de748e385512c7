"""Detection targets: heat maps, sizes and offsets against a loop over cells and objects."""

from __future__ import annotations

import numpy as np
import pytest

from otbtf_qgis.core.patches.detectiontarget import OVERLAP, TargetMaps, TargetObjects, heat_radius

BOXES = np.array([(2, 3, 26, 29), (10.5, 18, 40, 61), (30, 2, 37, 8.5), (-6, 40, 8, 52), (44, 60, 58, 70)], "float64")
"""y1, x1, y2, x2; two overlap, and the last two have their centres near the edge of an image of 48 x 64, one outside."""
CLASSES = np.array([0, 0, 1, 1, 0])


def intersection_over_union(one: tuple[float, ...], two: tuple[float, ...]) -> float:
    sides = [max(0.0, min(one[i + 2], two[i + 2]) - max(one[i], two[i])) for i in (0, 1)]
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, two)]
    return sides[0] * sides[1] / (sum(areas) - sides[0] * sides[1])


@pytest.mark.parametrize(("height", "width"), [(10.0, 10.0), (3.0, 40.0), (7.5, 2.5), (100.0, 60.0)])
def test_corners_off_by_the_radius_keep_the_overlap(height: float, width: float) -> None:
    radius = float(heat_radius(np.array([height]), np.array([width]))[0])
    right = (0.0, 0.0, height, width)
    moved = [
        (radius, radius, height + radius, width + radius),
        (radius, radius, height - radius, width - radius),
        (-radius, -radius, height + radius, width + radius),
    ]
    overlaps = [intersection_over_union(right, box) for box in moved]
    assert min(overlaps) == pytest.approx(OVERLAP)


def expected(row: int, column: int, height: int, width: int, stride: int) -> np.ndarray:
    """Make the maps cell by cell."""
    maps = np.zeros((height // stride, width // stride, 2 + 5))
    largest_first = sorted(
        zip(BOXES.tolist(), CLASSES), key=lambda pair: -(pair[0][2] - pair[0][0]) * (pair[0][3] - pair[0][1])
    )
    for (y1, x1, y2, x2), class_ in largest_first:
        tall, wide = (y2 - y1) / stride, (x2 - x1) / stride
        radius = int(heat_radius(np.array([tall]), np.array([wide]))[0])
        y, x = ((y1 + y2) / 2 - row) / stride, ((x1 + x2) / 2 - column) / stride
        for i in range(maps.shape[0]):
            for j in range(maps.shape[1]):
                down, right = i - int(np.floor(y)), j - int(np.floor(x))
                if max(abs(down), abs(right)) <= radius:
                    heat = np.exp(-(down**2 + right**2) / (2 * ((2 * radius + 1) / 6) ** 2))
                    maps[i, j, class_] = max(maps[i, j, class_], heat)
                if down == right == 0:
                    maps[i, j, 2:] = y2 - y1, x2 - x1, y - i - 0.5, x - j - 0.5, 1
    return maps


@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_maps_are_those_of_a_loop_wherever_the_patch_lies(stride: int) -> None:
    drawn = TargetMaps(TargetObjects.of(BOXES, CLASSES), 2, stride)
    for row, column, height, width in ((0, 0, 48, 64), (16, 24, 32, 40), (3, 5, 16, 48), (200, 200, 16, 16)):
        maps = drawn.draw(row, column, height, width)
        assert maps.dtype == "float32"
        np.testing.assert_allclose(maps, expected(row, column, height, width, stride), atol=1e-6)


def test_the_smaller_of_two_objects_in_a_cell_is_learned_and_the_other_counted() -> None:
    boxes = np.array([(4, 4, 8, 8), (0, 0, 14, 14), (20, 20, 24, 24)], "float64")
    drawn = TargetMaps(TargetObjects.of(boxes, np.zeros(3, int)), 1, 8)
    maps = drawn.draw(0, 0, 32, 32)
    assert maps[0, 0, 1:].tolist() == [4, 4, 0.25, 0.25, 1]
    assert drawn.hidden == 1
    assert maps[..., -1].sum() == 2
