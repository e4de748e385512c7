"""Suppression: against the same rule without an index."""

from __future__ import annotations

import numpy as np
import pytest
from osgeo import ogr

from otbtf_qgis.core.objects.boxes import BOX, corners
from otbtf_qgis.core.objects.suppression import in_order, suppressed


def random_boxes(count: int, seed: int = 0, turned: bool = False) -> np.ndarray:
    random, boxes = np.random.default_rng(seed), np.zeros(count, BOX)
    sides, corner = 2 ** random.uniform(1, 7, (count, 2)), random.uniform(0, 300, (count, 2))
    boxes["y1"], boxes["x1"], boxes["y2"], boxes["x2"] = *corner.T, *(corner + sides).T
    boxes["score"], boxes["class"] = random.uniform(0.5, 1, count).round(1), random.integers(0, 2, count)
    boxes["angle"] = random.uniform(-1.5, 1.5, count) if turned else 0
    return boxes


def polygon(points: np.ndarray) -> ogr.Geometry:
    ring = ogr.Geometry(ogr.wkbLinearRing)
    for x, y in [*points.tolist(), points[0].tolist()]:
        ring.AddPoint_2D(x, y)
    found = ogr.Geometry(ogr.wkbPolygon)
    found.AddGeometry(ring)
    return found


def one_by_one(boxes: np.ndarray, iou: float) -> np.ndarray:
    boxes = boxes[in_order(boxes)]
    shapes, kept = [polygon(points) for points in corners(boxes)], []
    for number, shape in enumerate(shapes):
        for other in kept:
            if boxes["class"][other] == boxes["class"][number] and shape.Intersects(shapes[other]):
                common = shape.Intersection(shapes[other]).GetArea()
                if common / (shape.GetArea() + shapes[other].GetArea() - common) > iou:
                    break
        else:
            kept.append(number)
    return boxes[kept]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("iou", [0, 0.2, 0.5, 0.8])
def test_suppression_is_greedy(iou: float, turned: bool) -> None:
    boxes = random_boxes(300, turned=turned)
    np.testing.assert_array_equal(suppressed(boxes, iou), one_by_one(boxes, iou))


def test_equal_scores_go_by_y_then_x() -> None:
    boxes = random_boxes(50)
    boxes["score"] = 0.5
    order = in_order(boxes)
    rows, columns = boxes["y1"] + boxes["y2"], boxes["x1"] + boxes["x2"]
    assert order.tolist() == sorted(range(50), key=lambda number: (rows[number], columns[number]))
    shuffled = boxes[np.random.default_rng(1).permutation(50)]
    np.testing.assert_array_equal(suppressed(shuffled, 0.5), suppressed(boxes, 0.5))


def test_what_is_left_of_a_cut_object_is_not_kept_beside_the_whole_one() -> None:
    boxes = np.zeros(2, BOX)
    boxes["y1"], boxes["y2"], boxes["x2"], boxes["score"] = 0, 20, [100, 30], [0.9, 0.8]
    assert len(suppressed(boxes, 0.5)) == 2
    boxes["cut"][1] = True
    assert suppressed(boxes, 0.5)["x2"].tolist() == [100]
