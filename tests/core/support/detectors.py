"""Small detectors that find what is drawn exactly, models with the outputs of known detectors, and scenes for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx_graphs
from onnx import TensorProto, numpy_helper
from serving import ORIGIN, UTM, write

NUMBERS = 512
"""One more than the largest number of a disc that `segments_detector` finds."""

ULTRALYTICS = {"names": "{0: 'tree', 1: 'car'}", "task": "detect", "stride": "32", "imgsz": "[64, 64]"}


def drawn_discs(
    size: int, count: int, radii: tuple[int, int], seed: int = 0
) -> tuple[np.ndarray, dict[int, tuple[int, int, int, int]]]:
    """Draw discs that do not touch.

    Returns:
        An image of the discs' numbers (0 for none), their classes, and zeros, shape (size, size, 3); and for each number
        the edges of its disc: x1, y1, x2, y2 in pixels.
    """
    random, image = np.random.default_rng(seed), np.zeros((size, size, 3), "uint16")
    rows, columns = np.mgrid[:size, :size]
    edges: dict[int, tuple[int, int, int, int]] = {}
    while len(edges) < count:
        radius = int(random.integers(radii[0], radii[1] + 1))
        row, column = random.integers(radius, size - radius, 2)
        disc = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
        near = (rows - row) ** 2 + (columns - column) ** 2 <= (radius + 2) ** 2
        if not image[..., 0][near].any():
            number = len(edges) + 1
            image[disc] = number, 1 + number % 3, 0
            edges[number] = tuple(
                int(v) for v in (column - radius, row - radius, column + radius + 1, row + radius + 1)
            )
    return image, edges


def segments_detector(folder: Path, masks: bool = False) -> str:
    """A SavedModel with the outputs of TensorFlow's Object Detection API that finds each number in its first band.

    Of a disc that the edge of its image cuts it finds what is left, with the same score. With `masks`, it has those of the
    whole image.
    """
    import tensorflow as tf

    class Finder(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([1, None, None, 3], tf.int32, "input_tensor")])
        def __call__(self, images: Any) -> dict[str, Any]:
            numbers, classes = images[0, :, :, 0], tf.reshape(images[0, :, :, 1], [-1])
            height, width = tf.shape(numbers)[0], tf.shape(numbers)[1]
            rows = tf.reshape(tf.repeat(tf.range(height)[:, None], width, 1), [-1])
            columns = tf.reshape(tf.repeat(tf.range(width)[None], height, 0), [-1])
            flat = tf.reshape(numbers, [-1])
            low = [tf.math.unsorted_segment_min(each, flat, NUMBERS) for each in (rows, columns)]
            high = [tf.math.unsorted_segment_max(each, flat, NUMBERS) + 1 for each in (rows, columns)]
            found = tf.where(tf.math.unsorted_segment_max(tf.ones_like(flat), flat, NUMBERS)[1:] == 1)[:, 0] + 1
            sizes = [height, width]
            edges = [tf.gather(each, found) / sizes[place % 2] for place, each in enumerate([*low, *high])]
            score = 0.6 + tf.cast(found % 7, tf.float64) / 20
            drawn = numbers[None] == tf.cast(found, tf.int32)[:, None, None]
            return {
                **({"detection_masks": tf.cast(drawn, tf.float32)[None]} if masks else {}),
                "detection_boxes": tf.cast(tf.stack(edges, 1), tf.float32)[None],
                "detection_scores": tf.cast(score, tf.float32)[None],
                "detection_classes": tf.cast(
                    tf.gather(tf.math.unsorted_segment_max(classes, flat, NUMBERS), found), tf.float32
                )[None],
                "num_detections": tf.cast(tf.shape(found)[:1], tf.float32),
            }

    path, module = str(folder / ("instances" if masks else "segments")), Finder()
    tf.saved_model.save(module, path, signatures={"serving_default": module.__call__})
    return path


def scene(path: Path, image: np.ndarray, tag: float | None = None) -> str:
    """Write an image of 10 m pixels."""
    return write(path, image, ORIGIN, UTM, tag)


def yolo_grid(path: Path, side: int = 64, bands: int = 3, gain: float = 1.0) -> str:
    """As YOLO11 is exported, with two classes: a bright pixel in a cell of 8 x 8 pixels is an object of that cell.

    Its score is the pixel's value times `gain`, in the first band for the first class and in the second for the second.
    """
    cells = side // 8
    coarse = [(side // stride) ** 2 for stride in (16, 32)]
    rows, columns = np.mgrid[:cells, :cells].reshape(2, -1)
    boxes = np.zeros((1, 4, cells**2 + sum(coarse)), "float32")
    boxes[0, :, : cells**2] = 8 * columns + 4, 8 * rows + 4, np.full(cells**2, 8), np.full(cells**2, 8)
    constants = [
        numpy_helper.from_array(boxes, "boxes"),
        numpy_helper.from_array(np.zeros((1, 2, sum(coarse)), "float32"), "none"),
        numpy_helper.from_array(np.array([1, bands, cells**2]), "flat"),
        numpy_helper.from_array(np.array(gain, "float32"), "gain"),
        numpy_helper.from_array(np.array([0]), "begin"),
        numpy_helper.from_array(np.array([2]), "end"),
        numpy_helper.from_array(np.array([1]), "axis"),
    ]
    nodes = [
        onnx_graphs.node("MaxPool", "images", "pooled", kernel_shape=[8, 8], strides=[8, 8]),
        onnx_graphs.node("Reshape", "pooled flat", "rows"),
        onnx_graphs.node("Slice", "rows begin end axis", "values"),
        onnx_graphs.node("Mul", "values gain", "scores"),
        onnx_graphs.node("Concat", "scores none", "all", axis=2),
        onnx_graphs.node("Concat", "boxes all", "output0", axis=1),
    ]
    inputs = [onnx_graphs.value("images", (1, bands, side, side))]
    outputs = [onnx_graphs.value("output0", (1, 6, boxes.shape[2]))]
    metadata = {**ULTRALYTICS, "imgsz": f"[{side}, {side}]"}
    return onnx_graphs.save(path, nodes, inputs, outputs, constants, metadata=metadata)


def fixed_outputs(
    path: Path,
    image: Sequence[Any],
    outputs: Mapping[str, np.ndarray],
    shapes: Mapping[str, Sequence[Any]] | None = None,
    integers: Collection[str] = (),
    **more: Any,
) -> str:
    """An ONNX model that returns the same arrays for any image.

    `shapes` are those that it declares, if others; `integers` the outputs of type int64, others are float32.
    """
    nodes = [
        onnx_graphs.node("ReduceSum", "images", "sum", keepdims=0),
        onnx_graphs.node("Mul", "sum zero", "nothing"),
        onnx_graphs.node("Cast", "nothing", "none", to=TensorProto.INT64),
    ]
    constants = [numpy_helper.from_array(np.array(0, "float32"), "zero")]
    infos = []
    for name, array in outputs.items():
        whole = name in integers
        constants.append(numpy_helper.from_array(array.astype("int64" if whole else "float32"), f"{name}_values"))
        nodes.append(onnx_graphs.node("Add", f"{name}_values {'none' if whole else 'nothing'}", name))
        kind = TensorProto.INT64 if whole else TensorProto.FLOAT
        infos.append(onnx_graphs.value(name, (shapes or {}).get(name, array.shape), kind))
    inputs = [onnx_graphs.value("images", image, TensorProto.FLOAT)]
    return onnx_graphs.save(path, nodes, inputs, infos, constants, **more)
