"""What a model makes class numbers of: the last part of its graph, cut off from the rest.

A model that returns the number of the most probable class computes probabilities first. Where these are blended, the
numbers have to be computed again, from what was blended.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from ..machine.devices import Scope

Numbers = Callable[[np.ndarray], np.ndarray]
"""From values of shape (height, width, bands) to numbers of shape (height, width, bands)."""


def numbers_graph(constant: Any, scope: Scope) -> Numbers | None:
    """Return what computes numbers from values; None where they are made of more than these.

    Args:
        constant: the model as a concrete function without variables that returns the values, then the numbers.
        scope: the device.
    """
    values, numbers = constant.outputs
    nodes = {node.name: node for node in constant.graph.as_graph_def().node}
    cut, _, place = _computed(values.name, nodes).partition(":")
    needed = _between(numbers.op.name, cut, nodes)
    if cut not in needed or place not in ("", "0") or any(tensor.op.name in needed for tensor in constant.inputs):
        return None
    part = tf.compat.v1.GraphDef()
    part.versions.CopyFrom(constant.graph.as_graph_def().versions)
    part.library.CopyFrom(constant.graph.as_graph_def().library)
    for name in needed - {cut}:
        node = part.node.add()
        node.CopyFrom(nodes[name])
        del node.input[:]
        node.input.extend(_inputs(nodes[name]))
    placeholder = part.node.add(name=cut, op="Placeholder")
    placeholder.attr["dtype"].type = values.dtype.as_datatype_enum

    def body(given: tf.Tensor) -> tf.Tensor:
        mapped = {f"{cut}:0": given}
        return tf.graph_util.import_graph_def(part, input_map=mapped, return_elements=[numbers.name], name="")[0]

    function = tf.function(body, input_signature=[tf.TensorSpec(values.shape, values.dtype)], autograph=False)

    def call(array: np.ndarray) -> np.ndarray:
        with scope():
            found = np.asarray(function(tf.constant(array[None], values.dtype)))
        return found.reshape(*array.shape[:2], -1)

    return call


def _operation(tensor: str) -> str:
    return tensor.partition(":")[0]


def _inputs(node: Any) -> list[str]:
    """Return the tensors that go in; not the operations to wait for, since none of a constant function does more."""
    return [name for name in node.input if not name.startswith("^")]


def _computed(tensor: str, nodes: dict[str, Any]) -> str:
    """Return the name of the tensor of which one is a copy, or of itself."""
    while (node := nodes[_operation(tensor)]).op == "Identity":
        tensor = node.input[0]
    return tensor


def _between(end: str, start: str, nodes: dict[str, Any]) -> set[str]:
    """Return the operations on which `end` depends, up to and with `start`."""
    found, waiting = {end}, [end]
    while waiting:
        name = waiting.pop()
        for source in () if name == start else map(_operation, _inputs(nodes[name])):
            if source not in found:
                found.add(source)
                waiting.append(source)
    return found
