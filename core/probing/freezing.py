"""Making a model's variables constants, so that TensorFlow can put operations together before the run.

TensorFlow adds a bias while it convolves, and orders weights as the processor wants them, only where they are
constants. Nothing else changes; what does more than compute from its inputs and variables stays as it is.
"""

from __future__ import annotations

from typing import Any

from tensorflow.python.framework import op_def_registry
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

READING = {"ReadVariableOp", "ResourceGather", "ResourceGatherNd", "StatefulPartitionedCall", "VarHandleOp"}
"""Stateful operations that only read their state, or call a function, whose operations are checked too."""

_CALLS = {"PartitionedCall", "StatefulPartitionedCall"}

BRANCHING = {
    *("Case", "If", "StatelessCase", "StatelessIf", "StatelessWhile", "While"),
    *("Enter", "Exit", "Merge", "NextIteration", "RefMerge", "RefSwitch", "Switch"),  # TensorFlow 1
}
"""Operations that run a part of the graph or not, or again and again: such graphs are left as they are."""


def frozen(function: Any) -> Any:
    """Return a concrete function whose variables are constants; as it is where it has none; None where it cannot be done.

    Args:
        function: a `tf.function` with a signature, which returns a list of tensors.
    """
    traced = function.get_concrete_function()
    graph = traced.graph.as_graph_def()
    nodes = [*graph.node, *(node for each in graph.library.function for node in each.node_def)]
    operations = {node.op for node in nodes}
    if operations & BRANCHING or any(_does_more(operation) for operation in operations - READING):
        return None
    if not operations & (READING - {"StatefulPartitionedCall"}):
        return traced
    return _converted(traced)


def inlined(constant: Any) -> Any:
    """Return a function that `frozen` returned, with the functions that it calls in its own graph; None where it cannot be done.

    Those of a function with variables are there already.
    """
    calls = any(node.op in _CALLS for node in constant.graph.as_graph_def().node)
    return _converted(constant) if calls else constant


def _converted(traced: Any) -> Any:
    try:
        return convert_variables_to_constants_v2(traced)
    except Exception:  # noqa: BLE001 - it is not made for every graph, and raises whatever it trips over
        return None


def _does_more(operation: str) -> bool:
    """Return whether an operation could do more than compute from its inputs; unknown ones could."""
    definition = op_def_registry.get(operation)
    return definition is None or bool(definition.is_stateful)
