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
    for low, high in (("y1", "y2"), ("x1", "x2")):
        boxes[low], boxes[high] = boxes[low].round(), boxes[high].round()
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


def row_of(*edges: tuple[float, float], height: float = 20) -> np.ndarray:
    """Return boxes beside each other with these left and right edges, all of one score."""
    boxes = np.zeros(len(edges), BOX)
    boxes["y2"], boxes["score"] = height, 0.5
    boxes["x1"], boxes["x2"] = np.array(edges).T
    return boxes


def test_rounding_decides_neither_the_order_nor_the_overlap() -> None:
    boxes = row_of((0, 20), (6, 26))
    boxes["y1"][0] += 2e-5
    assert suppressed(boxes, 0.5)["x1"].tolist() == [0]
    assert len(suppressed(row_of((0, 10.00001), (10, 20)), 0)) == 2
    assert len(suppressed(row_of((0, 20), (0, 9.9999 + 2e-4), (0, 10)), 0.5)) == 2  # a half, but for rounding


def test_an_object_of_two_tiles_is_one_whatever_overlap_is_allowed() -> None:
    boxes = row_of((0, 20), (0.5, 20.5), (3, 23), (3.5, 23.5))  # two objects, which overlap by 0.74, of two tiles each
    assert len(suppressed(boxes, 1)) == 4
    boxes["tile"] = 0, 1, 0, 1
    assert suppressed(boxes, 1)["x1"].tolist() == [0, 3]
    assert suppressed(boxes, 0.8)["x1"].tolist() == [0, 3]
    boxes["class"] = 0, 1, 0, 1
    assert len(suppressed(boxes, 1)) == 4


def test_a_box_much_larger_than_the_others_is_found_at_once() -> None:
    boxes = row_of((0, 1), (5e6, 6e6), (5.5e6, 7e6), height=1)
    boxes["y2"][1:] = 1e6
    assert suppressed(boxes, 0)["x1"].tolist() == [0, 5e6]
