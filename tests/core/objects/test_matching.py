"""Matching of detections and average precision: by hand, and as pycocotools computes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from osgeo import ogr

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.objects.matching import OVERLAPS, Pairs, average_precision, counted, matched
from otbtf_qgis.core.objects.objectpairs import containing, joined, overlapping


def test_average_precision_by_hand() -> None:
    hit, scores = np.array([True, True, False]), np.array([0.7, 0.9, 0.8])
    # precision 1 up to a recall of 1/3, 2/3 up to 2/3: 34 and 33 of 101 values
    assert average_precision(hit, scores, 3) == pytest.approx((34 + 33 * 2 / 3) / 101)
    assert average_precision(hit[:0], scores[:0], 3) == 0
    assert np.isnan(average_precision(hit, scores, 0))
    counts = counted(hit, scores, 3, 0.75)
    assert (counts.hits, counts.misses, counts.alarms) == (1, 2, 1)
    assert (counts.precision, counts.recall, counts.fscore) == (0.5, pytest.approx(1 / 3), pytest.approx(0.4))


def test_each_object_is_taken_once_by_the_highest_score() -> None:
    pairs = Pairs(np.array([0, 0, 1, 2]), np.array([0, 1, 0, 1]), np.array([0.6, 0.9, 0.8, 0.7]))
    assert matched(pairs, np.array([0.5, 0.9, 0.6]), 2).tolist() == [-1, 0, 1]
    assert matched(pairs.at_least(0.75), np.array([0.5, 0.9, 0.6]), 2).tolist() == [1, 0, -1]


def polygon(x1: float, y1: float, x2: float, y2: float) -> Any:
    return ogr.CreateGeometryFromWkt(f"POLYGON (({x1} {y1}, {x2} {y1}, {x2} {y2}, {x1} {y2}, {x1} {y1}))")


def scene(seed: int, count: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reference boxes, detections near them and elsewhere, and their scores."""
    random = np.random.default_rng(seed)
    sides = 2 ** random.uniform(2, 6, (count, 2))
    corner = random.uniform(0, 900, (count, 2))
    reference = np.concatenate([corner, corner + sides], axis=1).round(3)
    moved = reference[random.random(count) < 0.8] + random.normal(0, 2.5, (1, 4))
    more = reference[random.random(count) < 0.4] + random.normal(0, 5, 4)
    detections = np.concatenate([moved, more]).round(3)
    detections = detections[(detections[:, 2:] - detections[:, :2] > 1).all(axis=1)]
    return reference, detections, random.random(len(detections)).round(2)


def test_pairs_are_those_that_meet() -> None:
    reference, detections, _ = scene(3)
    left, right = joined(detections, reference)
    one, other = detections[:, None], reference[None]
    meets = (np.minimum(one[..., 2:], other[..., 2:]) >= np.maximum(one[..., :2], other[..., :2])).all(axis=2)
    expected = np.argwhere(meets)
    np.testing.assert_array_equal(np.stack((left, right), axis=1), expected)


def test_polygons_overlap_by_their_shapes() -> None:
    box, triangle = polygon(0, 0, 4, 4), ogr.CreateGeometryFromWkt("POLYGON ((0 0, 4 0, 4 4, 0 0))")
    envelopes = np.array([[0.0, 0, 4, 4]])
    assert overlapping([box], [triangle], envelopes, envelopes, Progress()).overlaps.tolist() == [0.5]
    points = [ogr.CreateGeometryFromWkt(f"POINT ({x} {y})") for x, y in ((3, 1), (1, 3), (9, 9))]
    places = np.array([[3.0, 1, 3, 1], [1, 3, 1, 3], [9, 9, 9, 9]])
    assert containing([triangle], points, envelopes, places, Progress()).objects.tolist() == [0]
    assert containing([box], points, envelopes, places, Progress()).objects.tolist() == [0, 1]


def coco(reference: np.ndarray, detections: np.ndarray, scores: np.ndarray) -> Any:
    """Return pycocotools' precision and its number of matches, without a limit for the number of detections."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, found = COCO(), COCO()
    sizes = [np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1) for boxes in (reference, detections)]
    for data, boxes, values in ((truth, sizes[0], None), (found, sizes[1], scores)):
        data.dataset = {
            "images": [{"id": 1}],
            "categories": [{"id": 1}],
            "annotations": [
                {
                    **{
                        "id": number,
                        "image_id": 1,
                        "category_id": 1,
                        "bbox": box,
                        "area": box[2] * box[3],
                        "iscrowd": 0,
                    },
                    **({} if values is None else {"score": values[number - 1]}),
                }
                for number, box in enumerate(boxes.tolist(), 1)
            ],
        }
        data.createIndex()
    evaluation = COCOeval(truth, found, "bbox")
    evaluation.params.maxDets = [len(detections)]
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation.eval["precision"][:, :, 0, 0, 0].mean(axis=1)


@pytest.mark.parametrize("seed", range(3))
def test_average_precision_is_that_of_coco(seed: int) -> None:
    pytest.importorskip("pycocotools")
    reference, detections, scores = scene(seed)
    shapes = [[polygon(*box) for box in boxes] for boxes in (detections, reference)]
    pairs = overlapping(*shapes, detections, reference, Progress())
    own = [
        average_precision(matched(pairs.at_least(overlap), scores, len(reference)) >= 0, scores, len(reference))
        for overlap in OVERLAPS
    ]
    assert 0.05 < np.mean(own) < 0.95
    np.testing.assert_allclose(own, coco(reference, detections, scores), atol=1e-9)
