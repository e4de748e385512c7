"""SavedModels: graphs of TensorFlow 1, and functions of TensorFlow 2."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..errors import ModelError
from ..phrases import Phrase
from .graphwalk import PLACEHOLDERS, has_own_value, tensors_behind
from .modelinterface import Model, TensorInfo, is_real, plain_name
from .pruning import JudgedPart, node_of
from .safety import refused_node, served_signature

_LISTED = 8
"""Most functions that a message lists."""


def _info(name: str, tensor: Any, optional: bool = False) -> TensorInfo:
    shape = None if tensor.shape.rank is None else tuple(tensor.shape.as_list())
    return TensorInfo(name, shape, tensor.dtype.base_dtype.name, optional)


class FunctionModel(Model):
    """A TF2 SavedModel, called through one of its functions: that of a signature, or the only one that it has."""

    kind = "TF2 SavedModel"

    def __init__(self, path: str, loaded: Any) -> None:
        """Choose the function.

        Raises:
            ModelError: there is no signature, and not just one function.
        """
        import tensorflow as tf

        super().__init__(path)
        self._loaded = loaded  # keeps the variables alive
        self._function = _served_function(path, loaded)
        self._arguments = self._function.structured_input_signature
        named = _named(tf.nest.flatten(self._arguments))
        self._names = list(named)
        self.inputs = {name: _described(name, named[name]) for name in sorted(named) if named[name] is not None}
        outputs = _output_paths(self._function.structured_outputs)
        self._outputs = list(outputs)
        self.outputs = {name: _described(name, outputs[name]) for name in sorted(outputs)}

    def used_inputs(self, outputs: Sequence[str]) -> list[str]:
        """Return all inputs: a function needs each of them."""
        return list(self.inputs)

    def function(self, inputs: Sequence[str], outputs: Sequence[str]) -> Callable[[Mapping[str, Any]], list[Any]]:
        """See `Model.function`."""
        import tensorflow as tf

        places = [self._outputs.index(plain_name(name)) for name in outputs]
        given = tf.nest.flatten(self._arguments)

        def call(feeds: Mapping[str, Any]) -> list[Any]:
            values = [feeds.get(name, value) for name, value in zip(self._names, given)]
            positional, keywords = tf.nest.pack_sequence_as(self._arguments, values)
            found = tf.nest.flatten(self._function(*positional, **keywords))
            return [found[place] for place in places]

        return call


def _served_function(path: str, loaded: Any) -> Any:
    """Return the concrete function of `serving_default`, of the first signature, or the only one there is."""
    signatures = loaded.signatures
    if signatures:
        return signatures.get("serving_default") or next(iter(signatures.values()))
    functions = dict(_functions(loaded))
    traced = [(name, concrete) for name, function in functions.items() for concrete in function.concrete_functions]
    if len(traced) == 1:
        return traced[0][1]
    cure = Phrase("Save it with signatures=, or a Keras model with model.export().")
    if not traced:
        raise ModelError(
            "The model {path} has no signature, and no traced function, so there is nothing to call. {cure}",
            path=path,
            cure=cure,
        )
    listed = "; ".join(f"{name}({_arguments(concrete)})" for name, concrete in traced[:_LISTED])
    more = Phrase("; and {traced_count} more", traced_count=len(traced) - _LISTED) if len(traced) > _LISTED else ""
    raise ModelError(
        "The model {path} has no signature that says which of its functions to call: {listed}{more}. {cure}",
        path=path,
        listed=listed,
        more=more,
        cure=cure,
    )


def _functions(loaded: Any) -> Iterator[tuple[str, Any]]:
    """Yield the functions of a loaded object by name, or of the objects in it where it has none itself."""
    import tensorflow as tf

    level, seen = [("", loaded)], set()
    while level:
        children = [
            (f"{prefix}{name}", child)
            for prefix, parent in level
            for name, child in tf.train.TrackableView.children(parent).items()
        ]
        functions = {
            id(child): (name, child) for name, child in reversed(children) if hasattr(child, "concrete_functions")
        }
        if functions:
            yield from reversed(functions.values())
            return
        level = [(f"{name}.", child) for name, child in children if id(child) not in seen]
        seen |= {id(child) for _, child in level}


def _arguments(concrete: Any) -> str:
    import tensorflow as tf

    given = tf.nest.flatten(concrete.structured_input_signature)
    described = [
        value if spec is None else _described(name, spec).describe()
        for (name, spec), value in zip(_named(given).items(), given)
    ]
    return ", ".join(map(str, described))


def _named(arguments: Sequence[Any]) -> dict[str, Any]:
    """Return the arguments of a function by name; None for those that were bound when it was traced."""
    import tensorflow as tf

    named: dict[str, Any] = {}
    for place, argument in enumerate(arguments):
        name = getattr(argument, "name", None) or f"input_{place}"
        while name in named:
            name += "_"
        named[name] = argument if isinstance(argument, tf.TypeSpec) else None
    return named


def _output_paths(structure: Any) -> dict[str, Any]:
    """Return what a function returns, by name: keys of dictionaries as they are, `output_0` for the first of a list."""
    from tensorflow.python.util import nest

    found = {}
    for path, value in nest.flatten_with_tuple_paths(structure):
        found["/".join(f"output_{part}" if isinstance(part, int) else str(part) for part in path) or "output_0"] = value
    return found


def _described(name: str, spec: Any) -> TensorInfo:
    """Describe what a function takes or returns; what is no tensor has a dtype such as `ragged float32`."""
    import tensorflow as tf

    info = _info(name, spec)
    if isinstance(spec, tf.TensorSpec):
        return info
    kind = "sparse" if isinstance(spec, tf.SparseTensorSpec) else "ragged"
    return TensorInfo(name, info.shape, f"{kind} {info.dtype}")


class GraphModel(Model):
    """A TF1 SavedModel: a graph of which any tensor may be fed or fetched."""

    kind = "TF1 SavedModel"

    def __init__(self, path: str, loaded: Any, judged: JudgedPart) -> None:
        super().__init__(path)
        self._left_out = judged.left_out
        self._loaded = loaded
        self._graph = loaded.graph
        signed, self._fetches = _signature_names(judged.meta_graph)
        self._feeds = {**signed, **self._unsigned(set(signed.values()))}
        self._order = {
            name: place for place, name in enumerate([*sorted(signed), *sorted(self._feeds.keys() - signed)])
        }
        self._fed: dict[str, str] = {}  # of several names of one tensor the first
        for name in self._order:
            self._fed.setdefault(self._tensor(self._feeds[name]).name, name)
        fed = {name: self._tensor(self._feeds[name]) for name in sorted(self._feeds)}
        self.inputs = {name: _info(name, tensor, has_own_value(tensor, name in signed)) for name, tensor in fed.items()}
        self.outputs = {n: _info(n, self._tensor(t)) for n, t in sorted(self._fetches.items())}

    def _unsigned(self, signed: set[str]) -> dict[str, str]:
        """Return the placeholders that the signature does not name, but those of text: a saver's file name."""
        found = {}
        for operation in self._graph.get_operations():
            if operation.type in PLACEHOLDERS:
                tensor = operation.outputs[0]
                if tensor.name not in signed and tensor.dtype.name != "string":
                    found[operation.name] = tensor.name
        return found

    def _tensor(self, name: str) -> Any:
        return self._graph.get_tensor_by_name(name if ":" in name else name + ":0")

    def input(self, name: str) -> TensorInfo:
        """Return an input by the name in the signature, or by that of its tensor."""
        tensor = self._feeds.get(plain_name(name), name if ":" in name else name + ":0")
        return super().input(self._fed.get(tensor, name))

    def output(self, name: str) -> TensorInfo:
        """Return an output of the signature, or any tensor of the graph, by name."""
        plain = plain_name(name)
        if plain in self.outputs:
            return self.outputs[plain]
        try:
            return _info(plain, self._tensor(name))
        except (KeyError, ValueError):
            why = self._left_out.get(node_of(name))
            if why:
                raise refused_node(self.path, name, why) from None
            raise self.unknown(Phrase("output"), name, self.outputs) from None

    def values_behind(self, output: str) -> list[str]:
        """Return the nearest real-valued tensors from which the graph computes it; see `Model`."""
        found, seen = [], set()
        ahead = [self._fetched(output)]
        while ahead:
            tensor = ahead.pop(0)
            if tensor.name in seen:
                continue
            seen.add(tensor.name)
            if is_real(_info(tensor.name, tensor)):
                found.append(tensor.name)
            else:
                ahead += tensor.op.inputs
        return found

    def _fetched(self, name: str) -> Any:
        return self._tensor(self._fetches.get(plain_name(name), name))

    def used_inputs(self, outputs: Sequence[str]) -> list[str]:
        """Return the inputs from which `outputs` are computed, those of the signature first."""
        fed = self._fed
        behind = tensors_behind(
            [self._fetched(name) for name in outputs],
            lambda tensor: tensor.name in fed and not self.inputs[fed[tensor.name]].optional,
        )
        used = {fed[tensor.name] for tensor in behind if tensor.name in fed}
        return sorted(used, key=self._order.__getitem__)

    def function(self, inputs: Sequence[str], outputs: Sequence[str]) -> Callable[[Mapping[str, Any]], list[Any]]:
        """See `Model.function`."""
        names = [plain_name(name) for name in inputs]
        pruned = self._loaded.prune(
            [self._tensor(self._feeds[name]) for name in names], [self._fetched(name) for name in outputs]
        )

        def call(feeds: Mapping[str, Any]) -> list[Any]:
            return list(pruned(*(feeds[name] for name in names)))

        return call


def _signature_names(graph: Any) -> tuple[dict[str, str], dict[str, str]]:
    """Input and output names of a TF1 graph's signature, without `:0`, with the tensors they stand for."""
    signature = served_signature(graph)
    if signature is None:
        return {}, {}
    return (
        {
            plain_name(name): info.name for name, info in signature.inputs.items() if info.name
        },  # none: of several tensors
        {plain_name(name): info.name for name, info in signature.outputs.items() if info.name},
    )
