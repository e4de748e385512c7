"""What programs write into an ONNX file beside the network: Deepness's metadata, and those of Ultralytics' exports.

Deepness (https://qgis-plugin-deepness.readthedocs.io, Adding metadata) writes JSON, divides the bytes of an image by 255
and then takes mean and deviation; its `resolution` is in centimetres per pixel. Ultralytics writes Python's literals and
divides by 255 too, and so does YOLOv5, which writes less.
"""

from __future__ import annotations

import ast
import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..base.jsonvalues import Json, OddJson
from ..classes.modelclasses import Classes, ModelClass
from ..errors import ModelError
from .inputscaling import InputScaling
from .onnxwalk import DamagedFile, OnnxContent, read_content

_BYTES = 255.0
_LONGEST = 100_000
_LARGEST_SIDE = 1 << 16

_DEEPNESS = {"model_type", "resolution", "standardization_mean", "standardization_std", "tiles_overlap", "seg_thresh"}
_DEEPNESS_ALSO = {"class_names", "names", "tile_size", "tiles_size", "seg_small_segment", "reg_output_scaling"}
_ULTRALYTICS = {"names", "task", "stride", "imgsz"}
_YOLOV5 = {"names", "stride"}

_NO_MAPS = {"detect", "segment", "pose", "obb"}
"""Ultralytics' tasks whose outputs are lists of objects."""


@dataclass(frozen=True)
class OnnxMetadata:
    """What a file tells of the images that its model takes, and of its outputs.

    Attributes:
        texts: as they are written, by key, of those that are known.
        classes: by name of the output.
        pixel_size: in metres; None where it is not told.
        scaling: of bytes; None where it is not told.
        task: of Ultralytics; empty for others.
        objects: classes of objects; also where there is only one.
        size: height and width in pixels of the images of the training; None where they are not told.
        suppressed: whether the model itself removes objects that overlap; None where that is not told.
        head: Ultralytics' name of the last part of the network; empty where it is not told.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    classes: Mapping[str, Classes] = field(default_factory=dict)
    pixel_size: float | None = None
    scaling: InputScaling | None = None
    task: str = ""
    objects: Classes = ()
    size: tuple[int, int] | None = None
    suppressed: bool | None = None
    head: str = ""

    @property
    def lists_objects(self) -> bool:
        """Whether the outputs are lists of objects, not maps."""
        return self.task in _NO_MAPS


def metadata_of(place: Path) -> OnnxMetadata:
    """Return the metadata of an ONNX file; none of one that cannot be read, which loading refuses.

    Raises:
        ModelError: a value that decides what the model computes is of another kind than its key says.
    """
    try:
        content = read_content(place)
    except (DamagedFile, OSError):
        return OnnxMetadata()
    return read_metadata(place, content)


def read_metadata(place: Path, content: OnnxContent) -> OnnxMetadata:
    """Return the metadata of a file that was read; see `metadata_of`."""
    texts = content.metadata
    if texts.keys() >= _ULTRALYTICS:
        classes = _classes(texts.get("names", ""), content.outputs)
        told = {key: text for key, text in texts.items() if key in _ULTRALYTICS}
        objects = _named(_literal(texts["names"]))
        sides, suppressed = _size(texts.get("imgsz", "")), _suppressed(texts)
        task, last = texts["task"], texts.get("head", "")
        return OnnxMetadata(told, classes, None, InputScaling(_BYTES), task, objects, sides, suppressed, last)
    classes = _classes(texts.get("class_names") or texts.get("names", ""), content.outputs)
    objects = _named(_literal(texts.get("class_names") or texts.get("names", "")))
    sides = _size(texts.get("tile_size") or texts.get("tiles_size", ""))
    if not texts.keys() & _DEEPNESS:
        told = {key: text for key, text in texts.items() if key in _DEEPNESS_ALSO | _YOLOV5}
        scaling = InputScaling(_BYTES) if texts.keys() >= _YOLOV5 else None
        return OnnxMetadata(told, classes, scaling=scaling, objects=objects, size=sides)
    told = {key: text for key, text in texts.items() if key in _DEEPNESS | _DEEPNESS_ALSO}
    try:
        size = _value(texts, "resolution")
        pixel_size = None if size is None else size.number(1e-6, 1e9) / 100
        means, deviations = (_numbers(texts, f"standardization_{name}") for name in ("mean", "std"))
        scaling = InputScaling(_BYTES, means, deviations)
        scaling = InputScaling.from_json(Json(scaling.as_json(), "standardization"))
    except OddJson as error:
        raise ModelError(
            "The metadata of the model {path} cannot be used: {error}. Correct it where the model was made.",
            path=place,
            error=error,
        ) from error
    return OnnxMetadata(told, classes, pixel_size, scaling, objects=objects, size=sides)


def _value(texts: Mapping[str, str], key: str) -> Json | None:
    return Json(_literal(texts[key]), key) if key in texts else None


def _size(text: str) -> tuple[int, int] | None:
    """Return height and width that are written as one number or two; None for anything else."""
    found = _literal(text)
    sides = list(found) if isinstance(found, (list, tuple)) else [found, found]
    if len(sides) == 2 and all(isinstance(side, int) and 0 < side <= _LARGEST_SIDE for side in sides):
        return sides[0], sides[1]
    return None


def _suppressed(texts: Mapping[str, str]) -> bool | None:
    """Return whether an export of Ultralytics removes objects that overlap: its head does, or was asked to."""
    arguments = _literal(texts.get("args", ""))
    if "end2end" not in texts or not isinstance(arguments, dict):
        return None
    return texts["end2end"] == "True" or bool(arguments.get("nms"))


def _numbers(texts: Mapping[str, str], key: str) -> tuple[float, ...]:
    value = _value(texts, key)
    if value is None:
        return ()
    items = value.items(1 << 16) if isinstance(value.value, (list, tuple)) else [value]
    return tuple(item.number(-1e30, 1e30) for item in items)


def _literal(text: str) -> Any:
    """Return a value that is written as JSON, or as Python writes it; a text that is neither as it is."""
    if len(text) > _LONGEST:
        return text
    for read in (json.loads, ast.literal_eval):
        with contextlib.suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return read(text)
    return text


def _classes(text: str, outputs: Iterable[str]) -> dict[str, Classes]:
    """Return the classes of each output: those of a list go to one output each, others are those of all.

    One class is that of a probability, not of a map.
    """
    found = _literal(text)
    outputs = list(outputs)
    each = found if isinstance(found, list) and found and isinstance(found[0], dict) else [found] * len(outputs)
    named = ((output, _named(names)) for output, names in zip(outputs, each))
    return {output: classes for output, classes in named if len(classes) > 1}


def _named(names: Any) -> Classes:
    pairs = names.items() if isinstance(names, dict) else enumerate(names) if isinstance(names, list) else ()
    try:
        return tuple(ModelClass(value, name) for value, name in sorted((int(key), str(name)) for key, name in pairs))
    except (TypeError, ValueError):
        return ()
