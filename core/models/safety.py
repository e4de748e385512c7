"""Reading a SavedModel's operations before it is loaded.

A SavedModel is a program in TensorFlow's operations; some of them read and write files, call Python
or talk to other machines. `check_saved_model` reads the program without running any of it and refuses
a model unless all its graphs and functions, reached or not, consist of the operations listed in
`safe_operations.txt`, which touch nothing but tensors and variables in memory.

Saving and restoring variables is the exception, since every SavedModel holds the operations for it.
They may stand in the main graph, or in functions that the main graph calls, where both hold:

- the file's name is what the loader feeds, or derived from it as TensorFlow's Saver derives it. Unfed,
  the name is absent or `model`, as the Saver writes it: never one that the model's author chose;
- nothing depends on them that loading, a signature, an object's function, an initialiser or a
  collection could run. The loader's own call restores the variables from the model's folder.

Refused, therefore, though possibly harmless: tables filled from text files (assets), input pipelines
(datasets, readers), checkpoints named in the graph, custom operations. `.pbtxt` is refused too, so
that one parser reads every model.

What is left: a model can still use up memory and time, print to the log, compute nonsense, and meet
a bug in the code of an operation that is listed as safe. A model that is changed on disk between
this check and its loading is not seen.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import ModelError

_CHECKPOINT = {"SaveV2": (0,), "MergeV2Checkpoints": (0, 1), "RestoreV2": (0,)}
"""The operations on checkpoints, with the positions of the inputs that name files."""

_SAVING = {"SaveV2", "MergeV2Checkpoints"}
_CALLS = {"PartitionedCall", "StatefulPartitionedCall"}
_TEMPORARY = re.compile(rb"\.part|_temp(_[0-9a-f]+)?/part")
"""What TensorFlow's Saver appends to the file's name while it writes."""

_STREAMS = {b"stderr", b"stdout", b"log(info)", b"log(warning)", b"log(error)"}
"""Where PrintV2 may print; it also takes file://..., and so any name of a file."""

_SHOWN = 5


def check_saved_model(folder: str) -> None:
    """Check that the SavedModel in `folder` holds only operations that are safe to load and run.

    Nothing of the model is run.

    Args:
        folder: the folder that holds saved_model.pb.

    Raises:
        ModelError: there is no SavedModel, or it cannot be read, or it holds operations that are not
            on the list; the message names the first of them and where they stand.
    """
    offences = [offence for graph in _read(folder).meta_graphs for offence in _meta_graph(graph)]
    if offences:
        offences = list(dict.fromkeys(offences))
        more = f"; and {len(offences) - _SHOWN} more" if len(offences) > _SHOWN else ""
        raise ModelError(
            f"The model in {folder} is not loaded, since it could touch files, the network or run other code: "
            f"{'; '.join(offences[:_SHOWN])}{more}. A model is a program: set TRUST_MODEL to load it all the same "
            f"if you know who made it."
        )


def check_graph(graph: Any, name: str) -> None:
    """Check that a graph which stands alone, a GraphDef, holds only operations that are safe to run.

    Here nothing saves or restores variables, so that operations on checkpoints are refused too.

    Args:
        graph: the message.
        name: of what holds it, for the error.

    Raises:
        ModelError: it holds an operation that is not on the list.
    """
    offences = list(_graph_offences(graph))
    if offences:
        raise ModelError(
            f"{name} is not loaded, since it could touch files, the network or run other code: "
            f"{'; '.join(offences[:_SHOWN])}. Write it without these operations and save the model again."
        )


def encoded_graph_offences(text: Any) -> list[str]:
    """Return what is wrong with a GraphDef in base64, as `TracedFunction` keeps it."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.framework import graph_pb2

    try:
        return list(_graph_offences(graph_pb2.GraphDef.FromString(base64.b64decode(text))))
    except (DecodeError, TypeError, ValueError) as error:
        return [f"a graph that cannot be read ({error})"]


def _graph_offences(graph: Any) -> Iterator[str]:
    from tensorflow.python.framework import op_def_registry

    functions = {function.signature.name for function in graph.library.function}
    yield from (f"a function named {taken}" for taken in sorted(functions) if op_def_registry.get(taken) is not None)
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    yield from (f"{node.op} (node {node.name})" for node in nodes if not _is_safe(node, functions))


def _read(folder: str) -> Any:
    """Return the SavedModel message in `folder`."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    path = Path(folder) / "saved_model.pb"
    if not path.is_file():
        if path.with_suffix(".pbtxt").exists():
            raise ModelError(
                f"The model in {folder} is a saved_model.pbtxt, which is not checked and so not loaded: "
                f"save it again as saved_model.pb (as_text=False), or set TRUST_MODEL if you know who made it."
            )
        raise ModelError(f"{folder} is not a SavedModel: it holds no saved_model.pb. Give the folder that does.")
    saved_model = saved_model_pb2.SavedModel()
    try:
        saved_model.ParseFromString(path.read_bytes())
    except (DecodeError, OSError) as error:
        raise ModelError(f"{path} is not a SavedModel, or is damaged ({error}). Export the model again.") from error
    if not saved_model.meta_graphs:
        raise ModelError(f"{path} is not a SavedModel, or is damaged: it holds no graph. Export the model again.")
    return saved_model


@lru_cache(maxsize=1)
def _safe_operations() -> frozenset[str]:
    lines = Path(__file__).with_name("safe_operations.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


def _meta_graph(meta_graph: Any) -> Iterator[str]:
    """Yield what is wrong with one of a SavedModel's graphs, its functions included."""
    library = meta_graph.graph_def.library
    functions = {function.signature.name for function in library.function}
    checkpoint = _functions_holding(set(_CHECKPOINT), library)
    for function in library.function:
        yield from _function(function, functions, checkpoint)
    for name in sorted(_named_functions(meta_graph) & checkpoint):
        yield f"function {name} saves or restores files, and can be called"
    yield from _main_graph(meta_graph, functions, checkpoint)


def _functions_holding(operations: set[str], library: Any) -> set[str]:
    return {f.signature.name for f in library.function if any(node.op in operations for node in f.node_def)}


def _function(function: Any, functions: set[str], checkpoint: set[str]) -> Iterator[str]:
    """Yield what is wrong inside one function."""
    from tensorflow.python.framework import op_def_registry

    name = function.signature.name
    if op_def_registry.get(name) is not None:
        yield f"function {name} takes the name of an operation"
    if name in checkpoint and "api_implements" in function.attr:
        yield f"function {name} saves or restores files, and stands in for another"  # Grappler swaps such functions
    fed = {function.signature.input_arg[0].name} if function.signature.input_arg else set()
    nodes = {node.name: node for node in function.node_def}
    if len(nodes) != len(function.node_def):
        yield f"two nodes of one name in function {name}"
    for node in function.node_def:
        where = f"(node {node.name} of function {name})"
        if node.op in _CHECKPOINT:
            if not _names_fed_file(node, nodes, fed):
                yield f"{node.op} to or from a file of its own choice {where}"
        elif not _is_safe(node, functions):
            yield f"{node.op} {where}"
        if _references(node.attr.values()) & checkpoint or node.op in checkpoint:
            yield f"{node.op} of a function that saves or restores files {where}"
    if _references(function.attr.values()) & checkpoint:
        yield f"an attribute of function {name} names one that saves or restores files"


def _main_graph(meta_graph: Any, functions: set[str], checkpoint: set[str]) -> Iterator[str]:
    """Yield what is wrong in the graph outside functions, TensorFlow 1's only one."""
    library, graph = meta_graph.graph_def.library, meta_graph.graph_def.node
    saving = _functions_holding(_SAVING, library)
    nodes = {node.name: node for node in graph}
    if len(nodes) != len(graph):
        yield "two nodes of one name in the graph"
    files, saves = set(), set()
    for node in graph:
        where = f"(node {node.name})"
        called = _references(node.attr.values()) | {node.op}
        if node.op in _CHECKPOINT:
            files.add(node.name)
            if not _names_fed_file(node, nodes, set()):
                yield f"{node.op} to or from a file of its own choice {where}"
        elif called & checkpoint:
            files.add(node.name)
            if node.op not in _CALLS or not _is_fed(_input(node, 0), nodes, set()):
                yield f"{node.op} of a function that saves or restores files {where}"
        elif not _is_safe(node, functions):
            yield f"{node.op} {where}"
        if node.op in _SAVING or called & saving:
            saves.add(node.name)
    for name in sorted(_named_nodes(meta_graph) & _downstream(graph, files)):
        yield f"{nodes[name].op} (node {name}) saves or restores files, and a signature or a collection names it"
    if _node_of(meta_graph.saver_def.restore_op_name) in _downstream(graph, saves):
        yield f"saving files where variables are restored (node {meta_graph.saver_def.restore_op_name})"


def _is_safe(node: Any, functions: set[str]) -> bool:
    """Return whether a node's operation is on the list, or a function of the model's own."""
    if node.op == "PrintV2" and "output_stream" in node.attr:
        return node.attr["output_stream"].s in _STREAMS
    return node.op in _safe_operations() or node.op in functions


# ------------------------------------------------------- who names what


def _references(attributes: Iterable[Any]) -> set[str]:
    """Return all texts in the attributes that could name a function, nested ones included."""
    found = set()
    for value in attributes:
        found.add(value.s.decode("utf-8", "replace"))
        found.update(text.decode("utf-8", "replace") for text in value.list.s)
        for function in (value.func, *value.list.func):
            found.add(function.name)
            found |= _references(function.attr.values())
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
    return {_node_of(name) for name in found}


def _downstream(nodes: Iterable[Any], starts: set[str]) -> set[str]:
    """Return the nodes that depend on `starts`, by data or control, and `starts` themselves."""
    consumers: dict[str, list[str]] = {}
    for node in nodes:
        for name in node.input:
            consumers.setdefault(_node_of(name), []).append(node.name)
    found, waiting = set(starts), list(starts)
    while waiting:
        fresh = set(consumers.get(waiting.pop(), ())) - found
        found |= fresh
        waiting.extend(fresh)
    return found


# ------------------------------------------------------- whose file it is


def _names_fed_file(node: Any, nodes: dict[str, Any], fed: set[str]) -> bool:
    return all(_is_fed(_input(node, position), nodes, fed) for position in _CHECKPOINT[node.op])


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
    node = nodes.get(_node_of(name))
    if node is None or depth == 0:
        return False
    first = _input(node, 0)
    if node.op == "Placeholder":
        return True
    if node.op == "PlaceholderWithDefault":
        default = nodes.get(_node_of(first))
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
    node = nodes.get(_node_of(name))
    if node is not None and node.op in ("Select", "SelectV2"):
        return all(_matches(nodes.get(_node_of(_input(node, position)))) for position in (1, 2))
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


def _node_of(tensor: str) -> str:
    """`^node`, `node:0` and `node:output:0` -> `node`."""
    return tensor.lstrip("^").split(":")[0]
