"""Plain TensorFlow inside a Keras model.

Keras 3 refuses its symbolic tensors to TensorFlow's functions. `trace` runs a function once on
TensorFlow's own symbolic tensors and keeps the graph in a layer. The graph is saved with the model as
what it is, a list of operations, so that no Python code has to come along: loading checks the
operations as it does those of a SavedModel.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from ..errors import ModelError
from ..phrases import Phrase
from .layerbase import ExactLayer, register
from .safety import check_graph


@register
class TracedFunction(ExactLayer):
    """A graph of TensorFlow's operations without weights, from a list of tensors to a list of tensors."""

    def __init__(self, graph: str, feeds: Sequence[str], fetches: Sequence[str], **kwargs: Any) -> None:
        """Make the layer.

        Args:
            graph: a GraphDef message in base64.
            feeds: the tensors of the graph that the inputs stand for, in order.
            fetches: the tensors to return.
            **kwargs: for Keras's base class.

        Raises:
            ModelError: the graph could do more than compute.
        """
        super().__init__(**kwargs)
        self._graph, self._feeds, self._fetches = graph, list(feeds), list(fetches)
        definition = tf.compat.v1.GraphDef.FromString(base64.b64decode(graph))
        check_graph(definition, Phrase("The layer {name}", name=self.name))
        imported = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(definition, name=""), [])
        get = imported.graph.get_tensor_by_name
        function = imported.prune([get(name) for name in self._feeds], [get(name) for name in self._fetches])
        self._dtypes = [get(name).dtype for name in self._feeds]
        self._function = lambda *tensors: function(*tensors)  # bare, Keras would track it as a part to save

    def call(self, tensors: Sequence[Any]) -> list[Any]:
        """Return the graph's outputs."""
        return list(self._function(*map(tf.cast, tensors, self._dtypes)))  # a copy in mixed precision brings others

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made again from."""
        return {**super().get_config(), "graph": self._graph, "feeds": self._feeds, "fetches": self._fetches}


def trace(function: Callable[..., Any], arguments: Any, name: str) -> Any:
    """Call a function of TensorFlow's operations on Keras's symbolic tensors, through a layer.

    Args:
        function: takes `arguments` and returns tensors in any nest of dictionaries and lists.
        arguments: a list of arguments, each a Keras tensor or a nest of them.
        name: of the layer.

    Returns:
        Keras tensors, in the function's structure.

    Raises:
        ModelError: the function uses variables, which this layer could not train or save.
    """
    tensors = keras.tree.flatten(arguments)
    specs = [tf.TensorSpec(tensor.shape, tensor.dtype, f"input_{number}") for number, tensor in enumerate(tensors)]

    def flat(*given: Any) -> Any:
        return function(*keras.tree.pack_sequence_as(arguments, list(given)))

    concrete = tf.function(flat, autograph=False).get_concrete_function(*specs)
    graph = _with_constants(concrete, len(specs), name)
    fetches = [tensor.name for tensor in keras.tree.flatten(concrete.structured_outputs)]
    feeds = [tensor.name for tensor in concrete.inputs[: len(specs)]]
    encoded = base64.b64encode(graph.SerializeToString(deterministic=True)).decode()
    outputs = TracedFunction(encoded, feeds, fetches, name=name)(tensors)
    return keras.tree.pack_sequence_as(concrete.structured_outputs, outputs)


def _with_constants(concrete: Any, count: int, name: str) -> Any:
    """Return the graph of a function, with constants for the arrays that it took from around it."""
    captures = list(zip(concrete.inputs[count:], concrete.captured_inputs))
    for inner, outer in captures:
        if outer.dtype in (tf.resource, tf.variant):
            raise ModelError(
                "{name} uses a variable or table ({inner}) together with plain TensorFlow, so its weights could "
                "neither be trained nor saved: make such layers in get_outputs, or use keras.ops instead of tf here.",
                name=name,
                inner=inner.name,
            )
    definition = concrete.graph.as_graph_def()
    if not captures:
        return definition
    with tf.Graph().as_default() as graph:
        constants = {
            inner.op.name: tf.constant(outer.numpy(), name=f"captured_array_{number}")
            for number, (inner, outer) in enumerate(captures)
        }
        tf.graph_util.import_graph_def(definition, input_map=constants, name="")
    return graph.as_graph_def()
