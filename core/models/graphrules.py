"""Which operations of a TensorFlow graph are safe to load and run: the rules that `safety` applies.

Operations must be listed in `safe_operations.txt`. Saving and restoring variables is the exception, since
every SavedModel holds the operations for it. They may stand in the main graph, or in functions that the
main graph calls, where both hold:

- the file's name is what the loader feeds, or derived from it as TensorFlow's Saver derives it. Unfed,
  the name is absent or `model`, as the Saver writes it: never one that the model's author chose;
- nothing depends on them that loading, a signature, an object's function, an initialiser or a
  collection could run. The loader's own call restores the variables from the model's folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..phrases import Phrase
from .pruning import node_of

CHECKPOINT = {"SaveV2": (0,), "MergeV2Checkpoints": (0, 1), "RestoreV2": (0,)}
"""The operations on checkpoints, with the positions of the inputs that name files."""

_SAVING = {"SaveV2", "MergeV2Checkpoints"}
_CALLS = {"PartitionedCall", "StatefulPartitionedCall"}
_TEMPORARY = re.compile(rb"\.part|_temp(_[0-9a-f]+)?/part")
"""What TensorFlow's Saver appends to the file's name while it writes."""

_STREAMS = {b"stderr", b"stdout", b"log(info)", b"log(warning)", b"log(error)"}
"""Where PrintV2 may print; it also takes file://..., and so any name of a file."""


@lru_cache(maxsize=1)
def _safe_operations() -> frozenset[str]:
    lines = Path(__file__).with_name("safe_operations.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


def graph_offences(meta_graph: Any) -> Iterator[str]:
    """Yield what is wrong with one of a SavedModel's graphs, its functions included."""
    library = meta_graph.graph_def.library
    functions = {function.signature.name for function in library.function}
    checkpoint = functions_holding(set(CHECKPOINT), library)
    for function in library.function:
        yield from function_offences(function, functions, checkpoint)
    for name in sorted(_named_functions(meta_graph) & checkpoint):
        yield Phrase("function {name} saves or restores files, and can be called", name=name)
    yield from _main_graph(meta_graph, functions, checkpoint)


def functions_holding(operations: set[str], library: Any) -> set[str]:
    """Return the names of the functions that hold one of the operations."""
    return {f.signature.name for f in library.function if any(node.op in operations for node in f.node_def)}


def function_offences(function: Any, functions: set[str], checkpoint: set[str]) -> Iterator[str]:
    """Yield what is wrong inside one function."""
    from tensorflow.python.framework import op_def_registry

    name = function.signature.name
    if op_def_registry.get(name) is not None:
        yield Phrase("function {name} takes the name of an operation", name=name)
    if name in checkpoint and "api_implements" in function.attr:
        yield Phrase(
            "function {name} saves or restores files, and stands in for another", name=name
        )  # Grappler swaps such functions
    fed = {function.signature.input_arg[0].name} if function.signature.input_arg else set()
    nodes = {node.name: node for node in function.node_def}
    if len(nodes) != len(function.node_def):
        yield Phrase("two nodes of one name in function {name}", name=name)
    for node in function.node_def:
        where = Phrase("(node {node} of function {name})", node=node.name, name=name)
        if node.op in CHECKPOINT:
            if not _names_fed_file(node, nodes, fed):
                yield Phrase("{op} to or from a file of its own choice {where}", op=node.op, where=where)
        elif not is_safe(node, functions):
            yield f"{node.op} {where}"
        if references(node.attr.values()) & checkpoint or node.op in checkpoint:
            yield Phrase("{op} of a function that saves or restores files {where}", op=node.op, where=where)
    if references(function.attr.values()) & checkpoint:
        yield Phrase("an attribute of function {name} names one that saves or restores files", name=name)


def _main_graph(meta_graph: Any, functions: set[str], checkpoint: set[str]) -> Iterator[str]:
    """Yield what is wrong in the graph outside functions, TensorFlow 1's only one."""
    library, graph = meta_graph.graph_def.library, meta_graph.graph_def.node
    saving = functions_holding(_SAVING, library)
    nodes = {node.name: node for node in graph}
    if len(nodes) != len(graph):
        yield Phrase("two nodes of one name in the graph")
    files, saves = set(), set()
    for node in graph:
        called = references(node.attr.values()) | {node.op}
        if node.op in CHECKPOINT or called & checkpoint:
            files.add(node.name)
        if node.op in _SAVING or called & saving:
            saves.add(node.name)
        offence = node_offence(node, nodes, functions, checkpoint)
        if offence:
            yield offence
    for name in sorted(_named_nodes(meta_graph) & _downstream(graph, files)):
        yield Phrase(
            "{op} (node {name}) saves or restores files, and a signature or a collection names it",
            op=nodes[name].op,
            name=name,
        )
    if node_of(meta_graph.saver_def.restore_op_name) in _downstream(graph, saves):
        yield Phrase(
            "saving files where variables are restored (node {restore_op_name})",
            restore_op_name=meta_graph.saver_def.restore_op_name,
        )


def node_offence(node: Any, nodes: dict[str, Any], functions: set[str], checkpoint: set[str]) -> str:
    """Return what is wrong with a node outside functions; empty if nothing is."""
    where = Phrase("(node {node})", node=node.name)
    if node.op in CHECKPOINT:
        return (
            ""
            if _names_fed_file(node, nodes, set())
            else Phrase("{op} to or from a file of its own choice {where}", op=node.op, where=where)
        )
    if (references(node.attr.values()) | {node.op}) & checkpoint:
        if node.op not in _CALLS or not _is_fed(_input(node, 0), nodes, set()):
            return Phrase("{op} of a function that saves or restores files {where}", op=node.op, where=where)
        return ""
    return "" if is_safe(node, functions) else f"{node.op} {where}"


def is_safe(node: Any, functions: set[str]) -> bool:
    """Return whether a node's operation is on the list, or a function of the model's own."""
    if node.op == "PrintV2" and "output_stream" in node.attr:
        return node.attr["output_stream"].s in _STREAMS
    return node.op in _safe_operations() or node.op in functions


# ------------------------------------------------------- who names what


def references(attributes: Iterable[Any]) -> set[str]:
    """Return all texts in the attributes that could name a function, nested ones included."""
    found = set()
    for value in attributes:
        found.add(value.s.decode("utf-8", "replace"))
        found.update(text.decode("utf-8", "replace") for text in value.list.s)
        for function in (value.func, *value.list.func):
            found.add(function.name)
            found |= references(function.attr.values())
    return found


def _named_functions(meta_graph: Any) -> set[str]:
    """Return the functions that objects, aliases and gradients name: all that a caller can reach."""
    objects, library = meta_graph.object_graph_def, meta_graph.graph_def.library
    found = set(objects.concrete_functions) | set(meta_graph.meta_info_def.function_aliases)
    for node in objects.nodes:
        found.update(node.function.concrete_functions)
        found.add(node.bare_concrete_function.concrete_function_name)
        found.add(node.captured_tensor.concrete_function)
    for gradient in library.gradient:
        found |= {gradient.function_name, gradient.gradient_func}
    found.update(gradient.gradient_func for gradient in library.registered_gradients)
    return found


def _named_nodes(meta_graph: Any) -> set[str]:
    """Return the nodes that signatures and collections name: initialisers, training targets, variables."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.framework import variable_pb2

    found = []
    for signature in meta_graph.signature_def.values():
        for tensor in (*signature.inputs.values(), *signature.outputs.values()):
            sparse = tensor.coo_sparse
            found += [tensor.name, sparse.values_tensor_name, sparse.indices_tensor_name]
            found += [sparse.dense_shape_tensor_name, *(part.name for part in tensor.composite_tensor.components)]
    for key, collection in meta_graph.collection_def.items():
        found += collection.node_list.value
        if key == "savers":
            continue  # SaverDef: only imported, never run
        for item in collection.bytes_list.value:
            try:
                variable = variable_pb2.VariableDef.FromString(item)
            except DecodeError:
                continue  # no variable, and TensorFlow runs nothing that other messages name
            found += [variable.variable_name, variable.initializer_name, variable.initial_value_name]
            found.append(variable.snapshot_name)
    return {node_of(name) for name in found}


def _downstream(nodes: Iterable[Any], starts: set[str]) -> set[str]:
    """Return the nodes that depend on `starts`, by data or control, and `starts` themselves."""
    consumers: dict[str, list[str]] = {}
    for node in nodes:
        for name in node.input:
            consumers.setdefault(node_of(name), []).append(node.name)
    found, waiting = set(starts), list(starts)
    while waiting:
        fresh = set(consumers.get(waiting.pop(), ())) - found
        found |= fresh
        waiting.extend(fresh)
    return found


# ------------------------------------------------------- whose file it is


def _names_fed_file(node: Any, nodes: dict[str, Any], fed: set[str]) -> bool:
    return all(_is_fed(_input(node, position), nodes, fed) for position in CHECKPOINT[node.op])


def _is_fed(name: str, nodes: dict[str, Any], fed: set[str], depth: int = 20) -> bool:
    """Return whether a tensor is the file name that the loader feeds, or a name that the Saver makes of it.

    Args:
        name: the tensor.
        nodes: the nodes of the graph or function, by name.
        fed: the function's argument that takes the file name; empty in a graph, which has placeholders.
        depth: how many nodes to look back at most; a Saver has fewer than ten.
    """
    if name in fed:
        return True
    node = nodes.get(node_of(name))
    if node is None or depth == 0:
        return False
    first = _input(node, 0)
    if node.op == "Placeholder":
        return True
    if node.op == "PlaceholderWithDefault":
        default = nodes.get(node_of(first))
        return _text(default) == b"model" or _is_fed(first, nodes, fed, depth - 1)
    if node.op in ("Identity", "ShardedFilename"):
        return _is_fed(first, nodes, fed, depth - 1)
    if node.op == "Pack":
        return all(_is_fed(item, nodes, fed, depth - 1) for item in _data(node))
    if node.op == "StringJoin":
        plain = len(_data(node)) == 2 and not node.attr["separator"].s
        return plain and _is_fed(first, nodes, fed, depth - 1) and _is_temporary(_input(node, 1), nodes)
    return False


def _is_temporary(name: str, nodes: dict[str, Any]) -> bool:
    """Return whether a tensor is a constant that the Saver appends, or a choice of two."""
    node = nodes.get(node_of(name))
    if node is not None and node.op in ("Select", "SelectV2"):
        return all(_matches(nodes.get(node_of(_input(node, position)))) for position in (1, 2))
    return _matches(node)


def _matches(node: Any) -> bool:
    return _TEMPORARY.fullmatch(_text(node)) is not None


def _text(node: Any) -> bytes:
    """Return the text that a constant holds; empty if it is none."""
    if node is None or node.op != "Const" or len(node.attr["value"].tensor.string_val) != 1:
        return b""
    return bytes(node.attr["value"].tensor.string_val[0])


def _data(node: Any) -> list[str]:
    return [str(name) for name in node.input if not name.startswith("^")]


def _input(node: Any, position: int) -> str:
    return dict(enumerate(_data(node))).get(position, "")
