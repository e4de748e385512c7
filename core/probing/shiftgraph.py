"""Outputs of a model at every pixel in one step: strided operations are computed at all their phases.

A pooling of stride 2 looks at every other place. Beginning it one further, down and across, gives four images, its
phases, which together have looked everywhere. They become images of one batch: what follows treats each alike, and
the next strided operation divides each into phases of its own. In the end the phases are interleaved. So what lies
before the first stride is computed once, not once for each origin; known as shift-and-stitch with filter rarefaction
(J. Long, E. Shelhamer, T. Darrell, Fully Convolutional Networks for Semantic Segmentation, CVPR 2015, section 3.2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from ..phrases import Phrase

STRIDED = {"AvgPool", "Conv2D", "DepthwiseConv2dNative", "MaxPool"}
"""Operations with the attributes `strides`, `padding` and `data_format`."""

Levels = tuple[int, ...]
"""Strides whose phases a tensor holds as images of its batch, in the order in which they were divided."""


class NoShiftGraph(Exception):
    """The model's outputs cannot be computed by a shift graph; the message gives the reason."""


def build_shift_graph(constant: Any, stride: int) -> Callable[..., list[tf.Tensor]]:
    """Return a function that gives the outputs of a model for each pixel.

    Args:
        constant: the model as a concrete function without variables, of images (1, height, width, bands).
        stride: the pixels between two of its outputs.

    Returns:
        A function of images (1, height, width, bands) that returns, for each output of the model, an array of shape
        (1, rows, columns, depth): its outputs for the model's images that begin at each pixel, as far as all phases
        have them.

    Raises:
        NoShiftGraph: it is none of the kind.
    """
    nodes = {node.name: node for node in constant.graph.as_graph_def().node}
    signature = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in constant.inputs]

    def body(*images: tf.Tensor) -> list[tf.Tensor]:
        given = {tensor.op.name: image for tensor, image in zip(constant.inputs, images)}
        walk = _Walk(nodes, given)
        found = []
        for output in constant.outputs:
            tensor, levels = walk.tensor(output.name)
            if tensor.shape.rank == 3:
                tensor = tensor[..., None]
            if _product(levels) != stride or tensor.shape.rank != 4:
                raise NoShiftGraph(Phrase("its strides are not those of its outputs"))
            found.append(_interleaved(tensor, levels))
        return found

    function = tf.function(body, input_signature=signature, autograph=False)
    try:
        function.get_concrete_function()
    except (NoShiftGraph, ValueError, TypeError, KeyError, tf.errors.OpError) as error:
        raise NoShiftGraph(str(error)) from error
    return function


class _Walk:
    """Builds a graph's operations anew, strided ones by phases."""

    def __init__(self, nodes: dict[str, Any], given: dict[str, tf.Tensor]) -> None:
        self._nodes = nodes
        self._made: dict[str, tuple[list[tf.Tensor], Levels]] = {name: ([image], ()) for name, image in given.items()}

    def tensor(self, name: str) -> tuple[tf.Tensor, Levels]:
        """Return a tensor by name, and its phases."""
        operation, _, number = name.partition(":")
        waiting = [operation]
        while waiting:  # not by recursion: networks can be deeper than Python's stack
            node = self._nodes[waiting[-1]]
            lacking = [source for source in map(_operation, _inputs(node)) if source not in self._made]
            if waiting[-1] in self._made or not lacking:
                waiting.pop()
                if node.name not in self._made:
                    self._made[node.name] = self._make(node)
            else:
                waiting += lacking
        tensors, levels = self._made[operation]
        return tensors[int(number or 0)], levels

    def _make(self, node: Any) -> tuple[list[tf.Tensor], Levels]:
        if any(self._nodes[name[1:]].op not in ("Const", "NoOp") for name in node.input if name.startswith("^")):
            raise NoShiftGraph(Phrase("an operation waits for another"))
        inputs: list[tf.Tensor] = []
        levels: set[Levels] = {()}
        for name in _inputs(node):
            operation, _, number = name.partition(":")
            made, held = self._made[operation]
            inputs.append(made[int(number or 0)])
            levels.add(held)
        if len(levels) > 2:
            raise NoShiftGraph(Phrase("branches of different strides meet"))
        before = max(levels, key=len)
        stride = _stride(node)
        if stride == 1:
            return list(_built(node, inputs)), before
        image, *others = inputs
        phases = [_built(node, [image[:, y:, x:], *others])[0] for y in range(stride) for x in range(stride)]
        size = tf.shape(phases[-1])  # the last begins last, so it is the smallest
        return [tf.concat([phase[:, : size[1], : size[2]] for phase in phases], axis=0)], (*before, stride)


def _inputs(node: Any) -> list[str]:
    """Return the names of the tensors that go in; not those of operations that only have to be done before."""
    return [name for name in node.input if not name.startswith("^")]


def _operation(tensor: str) -> str:
    return tensor.partition(":")[0]


def _built(node: Any, inputs: Sequence[tf.Tensor]) -> Sequence[tf.Tensor]:
    graph = tf.compat.v1.get_default_graph()
    attributes = {name: value for name, value in node.attr.items() if name not in ("_class", "_output_shapes")}
    outputs: Sequence[tf.Tensor] = graph.create_op(node.op, list(inputs), name="phased", attrs=attributes).outputs
    return outputs


def _stride(node: Any) -> int:
    """Return an operation's stride, down and across.

    Raises:
        NoShiftGraph: they differ, or it begins beside the image.
    """
    if node.op not in STRIDED:
        return 1
    if node.attr["data_format"].s != b"NHWC":
        raise NoShiftGraph(Phrase("its bands come first"))
    _, down, across, _ = node.attr["strides"].list.i
    if down != across or (down > 1 and node.attr["padding"].s != b"VALID"):
        raise NoShiftGraph(Phrase("its strides differ, or its images are padded"))
    return int(down)


def _interleaved(tensor: tf.Tensor, levels: Levels) -> tf.Tensor:
    """Return the image of which the phases are the images of a batch."""
    for stride in reversed(levels):
        shape = tf.shape(tensor)
        height, width, depth = shape[1], shape[2], tensor.shape[3]
        parts = tf.reshape(tensor, [stride, stride, -1, height, width, depth])
        parts = tf.transpose(parts, [2, 3, 0, 4, 1, 5])
        tensor = tf.reshape(parts, [-1, height * stride, width * stride, depth])
    return tensor


def _product(levels: Levels) -> int:
    product = 1
    for stride in levels:
        product *= stride
    return product
