"""What outputs of detectors are, by their names and shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import detectors
import numpy as np
import onnx_graphs
import pytest
from onnx import numpy_helper

from otbtf_qgis.core.errors import ModelError
from otbtf_qgis.core.models.detectorhead import detector_head, head_of
from otbtf_qgis.core.models.layout import channels_last
from otbtf_qgis.core.models.loading import load_model

pytest.importorskip("onnxruntime")

SQUARE, FREE = (1, 3, 64, 64), (1, 3, "h", "w")
CELLS = 64 + 16 + 4
YOLO, OBB = detectors.ULTRALYTICS, {**detectors.ULTRALYTICS, "task": "obb"}
YOLOV5 = {"names": "{0: 'tree', 1: 'car'}", "stride": "32"}
RTDETR = {**YOLO, "head": "RTDETRDecoder", "end2end": "False", "args": "{'nms': None}"}
FIVE = "{0: 'a', 1: 'b', 2: 'c', 3: 'd', 4: 'e'}"
LISTS = {"boxes": np.zeros((5, 4)), "labels": np.zeros(5), "scores": np.zeros(5)}


def head(folder: Path, image: Any, outputs: Any, shapes: Any = None, metadata: Any = None) -> Any:
    if not isinstance(outputs, dict):
        outputs = {"output0": np.zeros(outputs)}
        shapes = {"output0": shapes} if shapes else None
    path = detectors.fixed_outputs(folder / "model.onnx", image, outputs, shapes, metadata=metadata or {})
    return detector_head(load_model(path, ""))


@pytest.mark.parametrize(
    ("form", "scores", "image", "shape", "declared", "metadata"),
    [
        ("yolov8", 2, SQUARE, (1, 6, CELLS), None, YOLO),
        ("yolov8", 2, SQUARE, (1, 6, CELLS), None, None),
        ("yolov8", 2, SQUARE, (1, 6, 256 + CELLS), None, None),  # of four grids, for small objects
        ("yolov8", 2, FREE, (1, 6, CELLS), (1, 6, "n"), YOLO),
        ("yolov8_obb", 2, SQUARE, (1, 7, CELLS), None, OBB),
        ("yolov5", 2, SQUARE, (1, 3 * CELLS, 7), None, YOLOV5),
        ("yolov5", 1, SQUARE, (1, 3 * CELLS, 6), None, None),
        (
            "yolov8",
            2,
            FREE,
            (1, 6, CELLS),
            ("batch", "dim", "anchors"),
            {**YOLO, "end2end": "False", "args": "{'nms': None}"},
        ),
        ("suppressed", None, FREE, (1, 9, 6), ("b", "n", "m"), {**YOLO, "end2end": "False", "args": "{'nms': True}"}),
        ("suppressed_obb", None, FREE, (1, 9, 7), ("b", "n", "m"), {**OBB, "end2end": "True", "args": "{'nms': None}"}),
        ("suppressed", None, SQUARE, (1, 300, 6), None, None),
        ("suppressed", None, FREE, (1, 300, 6), (1, "n", 6), YOLO),
        ("suppressed_obb", None, SQUARE, (1, 300, 7), None, OBB),
        ("yolov7", None, SQUARE, (9, 7), ("n", 7), None),
    ],
)
def test_yolo(
    form: str, scores: int | None, image: Any, shape: Any, declared: Any, metadata: Any, tmp_path: Path
) -> None:
    found = head(tmp_path, image, shape, declared, metadata)
    assert (found.form, found.scores, found.outputs) == (form, scores, ("output0",))


@pytest.mark.parametrize(
    ("form", "image", "shape", "declared", "metadata"),
    [  # the shapes of Ultralytics 8.4.190, and of 8.3.100, which writes no head
        ("suppressed", SQUARE, (1, 300, 6), None, RTDETR),
        ("suppressed", FREE, (1, 300, 6), ("batch", "dim", "anchors"), RTDETR),
        ("rtdetr", SQUARE, (1, 300, 9), None, {**RTDETR, "names": FIVE}),
        ("rtdetr", SQUARE, (1, 300, 9), None, {**YOLO, "names": FIVE}),
    ],
)
def test_rows_of_rtdetr_are_shares_of_the_image(
    form: str, image: Any, shape: Any, declared: Any, metadata: Any, tmp_path: Path
) -> None:
    found = head(tmp_path, image, shape, declared, metadata)
    assert (found.form, found.order, found.scale) == (form, "cxcywh", "relative")


def test_masks_of_instances_are_no_class_scores(tmp_path: Path) -> None:
    outputs = {"output0": np.zeros((1, 4 + 2 + 32, CELLS)), "output1": np.zeros((1, 32, 16, 16))}
    for number, metadata in enumerate((None, {**YOLO, "task": "segment"})):
        (tmp_path / str(number)).mkdir()
        found = head(tmp_path / str(number), SQUARE, outputs, metadata=metadata)
        assert (found.form, found.scores) == ("yolov8", 2)


def test_names(tmp_path: Path) -> None:
    found = head(tmp_path, SQUARE, LISTS)
    assert (found.form, found.outputs) == ("torchvision", ("boxes", "scores", "labels"))
    assert (found.order, found.scale) == ("xyxy", "pixels")


@pytest.mark.parametrize("more", [{}, {"masks": np.zeros((5, 1, 9, 9))}, {"points": np.zeros((5, 17, 3))}])
def test_torchvision_exported_without_names(more: dict[str, Any], tmp_path: Path) -> None:
    lists = {"2322": np.zeros((5, 4)), "2291": np.zeros(5), "2292": np.zeros(5)}
    declared = {"2322": ("n", 4), "2291": ("m",), "2292": ("m",)}
    path = detectors.fixed_outputs(tmp_path / "m.onnx", (3, 64, 64), {**lists, **more}, declared, {"2292"})
    found = detector_head(load_model(path, ""))
    assert found is not None and found.outputs == ("2322", "2291", "2292")
    assert (found.form, found.order, found.scale) == ("torchvision", "xyxy", "pixels")
    path = detectors.fixed_outputs(tmp_path / "m.onnx", (3, 64, 64), lists, declared)  # which are the classes?
    assert detector_head(load_model(path, "")) is None
    path = detectors.fixed_outputs(tmp_path / "m.onnx", (3, 64, 64), LISTS, None, {"scores"})  # named in a wrong order
    mixed = detector_head(load_model(path, ""))
    assert mixed is not None and mixed.outputs == ("boxes", "labels", "scores")


def test_the_model_garden_has_boxes_in_pixels_of_a_resized_image(tmp_path: Path) -> None:
    lists = {"boxes": np.zeros((1, 5, 4)), "scores": np.zeros((1, 5)), "classes": np.zeros((1, 5))}
    outputs = {f"detection_{name}": array for name, array in lists.items()}
    found = head(tmp_path, SQUARE, outputs)
    assert (found.form, found.order, found.scale, found.resizing) == ("tensorflow", "yxyx", "relative", "")
    found = head(tmp_path, SQUARE, {**outputs, "image_info": np.zeros((1, 4, 2))})
    assert (found.form, found.order, found.scale, found.resizing) == ("tensorflow", "yxyx", "pixels", "image_info")
    assert found.all_outputs[-1] == "image_info"
    said = head_of(load_model(str(tmp_path / "model.onnx"), ""), "tensorflow", list(outputs))
    assert said == found


@pytest.mark.parametrize(
    ("image", "shape", "declared"),
    [
        (SQUARE, (1, CELLS, 7), None),  # one row for each cell: to be decoded by the grids, as YOLOX
        (FREE, (1, 300, 7), (1, "n", 7)),
        (FREE, (1, 6, CELLS), ("batch", "dim", "anchors")),
        (FREE, (1, 300, 6), (1, "n", 6)),  # YOLOv5 with one class, or rows after suppression
        (SQUARE, (1, 2, 64, 64), None),
        (SQUARE, (1, 5), None),
    ],
)
def test_what_may_be_something_else_is_not_recognised(image: Any, shape: Any, declared: Any, tmp_path: Path) -> None:
    assert head(tmp_path, image, shape, declared) is None


def test_names_of_classes_that_contradict_the_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="5 class scores .* 2 classes.*HEAD"):
        head(tmp_path, SQUARE, (1, 9, CELLS), metadata=YOLO)


def test_features_are_no_masks(tmp_path: Path) -> None:
    named = {
        f"detection_{name}": np.zeros((1, 5, *more)) for name, more in (("boxes", [4]), ("scores", []), ("classes", []))
    }
    outputs = {**named, "box_classifier_features": np.zeros((5, 4, 4, 32))}  # of Faster R-CNN
    found = head(tmp_path, SQUARE, outputs)
    assert (found.form, found.masks) == ("tensorflow", "")
    assert head(tmp_path, SQUARE, {**outputs, "detection_masks": np.zeros((1, 5, 15, 15))}).masks == "detection_masks"
    unnamed = {"7": np.zeros((5, 4)), "8": np.zeros(5), "9": np.zeros(5), "10": np.zeros((5, 1, 64, 64))}
    path = detectors.fixed_outputs(tmp_path / "unnamed.onnx", SQUARE, unnamed)
    assert head_of(load_model(path, ""), "torchvision", ["7", "8", "9"]).masks == "10"


def test_a_form_can_be_said(tmp_path: Path) -> None:
    path = detectors.fixed_outputs(tmp_path / "m.onnx", FREE, {"o": np.zeros((1, 300, 6))}, {"o": (1, "n", 6)})
    model = load_model(path, "")
    assert head_of(model, "yolov5", []).scores == 1
    assert head_of(model, "suppressed", ["o"]).outputs == ("o",)
    with pytest.raises(ModelError, match="needs 3 outputs.*OUTPUT_NAMES"):
        head_of(model, "keras", [])


@pytest.mark.parametrize(
    ("image", "shape", "declared", "prototypes"),
    [
        ((1, 3, 128, 64), (1, 6, 32, 16), None, 6),  # its first sides may be taken for an image with the bands last
        (SQUARE, (1, 6, 16, 16), (1, 6, "h", "w"), 6),
        (SQUARE, (1, 6, 64, 64), None, None),  # a map of the image's size
    ],
)
def test_prototypes_are_told_by_their_size(
    image: Any, shape: Any, declared: Any, prototypes: int | None, tmp_path: Path
) -> None:
    cells = sum((image[2] // stride) * (image[3] // stride) for stride in (8, 16, 32))
    outputs = {"output0": np.zeros((1, 4 + 2 + 6, cells)), "output1": np.zeros(shape)}
    path = detectors.fixed_outputs(
        tmp_path / "model.onnx", image, outputs, {"output1": declared} if declared else None, metadata=YOLO
    )
    model = load_model(path, "")
    for each in (model, channels_last(model)):
        found = detector_head(each)
        if prototypes is None:
            assert found is None
        else:
            assert found is not None
            assert (found.form, found.scores, found.prototypes, found.masks) == ("yolov8", 2, prototypes, "output1")


def test_classes_without_names_and_prototypes_without_a_number_are_refused(tmp_path: Path) -> None:
    constants = {
        "listed": np.zeros((1, 4 + 2 + 32, CELLS), "float32"),
        "maps": np.zeros((1, 32, 16, 16), "float32"),
        "zero": np.zeros(32, "float32"),
    }
    nodes = [
        onnx_graphs.node("ReduceMin", "images", "least", keepdims=0),
        onnx_graphs.node("LessOrEqual", "zero least", "chosen"),  # as many of the maps as the image says
        onnx_graphs.node("Compress", "maps chosen", "output1", axis=1),
        onnx_graphs.node("Add", "listed least", "output0"),
    ]
    infos = [
        onnx_graphs.value("output0", (1, 4 + 2 + 32, CELLS)),
        onnx_graphs.value("output1", (1, "c", 16, 16)),
    ]
    inputs, arrays = (
        [onnx_graphs.value("images", SQUARE)],
        [numpy_helper.from_array(each, name) for name, each in constants.items()],
    )
    path = onnx_graphs.save(tmp_path / "model.onnx", nodes, inputs, infos, arrays)
    with pytest.raises(ModelError, match="tells neither its classes nor the number of prototypes"):
        detector_head(load_model(path, ""))
    path = onnx_graphs.save(tmp_path / "named.onnx", nodes, inputs, infos, arrays, metadata={**YOLO, "task": "segment"})
    found = detector_head(load_model(path, ""))
    assert found is not None
    assert (found.form, found.scores, found.masks) == ("yolov8", 2, "output1")
