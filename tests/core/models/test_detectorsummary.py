"""What dialogs say of a detector, from the description of a model alone."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import detectors
import numpy as np
import pytest

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.models.detectorhead import detector_head
from otbtf_qgis.core.models.detectorsummary import DetectorSummary, detector_summary
from otbtf_qgis.core.models.loading import load_model
from otbtf_qgis.core.models.modelinterface import TensorInfo
from otbtf_qgis.core.models.modelsummary import item_summary
from otbtf_qgis.core.probing.modeldescription import describe, item

pytest.importorskip("onnxruntime")

SQUARE, WIDE, FREE = (1, 3, 64, 64), (1, 3, 64, 96), (1, 3, "h", "w")
CELLS, WIDE_CELLS = 64 + 16 + 4, 96 + 24 + 6
YOLO = detectors.ULTRALYTICS
LISTS = {"boxes": np.zeros((5, 4)), "labels": np.zeros(5), "scores": np.zeros(5)}
KERAS = {"boxes": np.zeros((1, 5, 4)), "confidence": np.zeros((1, 5)), "labels": np.zeros((1, 5))}
COLUMNS, PROTOTYPES = np.zeros((1, 4 + 2 + 32, CELLS)), np.zeros((1, 32, 16, 16))


def summary(folder: Path, image: Any, outputs: Any, metadata: Any = None, shapes: Any = None) -> DetectorSummary | None:
    """Return what the description of a model says, once it is sure that the model itself says the same."""
    if not isinstance(outputs, dict):
        outputs = {"output0": np.zeros(outputs)}
    path = detectors.fixed_outputs(folder / "model.onnx", image, outputs, shapes, metadata=metadata or {})
    model = load_model(path, "")
    described = item(describe(model, [], nullcontext, Progress(), probing="none"), {}, ".")
    (folder / "item.json").write_text(json.dumps(described), encoding="utf-8")
    found = detector_summary(item_summary(folder / "item.json"), path)
    assert (found and found.head) == detector_head(model)
    return found


@pytest.mark.parametrize(
    ("told", "image", "outputs", "metadata", "shapes"),
    [
        ("yolov8 (YOLOv8 to YOLO26): boxes; tiles of 64 x 64 pixels", SQUARE, (1, 6, CELLS), None, None),
        ("yolov8 (YOLOv8 to YOLO26): boxes; tiles of 96 x 64 pixels", WIDE, (1, 6, WIDE_CELLS), YOLO, None),
        ("yolov8 (YOLOv8 to YOLO26): boxes; tiles of any size", FREE, (1, 6, CELLS), YOLO, {"output0": (1, 6, "n")}),
        (
            "yolov8 (YOLOv8 to YOLO26): boxes and masks; tiles of 64 x 64 pixels",
            SQUARE,
            {"output0": COLUMNS, "output1": PROTOTYPES},
            {**YOLO, "task": "segment"},
            None,
        ),
        (
            "yolov8_obb (YOLOv8 to YOLO26): oriented boxes; tiles of 64 x 64 pixels",
            SQUARE,
            (1, 7, CELLS),
            {**YOLO, "task": "obb"},
            None,
        ),
        ("torchvision: boxes; tiles of 64 x 48 pixels", (3, 48, 64), LISTS, None, None),
        ("keras (KerasHub, KerasCV): boxes in an unknown order; tiles of 64 x 64 pixels", SQUARE, KERAS, None, None),
    ],
)
def test_detectors(told: str, image: Any, outputs: Any, metadata: Any, shapes: Any, tmp_path: Path) -> None:
    found = summary(tmp_path, image, outputs, metadata, shapes)
    assert found is not None
    assert (found.describe(), found.image) == (told, "images")


def test_others_are_none(tmp_path: Path) -> None:
    assert summary(tmp_path, SQUARE, (1, 6, 64, 64)) is None
    assert summary(tmp_path, SQUARE, (1, 10)) is None


def test_metadata_that_contradict_the_outputs_are_left_to_the_run(tmp_path: Path) -> None:
    path = detectors.fixed_outputs(tmp_path / "m.onnx", SQUARE, {"o": np.zeros((1, 9, CELLS))}, metadata=YOLO)
    described = item(describe(load_model(path, ""), [], nullcontext, Progress(), probing="none"), {}, ".")
    (tmp_path / "item.json").write_text(json.dumps(described), encoding="utf-8")
    assert detector_summary(item_summary(tmp_path / "item.json"), path) is None


def test_which_outputs_are_no_maps(tmp_path: Path) -> None:
    found = summary(tmp_path, SQUARE, {"output0": COLUMNS, "output1": PROTOTYPES}, {**YOLO, "task": "segment"})
    assert found is not None
    assert found.lists(TensorInfo("output0", (1, 38, CELLS), "float32"))
    assert found.lists(TensorInfo("anchors", (1, 5), "float32"))
    assert not found.lists(TensorInfo("output1", (1, 16, 16, 32), "float32"))
