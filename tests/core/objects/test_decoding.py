"""What detectors return, decoded: against boxes written down by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from otbtf_qgis.core.errors import ModelError
from otbtf_qgis.core.models.detectorhead import DetectorHead
from otbtf_qgis.core.objects.decoding import Decoder
from otbtf_qgis.core.parameters.detectorheads import FORMS

HEIGHT, WIDTH = 40, 80
EXPECTED = np.array([[4.0, 8, 12, 40, 0.9, 1, 0], [20, 60, 30, 70, 0.6, 0, 0]])
"""y1, x1, y2, x2, score, class and angle of two objects in a tile."""

BOXES = {
    "yxyx": [[4, 8, 12, 40], [20, 60, 30, 70], [0, 0, 9, 9]],
    "xyxy": [[8, 4, 40, 12], [60, 20, 70, 30], [0, 0, 9, 9]],
    "xywh": [[8, 4, 32, 8], [60, 20, 10, 10], [0, 0, 9, 9]],
    "cxcywh": [[24, 8, 32, 8], [65, 25, 10, 10], [4.5, 4.5, 9, 9]],
}
"""The same in each order, and a third one of a low score."""

RELATIVE = {"yxyx": [HEIGHT, WIDTH, HEIGHT, WIDTH], "xyxy": [WIDTH, HEIGHT, WIDTH, HEIGHT]}
SCORES, CLASSES = [0.9, 0.6, 0.2], [1, 0, 1]


def decoded(
    form: str, *outputs: Any, order: str = "", scale: str = "", scores: int | None = None, count: str = ""
) -> Any:
    facts = FORMS[form]
    names = ("boxes", "scores", "classes") if facts.lists else ("output0",)
    head = DetectorHead(form, names, count, order or facts.order, scale or facts.scale, scores)
    decoder = Decoder(head, "model", 0.5, 3)
    return decoder([np.asarray(output, "float32") for output in outputs], HEIGHT, WIDTH), decoder


@pytest.mark.parametrize("order", BOXES)
def test_each_order_of_boxes(order: str) -> None:
    found, _ = decoded("keras", [BOXES[order]], [SCORES], [CLASSES], order=order, scale="pixels")
    np.testing.assert_allclose(found, EXPECTED, rtol=1e-6)


@pytest.mark.parametrize("order", RELATIVE)
def test_shares_of_the_tile(order: str) -> None:
    boxes = np.array(BOXES[order]) / RELATIVE[order]
    found, _ = decoded("keras", boxes, SCORES, CLASSES, order=order, scale="relative")  # without the image's dimension
    np.testing.assert_allclose(found, EXPECTED, rtol=1e-6)


def test_lists_may_be_filled_with_minus_one() -> None:
    """As KerasCV and KerasHub fill them."""
    boxes = [*BOXES["xyxy"][:2], [-1, -1, -1, -1]]
    found, _ = decoded("keras", [boxes], [[*SCORES[:2], -1]], [[*CLASSES[:2], -1]], order="xyxy", scale="pixels")
    np.testing.assert_allclose(found, EXPECTED, rtol=1e-6)


def test_object_detection_api_counts_its_objects() -> None:
    boxes = np.array(BOXES["yxyx"]) / RELATIVE["yxyx"]
    found, decoder = decoded("tensorflow", [boxes], [[0.9, 0.6, 0.7]], [CLASSES], [2], count="num_detections")
    np.testing.assert_allclose(found, EXPECTED, rtol=1e-6)  # the third is filling, whatever its score
    assert decoder.full == 0
    _, decoder = decoded("tensorflow", [boxes], [[0.9, 0.6, 0.7]], [CLASSES], [3], count="num_detections")
    assert decoder.full == 1


def test_what_fills_a_list_is_no_object_even_with_the_smallest_score() -> None:
    head = DetectorHead("torchvision", ("boxes", "scores", "labels"), "", "xyxy", "pixels")
    decoder = Decoder(head, "model", 0.0, 3)
    outputs = [*BOXES["xyxy"][:2], [0, 0, 0, 0]], [*SCORES[:2], 0], [*CLASSES[:2], 0]
    found = decoder([np.array(each, "float32") for each in outputs], HEIGHT, WIDTH)
    np.testing.assert_allclose(found, EXPECTED, rtol=1e-6)
    assert decoder.full == 0


def test_a_box_in_the_corner_of_a_tile_does_not_contradict_the_unit_that_others_have_shown() -> None:
    head = DetectorHead("torchvision", ("boxes", "scores", "labels"), "", "xyxy", "pixels")
    decoder, corner = Decoder(head, "model", 0.5), [np.array(each) for each in ([[0, 0, 1.5, 1.5]], [0.9], [1])]
    with pytest.raises(ModelError, match="HEAD_SCALE"):
        decoder(corner, HEIGHT, WIDTH)
    decoder([np.array(each) for each in (BOXES["xyxy"], SCORES, CLASSES)], HEIGHT, WIDTH)
    assert decoder(corner, HEIGHT, WIDTH)[:, :4].tolist() == [[0, 0, 1.5, 1.5]]


def test_a_point_without_a_size_is_no_object() -> None:
    maps = np.zeros((1, 5, 10, 5))
    maps[0, 2, 3] = 0.9, -3, 4, 0, 0
    assert decoded("centernet", maps)[0].shape == (0, 7)


def test_boxes_in_an_image_that_the_model_resized() -> None:
    factor, cut = np.array([2.0, 1.5]), np.array([6.0, 3.0])
    resized = np.array(BOXES["yxyx"]) * np.tile(factor, 2) - np.tile(
        cut, 2
    )  # as the Model Garden does to its references
    info = np.array([[[HEIGHT, WIDTH], [64, 128], factor, cut]])
    head = DetectorHead("tensorflow", ("boxes", "scores", "classes"), "", "yxyx", "pixels", resizing="image_info")
    found = Decoder(head, "model", 0.5)([resized, SCORES, CLASSES, info], HEIGHT, WIDTH)
    np.testing.assert_allclose(found, EXPECTED, rtol=1e-6)
    with pytest.raises(ModelError, match=r"\(3, 2\)"):
        Decoder(head, "model", 0.5)([resized, SCORES, CLASSES, info[0, :3]], HEIGHT, WIDTH)
    shares = np.array(BOXES["yxyx"]) / RELATIVE["yxyx"]  # it computes these back itself
    found = Decoder(replace(head, scale="relative"), "model", 0.5)([shares, SCORES, CLASSES, info], HEIGHT, WIDTH)
    np.testing.assert_allclose(found, EXPECTED, rtol=1e-6)


def test_yolov5_multiplies_objectness_and_class_score() -> None:
    rows = np.concatenate([BOXES["cxcywh"], [[0.9, 0.1, 1.0], [0.8, 0.75, 0.3], [0.9, 0.3, 0.4]]], axis=1)
    found, _ = decoded("yolov5", rows[None], scores=2)
    np.testing.assert_allclose(found, EXPECTED, rtol=1e-6)


def test_yolov8_has_columns_and_more_rows_after_the_scores() -> None:
    columns = np.concatenate([BOXES["cxcywh"], [[0.1, 0.9], [0.6, 0.2], [0.1, 0.2]], np.full((3, 32), 7.0)], axis=1).T
    np.testing.assert_allclose(decoded("yolov8", columns[None], scores=2)[0], EXPECTED, rtol=1e-6)
    np.testing.assert_allclose(decoded("yolov8", columns[None, :6])[0], EXPECTED, rtol=1e-6)


def test_oriented_boxes_have_their_angle_last() -> None:
    columns = np.concatenate([BOXES["cxcywh"], [[0.1, 0.9], [0.6, 0.2], [0.1, 0.2]], [[0.3], [-0.2], [1]]], axis=1).T
    expected = EXPECTED.copy()
    expected[:, 6] = 0.3, -0.2
    np.testing.assert_allclose(decoded("yolov8_obb", columns[None])[0], expected, rtol=1e-6)
    rows = np.concatenate([BOXES["cxcywh"], [[0.9, 1, 0.3], [0.6, 0, -0.2], [0, 0, 0]]], axis=1)
    np.testing.assert_allclose(decoded("suppressed_obb", rows[None])[0], expected, rtol=1e-6)


def test_rows_after_suppression() -> None:
    rows = np.concatenate([BOXES["xyxy"], [[0.9, 1], [0.6, 0], [0, 0]]], axis=1)
    np.testing.assert_allclose(decoded("suppressed", rows[None])[0], EXPECTED, rtol=1e-6)
    numbered = np.concatenate([[[0.0]] * 3, BOXES["xyxy"], [[1, 0.9], [0, 0.6], [0, 0]]], axis=1)
    np.testing.assert_allclose(decoded("yolov7", numbered)[0], EXPECTED, rtol=1e-6)


def test_rows_of_queries_have_all_class_scores() -> None:
    boxes = np.array(BOXES["cxcywh"]) / [WIDTH, HEIGHT, WIDTH, HEIGHT]
    rows = np.concatenate([boxes, [[0.1, 0.9], [0.6, 0.2], [0.1, 0.2]]], axis=1)
    np.testing.assert_allclose(decoded("rtdetr", rows[None])[0], EXPECTED, rtol=1e-6)
    with pytest.raises(ModelError, match="classes that are no whole numbers: set HEAD .*rtdetr"):
        decoded("suppressed", rows[None])  # whatever their scores


def test_a_limit_that_the_file_does_not_tell() -> None:
    decoder = Decoder(DetectorHead("torchvision", ("boxes", "scores", "labels"), "", "xyxy", "pixels"), "model", 0.5)
    for count, full in ((99, 0), (100, 1), (42, 1), (100, 2), (130, 0), (150, 1)):
        decoder([np.tile([0.0, 0, 9, 9], (count, 1)), np.full(count, 0.9), np.zeros(count)], HEIGHT, WIDTH)
        assert decoder.full == full
    decoder([np.tile([0.0, 0, 9, 9], (150, 1)), np.linspace(0.9, 0.4, 150), np.zeros(150)], HEIGHT, WIDTH)
    assert decoder.full == 1  # those that are missing would have a lower score


@pytest.mark.parametrize("form", ["suppressed", "yolov7", "yolov5"])
def test_no_object(form: str) -> None:
    assert decoded(form, np.zeros((0, 7 if form == "yolov7" else 6)))[0].shape == (0, 7)


@pytest.mark.parametrize(
    ("form", "outputs", "message"),
    [
        ("torchvision", (BOXES["xyxy"], SCORES[:2], CLASSES), "equal number"),
        ("torchvision", (BOXES["xyxy"], SCORES, CLASSES[:2]), "equal number"),
        ("torchvision", (np.zeros((3, 5)), SCORES, CLASSES), "equal number"),
        ("suppressed", (np.zeros((3, 5)),), "equal number"),
        ("yolov7", (np.zeros((3, 6)),), "equal number"),
        ("torchvision", (BOXES["xyxy"], [9.0, 2.0, -3.0], CLASSES), "scores up to 9"),
        ("torchvision", (BOXES["xyxy"], [-0.5, -4.0, -1.0], CLASSES), "scores down to -4"),
        ("torchvision", (BOXES["xyxy"], [np.nan] * 3, CLASSES), "scores that are no numbers"),
        ("torchvision", (BOXES["xyxy"], SCORES, [1, 0.5, 2]), "classes that are no whole numbers.*OUTPUT_NAMES"),
        ("torchvision", (BOXES["xyxy"], SCORES, [1, np.nan, 2]), "classes that are no whole numbers"),
        ("torchvision", (BOXES["xyxy"], SCORES, [1, 3e9, 2]), "classes up to 3e.09.*OUTPUT_NAMES"),
        ("torchvision", (BOXES["xyxy"], SCORES, [1, np.inf, 2]), "classes up to inf"),
        (
            "torchvision",
            ([[0, 0, 9, 1e30]] * 3, SCORES, CLASSES),
            "numbers up to 1e.30 in a tile of 80 x 40 pixels: the",
        ),
        ("suppressed_obb", ([[9, 9, 5, 5, 0.9, 1, np.nan]],), "no numbers"),
        ("torchvision", (BOXES["xywh"], SCORES, CLASSES), "HEAD_ORDER"),
        ("torchvision", (np.array(BOXES["xyxy"]) / 100, SCORES, CLASSES), "HEAD_SCALE"),
        ("tensorflow", (BOXES["yxyx"], SCORES, CLASSES), "HEAD_SCALE"),
        ("tensorflow", (np.full((3, 4), np.nan), SCORES, CLASSES), "no numbers"),
    ],
)
def test_what_is_not_as_the_head_says_is_refused(form: str, outputs: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        decoded(form, *outputs)
