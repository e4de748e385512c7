"""Safety check of a SavedModel's operations, before it is loaded.

A SavedModel is a program in TensorFlow's operations; some of them read and write files, call Python
or talk to other machines. `check_saved_model` reads the program without running any of it. What would
be run has to follow the rules of `graphrules`. Of a SavedModel with objects (TensorFlow 2) that is all
of it, since all its functions are loaded, and any of them may be called. Of a graph of TensorFlow 1 it
is what restores and initialises it, and what its signature's outputs are computed from; what is not safe
is left out (see `pruning`) before the graph is loaded, so that no output, layer or training node can
come to it. A graph without a signature is judged whole, since nothing says what is run of it.

Refused, therefore, though possibly harmless: tables filled from text files (assets), input pipelines
(datasets, readers), checkpoints named in the graph, custom operations. `.pbtxt` is refused too, so
that one parser reads every model.

What is left: a model can still use up memory and time, print to the log, compute nonsense, and meet
a bug in the code of an operation that is listed as safe. A TensorFlow 2 model that is changed on disk
between this check and its loading is not seen.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import ModelError, field
from ..phrases import Phrase
from .graphrules import (
    CHECKPOINT,
    function_offences,
    functions_holding,
    graph_offences,
    is_safe,
    node_offence,
    references,
)
from .modelfiles import read_saved_model
from .modelinterface import plain_name
from .pruning import JudgedPart, judged_part, node_of

_SHOWN = 5


def check_saved_model(folder: str, tags: Sequence[str] | None = None) -> JudgedPart:
    """Check that what is run of the SavedModel in `folder` holds only operations that are safe to load and run.

    Nothing of the model is run.

    Args:
        folder: the folder that holds saved_model.pb.
        tags: of the graph that is to be loaded; None checks all graphs.

    Returns:
        What is to be loaded of the graph with these tags, or of the last one.

    Raises:
        ModelError: there is no SavedModel, or it cannot be read, or what would be run holds operations that are not
            on the list; the message names the first of them and where they stand.
    """
    graphs = read_saved_model(folder).meta_graphs
    wanted = [graph for graph in graphs if tags is None or set(graph.meta_info_def.tags) == set(tags)]
    # A file of several graphs is loaded as TensorFlow 1 does it, without the objects.
    judged = [_judged(graph, whole=len(graphs) == 1 and graph.HasField("object_graph_def")) for graph in wanted]
    offences = list(dict.fromkeys(offence for _, found in judged for offence in found))
    if offences:
        raise ModelError(
            "The model in {folder} is not loaded, because it could touch files, the network or run other code: "
            "{offences}. {cure}",
            folder=folder,
            offences=listed(offences),
            cure=_CURE,
        )
    return judged[-1][0]


_CURE = Phrase(
    "A model is a program: if you trust its author, set {trust_model} to load it.", trust_model=field("trust_model")
)


def listed(offences: Sequence[str]) -> str:
    """Return the first offences, and how many more there are."""
    more = (
        Phrase("; and {offences_count} more", offences_count=len(offences) - _SHOWN) if len(offences) > _SHOWN else ""
    )
    return Phrase("; ").join(offences[:_SHOWN]) + more


def refused_node(folder: str, name: str, why: str) -> ModelError:
    """Return the error for a node that was left out of what was loaded, although it is asked for."""
    return ModelError(
        "{name} of the model in {folder} is not computed, because that could touch files, the network or run other "
        "code: it depends on {why}. {cure}",
        name=name,
        folder=folder,
        why=why,
        cure=_CURE,
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
            "{name} is not loaded, because it could touch files, the network or run other code: {offences}. Write "
            "it without these operations and save the model again.",
            name=name,
            offences=listed(offences),
        )


def encoded_graph_offences(text: Any) -> list[str]:
    """Return what is wrong with a GraphDef in base64, as `TracedFunction` keeps it."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.framework import graph_pb2

    try:
        return list(_graph_offences(graph_pb2.GraphDef.FromString(base64.b64decode(text))))
    except (DecodeError, TypeError, ValueError) as error:
        return [Phrase("a graph that cannot be read ({error})", error=error)]


def _graph_offences(graph: Any) -> Iterator[str]:
    from tensorflow.python.framework import op_def_registry

    functions = {function.signature.name for function in graph.library.function}
    yield from (
        Phrase("a function named {taken}", taken=taken)
        for taken in sorted(functions)
        if op_def_registry.get(taken) is not None
    )
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    yield from (
        Phrase("{op} (node {node})", op=node.op, node=node.name) for node in nodes if not is_safe(node, functions)
    )


def _judged(meta_graph: Any, whole: bool) -> tuple[JudgedPart, list[str]]:
    """Return what is loaded of a graph, and what is wrong with it.

    Args:
        meta_graph: the message.
        whole: True where all of it is loaded; else what only an iterator or a training script runs may be left out.
    """
    nodes, library = meta_graph.graph_def.node, meta_graph.graph_def.library
    signature = served_signature(meta_graph)
    names = [*(node.name for node in nodes), *(function.signature.name for function in library.function)]
    if whole or signature is None or len(set(names)) != len(names):
        return JudgedPart(meta_graph), list(graph_offences(meta_graph))
    unsafe = _unsafe_functions(library)
    part = judged_part(meta_graph, _node_offences(meta_graph, unsafe), unsafe)
    needed = {node_of(name): "" for name in _always_needed(meta_graph)}
    outputs = [node_of(tensor.name) for tensor in signature.outputs.values()]
    if part.left_out.keys() >= set(outputs):
        needed.update(dict.fromkeys(outputs, ""))
    for key, tensor in signature.outputs.items():  # outputs are asked for by these names, too
        if node_of(tensor.name) in part.left_out:
            part.left_out.setdefault(plain_name(key), part.left_out[node_of(tensor.name)])
    lost = [part.left_out[name] for name in needed if name in part.left_out]
    return part, [*lost, *graph_offences(part.meta_graph)]


def served_signature(meta_graph: Any) -> Any:
    """Return the signature of a graph that is served: `serving_default`, or the first; None where there is none."""
    signatures = {key: value for key, value in meta_graph.signature_def.items() if key not in NO_SIGNATURES}
    return signatures.get("serving_default") or next(iter(signatures.values()), None)


NO_SIGNATURES = {"__saved_model_init_op", "__saved_model_train_op"}
"""Keys among a graph's signatures that are none: nodes to run when it is loaded, or trained."""

_INITIALISERS = ("saved_model_main_op", "legacy_init_op")


def _always_needed(meta_graph: Any) -> list[str]:
    """Return the nodes that restore, save and initialise a TensorFlow 1 graph."""
    saver, signatures = meta_graph.saver_def, meta_graph.signature_def
    found = [saver.restore_op_name, saver.filename_tensor_name, saver.save_tensor_name]
    for key in _INITIALISERS:
        found += meta_graph.collection_def[key].node_list.value if key in meta_graph.collection_def else []
    if "__saved_model_init_op" in signatures:
        found += [tensor.name for tensor in signatures["__saved_model_init_op"].outputs.values()]
    return [name for name in found if name]


def _unsafe_functions(library: Any) -> dict[str, str]:
    """Return the functions that are not safe, with what is wrong in them, or in those that they reach."""
    functions = {function.signature.name for function in library.function}
    checkpoint = functions_holding(set(CHECKPOINT), library)
    found: dict[str, str] = {}
    callers: dict[str, list[str]] = {}
    for function in library.function:
        name = function.signature.name
        offence = next(function_offences(function, functions, checkpoint), "")
        if offence:
            found[name] = offence
        reached = references(function.attr.values())
        for node in function.node_def:
            reached |= {node.op} | references(node.attr.values())
        for other in reached & functions:
            callers.setdefault(other, []).append(name)
    waiting = list(found)
    while waiting:
        name = waiting.pop()
        for caller in callers.get(name, ()):
            if caller not in found:
                found[caller] = found[name]
                waiting.append(caller)
    return found


def _node_offences(meta_graph: Any, unsafe: Mapping[str, str]) -> dict[str, str]:
    """Return what is wrong with nodes of the graph outside functions, by their names."""
    library = meta_graph.graph_def.library
    functions = {function.signature.name for function in library.function}
    checkpoint = functions_holding(set(CHECKPOINT), library)
    nodes = {node.name: node for node in meta_graph.graph_def.node}
    found = {}
    for name, node in nodes.items():
        called = sorted((references(node.attr.values()) | {node.op}) & unsafe.keys())
        offence = node_offence(node, nodes, functions, checkpoint) or (unsafe[called[0]] if called else "")
        if offence:
            found[name] = offence
    return found
