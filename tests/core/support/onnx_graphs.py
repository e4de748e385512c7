"""Small ONNX models of each kind that serving meets, built node by node, and ONNX Runtime's own values of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Size = Any
"""A number, or the name of a free dimension."""

FREE = ("n", 3, "h", "w")
TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}


def weights(name: str, *shape: int, dtype: str = "float32", seed: int = 0) -> Any:
    """Return random weights that keep values in their order of magnitude."""
    values = np.random.default_rng(seed).normal(size=shape) / np.sqrt(np.prod(shape[1:]))
    return numpy_helper.from_array(values.astype(dtype), name)


def value(name: str, shape: Sequence[Size] | None, kind: int = TensorProto.FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def node(operator: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)


def save(
    path: Path,
    nodes: Sequence[Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    constants: Sequence[Any] = (),
    **more: Any,
) -> str:
    """Write a model and return its path; `more` are fields of the ModelProto, and `metadata` a dictionary."""
    metadata = more.pop("metadata", {})
    graph = helper.make_graph(nodes, "graph", inputs, outputs, constants)
    opsets = more.pop("opset_imports", [helper.make_opsetid("", 17)])
    model = helper.make_model(graph, ir_version=more.pop("ir_version", 8), opset_imports=opsets, **more)
    helper.set_model_props(model, metadata)
    onnx.save(model, str(path))
    return str(path)


def convolutions(
    path: Path, shape: Sequence[Size] = FREE, dtype: str = "float32", outputs: int = 4, **more: Any
) -> str:
    """Two convolutions of 3 x 3 with padding, the second on half the pixels and back: fully convolutional, of stride 2."""
    bands = shape[1]
    nodes = [
        node("Conv", "x w1", "c1", pads=[1, 1, 1, 1]),
        node("Relu", "c1", "features"),
        node("MaxPool", "features", "half", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "half w2", "c2", pads=[1, 1, 1, 1]),
        node("ConvTranspose", "c2 w3", "y", strides=[2, 2]),
    ]
    constants = [
        weights("w1", 6, bands, 3, 3, dtype=dtype),
        weights("w2", 5, 6, 3, 3, dtype=dtype, seed=1),
        weights("w3", 5, outputs, 2, 2, dtype=dtype, seed=2),
    ]
    kind = TYPES[dtype]
    return save(path, nodes, [value("x", shape, kind)], [value("y", None, kind)], constants, **more)


def bands_last(path: Path) -> str:
    """As tf2onnx writes a model of TensorFlow: images with the bands last, transposed inside."""
    nodes = [
        node("Transpose", "x:0", "first", perm=[0, 3, 1, 2]),
        node("Conv", "first w", "c", pads=[1, 1, 1, 1]),
        node("Transpose", "c", "y:0", perm=[0, 2, 3, 1]),
    ]
    shape = ["n", "h", "w", 3]
    return save(path, nodes, [value("x:0", shape)], [value("y:0", ["n", "h", "w", 2])], [weights("w", 2, 3, 3, 3)])


def two_inputs(path: Path, **more: Any) -> str:
    """A sum of images of three bands and one, and their numbers of classes."""
    nodes = [
        node("Conv", "optical w1", "one", pads=[1, 1, 1, 1]),
        node("Conv", "radar w2", "two", pads=[1, 1, 1, 1]),
        node("Add", "one two", "scores"),
        node("ArgMax", "scores", "label", axis=1, keepdims=0),
    ]
    inputs = [value("optical", FREE), value("radar", ("n", 1, "h", "w"))]
    outputs = [value("scores", ("n", 4, "h", "w")), value("label", ("n", "h", "w"), TensorProto.INT64)]
    return save(path, nodes, inputs, outputs, [weights("w1", 4, 3, 3, 3), weights("w2", 4, 1, 3, 3, seed=1)], **more)


def labels(path: Path) -> str:
    """Only the number of the most probable class; bytes in."""
    nodes = [
        node("Cast", "x", "real", to=TensorProto.FLOAT),
        node("Conv", "real w", "scores", pads=[1, 1, 1, 1]),
        node("ArgMax", "scores", "label", axis=1, keepdims=0),
    ]
    outputs = [value("label", ("n", "h", "w"), TensorProto.INT64)]
    return save(path, nodes, [value("x", FREE, TensorProto.UINT8)], outputs, [weights("w", 4, 3, 3, 3)])


def patches(path: Path, size: int = 8) -> str:
    """Scores of a whole patch of one size, as image classification has them."""
    nodes = [
        node("Conv", "x w", "c"),
        node("GlobalAveragePool", "c", "pooled"),
        node("Flatten", "pooled", "scores"),
    ]
    return save(
        path, nodes, [value("x", ("n", 3, size, size))], [value("scores", ("n", 5))], [weights("w", 5, 3, 3, 3)]
    )


def pooled(path: Path) -> str:
    """A convolution, and the mean of all its outputs beside it: each output depends on all that the model is shown."""
    nodes = [
        node("Conv", "x w", "c", pads=[1, 1, 1, 1]),
        node("GlobalAveragePool", "c", "mean"),
        node("Mul", "mean five", "large"),
        node("Add", "c large", "y"),
    ]
    constants = [weights("w", 4, 3, 3, 3), numpy_helper.from_array(np.array(5, "float32"), "five")]
    return save(path, nodes, [value("x", FREE)], [value("y", None)], constants)


def runtime_values(path: str, *images: np.ndarray, output: str | None = None) -> np.ndarray:
    """Return what ONNX Runtime computes from whole images of (height, width, bands), with the bands last.

    Images feed the inputs in alphabetical order, with the bands first where the model has them so.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    feeds = {}
    for item, image in zip(sorted(session.get_inputs(), key=lambda each: each.name), images):
        kind = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(uint8)": "uint8"}[item.type]
        first = item.shape[1] == image.shape[2]
        feeds[item.name] = (image.transpose(2, 0, 1) if first else image)[None].astype(kind)
    found = session.run([output] if output else None, feeds)[0][0]
    if found.ndim < 3:
        return found
    return found.transpose(1, 2, 0) if first else found
