"""The metadata of Deepness and of Ultralytics, as both programs write them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("onnx")

from onnx_graphs import convolutions, two_inputs

from otbtf_qgis.core.classes.modelclasses import ModelClass
from otbtf_qgis.core.errors import ModelError
from otbtf_qgis.core.models.inputscaling import InputScaling
from otbtf_qgis.core.models.onnxmetadata import metadata_of
from otbtf_qgis.core.models.sidecar import read_sidecar

FIELDS = (ModelClass(0, "background"), ModelClass(1, "field"))
DEEPNESS = {
    "model_type": json.dumps("Segmentor"),
    "class_names": json.dumps({0: "background", 1: "field"}),
    "resolution": json.dumps(10),
    "tile_size": json.dumps(512),
    "tiles_overlap": json.dumps(40),
    "seg_thresh": json.dumps(0.5),
    "standardization_mean": json.dumps([0.4, 0.5, 0.6]),
    "standardization_std": json.dumps([0.1, 0.2, 0.3]),
}
ULTRALYTICS = {
    "description": "Ultralytics YOLO11n-cls model",
    "stride": "1",
    "task": "classify",
    "batch": "1",
    "imgsz": "[224, 224]",
    "names": "{0: 'background', 1: 'field'}",
}


def test_deepness(tmp_path: Path) -> None:
    path = convolutions(tmp_path / "net.onnx", metadata=DEEPNESS | {"author": "x"})
    found = metadata_of(Path(path))
    assert found.classes == {"y": FIELDS} and found.texts == DEEPNESS
    assert found.pixel_size == 0.1  # 10 cm
    assert found.scaling == InputScaling(255.0, (0.4, 0.5, 0.6), (0.1, 0.2, 0.3))
    sidecar = read_sidecar(path)
    assert sidecar is not None and sidecar.classes_of(["y"]) == FIELDS
    assert sidecar.serving_defaults is not None and sidecar.serving_defaults.pixel_size == 0.1


def test_ultralytics(tmp_path: Path) -> None:
    found = metadata_of(Path(convolutions(tmp_path / "net.onnx", metadata=ULTRALYTICS)))
    assert found.classes == {"y": FIELDS} and found.scaling == InputScaling(255.0) and found.pixel_size is None
    assert found.task == "classify" and not found.lists_objects
    detects = metadata_of(Path(convolutions(tmp_path / "two.onnx", metadata=ULTRALYTICS | {"task": "detect"})))
    assert detects.lists_objects


def test_classes_of_several_outputs_and_of_a_probability(tmp_path: Path) -> None:
    names = [{0: "a", 1: "b"}, {0: "c", 1: "d", 2: "e"}]
    found = metadata_of(Path(two_inputs(tmp_path / "net.onnx", metadata={"class_names": json.dumps(names)})))
    assert [item.name for item in found.classes["label"]] == ["c", "d", "e"]
    assert [item.name for item in found.classes["scores"]] == ["a", "b"] and found.scaling is None
    one = convolutions(tmp_path / "one.onnx", metadata={**DEEPNESS, "class_names": json.dumps({0: "car"})})
    assert metadata_of(Path(one)).classes == {}


@pytest.mark.parametrize("names", ["{0: ", "[[[1]]]", "7", '"x"', "{'a': 'b'}", "(" * 5000, "x" * 200_000])
def test_names_that_are_none_are_left_out(tmp_path: Path, names: str) -> None:
    assert metadata_of(Path(convolutions(tmp_path / "net.onnx", metadata={"names": names}))).classes == {}


@pytest.mark.parametrize(
    ("key", "text", "why"),
    [
        ("resolution", '"fine"', "resolution is 'fine', but must be a number"),
        ("resolution", "0", "resolution is 0, but must be from"),
        ("standardization_mean", '"x"', "standardization_mean is 'x', but must be a number"),
        ("standardization_std", "[0.1, 0, 0.2]", "must be a list of numbers other than 0"),
        ("standardization_std", "[0.1, NaN, 0.2]", "must be from"),
    ],
)
def test_values_that_decide_what_is_computed_are_refused(tmp_path: Path, key: str, text: str, why: str) -> None:
    with pytest.raises(ModelError, match=why):
        metadata_of(Path(convolutions(tmp_path / "net.onnx", metadata=DEEPNESS | {key: text})))


def test_a_model_without_metadata_has_no_sidecar(tmp_path: Path) -> None:
    assert read_sidecar(convolutions(tmp_path / "net.onnx", metadata={"author": "x"})) is None
