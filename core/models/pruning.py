"""The part of a TensorFlow 1 graph that is safe to run.

A training script saves all of its graph: beside the network, the pipeline that fed it, with iterators
and calls of Python. Serving feeds the network's inputs and fetches its outputs, so that the rest never
runs. `judged_part` returns the graph without the nodes that are not safe and all that depends on them.
Feeds cut this: what is computed from the input of a signature does not depend on what would compute
that input, nor does a placeholder depend on its default, which then has to be fed. Only the part is loaded
and checked, so that whatever is fetched from it has been judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_CONTEXTS = ("while_context", "cond_context", "queue_runners")
"""Collections that only serve to build more of a graph, or to run its pipeline."""

_ASSETS = "saved_model_assets"


@dataclass(frozen=True)
class JudgedPart:
    """A part of a MetaGraphDef.

    Attributes:
        meta_graph: the message; the original where nothing was left out.
        left_out: why a node, or an output of the signature, is not in it, by name.
        variables: names of the variables that are not in it.
    """

    meta_graph: Any
    left_out: dict[str, str] = field(default_factory=dict)
    variables: tuple[str, ...] = ()


def judged_part(meta_graph: Any, own_offences: Mapping[str, str], unsafe_functions: Iterable[str]) -> JudgedPart:
    """Return a graph without what is not safe, and what depends on it.

    Args:
        meta_graph: the message, which stays as it is.
        own_offences: by name of the node, what is wrong with it.
        unsafe_functions: names of the functions that go.
    """
    if not own_offences:
        return JudgedPart(meta_graph)
    fed = {tensor.name for signature in meta_graph.signature_def.values() for tensor in signature.inputs.values()}
    left_out, cut = _dependent(meta_graph.graph_def.node, own_offences, fed)
    part = type(meta_graph)()
    part.CopyFrom(meta_graph)
    _keep(part.signature_def, _has_no_outputs(left_out))
    renamed = _replace_fed(part, left_out)
    del part.graph_def.node[:]
    for node in meta_graph.graph_def.node:
        if node.name not in left_out:
            part.graph_def.node.append(_without(node, left_out, renamed, node.name in cut))
    _add_placeholders(part, meta_graph, renamed)
    _prune_library(part.graph_def.library, set(unsafe_functions))
    _prune_assets(part, left_out)
    return JudgedPart(part, left_out, _prune_collections(part.collection_def, left_out))


def _dependent(nodes: Iterable[Any], starts: Mapping[str, str], fed: set[str]) -> tuple[dict[str, str], set[str]]:
    """Return what depends on `starts`, with the reason of each, and the placeholders that lose their default."""
    consumers: dict[str, list[tuple[str, Any]]] = {}
    for node in nodes:
        for name in node.input:
            consumers.setdefault(node_of(name), []).append((tensor_of(name), node))
    found, cut, waiting = dict(starts), set(), list(starts)
    while waiting:
        name = waiting.pop()
        for tensor, consumer in consumers.get(name, ()):
            if consumer.op == "PlaceholderWithDefault":
                cut.add(consumer.name)
            elif tensor not in fed and consumer.name not in found:
                found[consumer.name] = found[name]
                waiting.append(consumer.name)
    return found, cut


def node_of(tensor: str) -> str:
    """`^node`, `node:0` and `node:output:0` -> `node`."""
    return tensor.lstrip("^").split(":")[0]


def tensor_of(name: str) -> str:
    """Return an input as signatures write tensors: `node` -> `node:0`; `^node` stays."""
    return name if ":" in name or name.startswith("^") else name + ":0"


def _has_no_outputs(left_out: Mapping[str, str]) -> Callable[[Any], bool]:
    """Return what takes the outputs that were left out from a signature, and says whether none remains."""

    def without_outputs(signature: Any) -> bool:
        for key in [key for key, tensor in signature.outputs.items() if _tensor_nodes(tensor) & left_out.keys()]:
            del signature.outputs[key]
        return not signature.outputs

    return without_outputs


def _tensor_nodes(tensor: Any) -> set[str]:
    sparse = tensor.coo_sparse
    names = [tensor.name, sparse.values_tensor_name, sparse.indices_tensor_name, sparse.dense_shape_tensor_name]
    return {node_of(name) for name in [*names, *(part.name for part in tensor.composite_tensor.components)] if name}


def _keep(messages: Any, goes: Callable[[Any], bool]) -> None:
    """Delete from a map of messages those that go."""
    for key in [key for key, message in messages.items() if goes(message)]:
        del messages[key]


def _replace_fed(part: Any, left_out: Mapping[str, str]) -> dict[str, str]:
    """Let signatures take a placeholder in place of each input that was left out; return the names, old to new."""
    taken = {node.name for node in part.graph_def.node}
    renamed: dict[str, str] = {}
    for signature in part.signature_def.values():
        for tensor in signature.inputs.values():
            if node_of(tensor.name) in left_out:
                if tensor.name not in renamed:
                    name = tensor.name.replace(":", "_") + "_fed"
                    while name in taken:
                        name += "_"
                    taken.add(name)
                    renamed[tensor.name] = name
                tensor.name = renamed[tensor.name] + ":0"
    return renamed


def _without(node: Any, left_out: Mapping[str, str], renamed: Mapping[str, str], cut: bool) -> Any:
    """Return a node with its fed inputs renamed, and without hints at nodes that were left out."""
    kept = type(node)()
    kept.CopyFrom(node)
    if "_class" in node.attr:  # asked first: reading an attribute would add it
        hints = node.attr["_class"].list.s
        kept.attr["_class"].list.s[:] = [text for text in hints if text.decode().partition("@")[2] not in left_out]
    del kept.input[:]
    if cut:
        kept.op = "Placeholder"
    else:
        kept.input.extend(renamed.get(tensor_of(name), name) for name in node.input)
    return kept


def _add_placeholders(part: Any, meta_graph: Any, renamed: Mapping[str, str]) -> None:
    tensors = [tensor for signature in meta_graph.signature_def.values() for tensor in signature.inputs.values()]
    for old, new in renamed.items():
        described = next(tensor for tensor in tensors if tensor.name == old)
        node = part.graph_def.node.add(name=new, op="Placeholder")
        node.attr["dtype"].type = described.dtype
        shape = node.attr["shape"].shape
        shape.CopyFrom(described.tensor_shape)
        if shape.dim:
            shape.dim[0].size = -1  # an iterator gives batches of one size


def _prune_library(library: Any, unsafe: set[str]) -> None:
    kept = [function for function in library.function if function.signature.name not in unsafe]
    gradients = [g for g in library.gradient if not {g.function_name, g.gradient_func} & unsafe]
    registered = [g for g in library.registered_gradients if g.gradient_func not in unsafe]
    for field_, values in (("function", kept), ("gradient", gradients), ("registered_gradients", registered)):
        values = [type(value).FromString(value.SerializeToString()) for value in values]
        library.ClearField(field_)
        getattr(library, field_).extend(values)


def _prune_collections(collections: Any, left_out: Mapping[str, str]) -> tuple[str, ...]:
    """Take what was left out from all collections; return the names of the variables among it."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.framework import variable_pb2

    lost: list[str] = []
    for key in [key for key in collections if key in _CONTEXTS]:
        del collections[key]
    for key, collection in collections.items():
        kept = [name for name in collection.node_list.value if node_of(name) not in left_out]
        if len(kept) < len(collection.node_list.value):
            collection.node_list.value[:] = kept
        if not key.endswith("variables"):
            continue
        items = list(collection.bytes_list.value)
        gone = set()
        for item in items:
            try:
                variable = variable_pb2.VariableDef.FromString(item)
            except DecodeError:
                continue  # TensorFlow will say so
            named = (variable.variable_name, variable.initializer_name, variable.initial_value_name)
            if {node_of(name) for name in (*named, variable.snapshot_name)} & left_out.keys():
                lost.append(variable.variable_name)
                gone.add(item)
        if gone:
            collection.bytes_list.value[:] = [item for item in items if item not in gone]
    return tuple(dict.fromkeys(lost))


def _prune_assets(part: Any, left_out: Mapping[str, str]) -> None:
    assets = [asset for asset in part.asset_file_def if node_of(asset.tensor_info.name) in left_out]
    for asset in assets:
        part.asset_file_def.remove(asset)
    if assets and _ASSETS in part.collection_def:
        del part.collection_def[_ASSETS]
