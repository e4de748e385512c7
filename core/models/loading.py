"""Loading a model from a SavedModel folder, a .keras file or an .onnx file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import ModelError, field
from ..parameters.templatenames import TEMPLATE_PREFIX
from ..phrases import Phrase
from .identity import identity
from .kerasfile import (
    check_keras_file,
    is_keras_2,
    keras_2,
    keras_version,
    loadable_copy,
    newer_keras,
    trusted_configuration,
)
from .modelfiles import is_onnx, model_place, read_saved_model, split_tags
from .modelinterface import Model, TensorInfo, is_real, plain_name
from .onnxmodel import load_onnx
from .pruning import JudgedPart
from .safety import NO_SIGNATURES, check_saved_model
from .savedmodels import FunctionModel, GraphModel

_LONGEST = 2000
"""Most characters of another program's message that ours quotes."""


def load_model(path: str, tags: str = "", trust: bool = False, device: str = "auto") -> Model:
    """Load a model for computing.

    Args:
        path: a SavedModel's folder or the saved_model.pb inside, a .keras file, or an .onnx file.
        tags: tag set of the SavedModel's graph, separated by spaces or commas; empty for `serve`.
        trust: True to load a model although it holds operations that could touch files or run code.
        device: as DEVICE, for an ONNX model; TensorFlow's are loaded in the scope of a device.

    Raises:
        ModelError: it is no model, is not to be trusted, or cannot be loaded.
        ParameterError: ONNX Runtime cannot use the device.
    """
    place = model_place(path)
    if not place.exists() and path.startswith(TEMPLATE_PREFIX):
        raise ModelError(
            "{path} is a template, not a trained model: train it first (otbtf:trainmodel), and give the model that is written.",
            path=path,
        )
    if not place.exists():
        raise ModelError("The model {path} does not exist: check the path.", path=path)
    which = identity(path, split_tags(tags))
    model = _loaded_from(place, split_tags(tags), trust, device)
    model.identity = which
    return model


def _loaded_from(place: Path, tags: list[str], trust: bool, device: str) -> Model:
    if place.is_dir():
        return _load_saved_model(place, tags, trust)
    return load_onnx(place, device) if is_onnx(place) else _load_keras(place, trust)


def _load_saved_model(folder: Path, tags: list[str], trust: bool) -> Model:
    graphs = read_saved_model(str(folder)).meta_graphs
    graph = graph_of(graphs, tags, str(folder))
    judged = JudgedPart(graph) if trust else check_saved_model(str(folder), tags)
    objects = len(graphs) == 1 and graph.HasField("object_graph_def")  # as TensorFlow tells
    try:
        loaded = _loaded(folder, tags, judged, objects)
    except Exception as error:  # TensorFlow raises whatever the part that failed raises
        raise ModelError(
            "TensorFlow cannot load the model {folder}: {reason} Check that it is complete (saved_model.pb and the "
            "folder variables) and not from a newer TensorFlow.",
            folder=folder,
            reason=_reason(error),
        ) from error
    return FunctionModel(str(folder), loaded) if objects else GraphModel(str(folder), loaded, judged)


def graph_of(graphs: Any, tags: Sequence[str], path: str) -> Any:
    """Return the graph with these tags, of a SavedModel's graphs.

    Raises:
        ModelError: there is none.
    """
    graph = next((g for g in graphs if set(g.meta_info_def.tags) == set(tags)), None)
    if graph is None:
        known = Phrase("; ").join(" ".join(g.meta_info_def.tags) or Phrase("(no tags)") for g in graphs)
        raise ModelError(
            "The model {path} has no graph with the tags {tags}: set {model_tagsets} to one of: {known}.",
            path=path,
            tags=" ".join(tags),
            model_tagsets=field("model_tagsets"),
            known=known,
        )
    return graph


def _loaded(folder: Path, tags: list[str], judged: JudgedPart, objects: bool) -> Any:
    """Return what TensorFlow makes of a SavedModel, of a graph of TensorFlow 1 no more than the part that was judged.

    Its signatures are left out, since TensorFlow refuses one that does not name each placeholder of its outputs.
    """
    import tensorflow as tf

    if objects:
        return tf.saved_model.load(str(folder), tags=tags)
    from tensorflow.python.saved_model.load_v1_in_v2 import _EagerSavedModelLoader

    with tf.init_scope():
        loader = use_part(_EagerSavedModelLoader(str(folder)), judged)
        signatures = loader._saved_model.meta_graphs[0].signature_def
        for key in signatures.keys() - NO_SIGNATURES:
            del signatures[key]
        return loader.load(tags=tags)


def use_part(loader: Any, judged: JudgedPart) -> Any:
    """Let one of TensorFlow's loaders load the part that was judged, in place of the file; return it."""
    from tensorflow.core.protobuf import saved_model_pb2

    loader._saved_model = saved_model_pb2.SavedModel(meta_graphs=[judged.meta_graph])
    return loader


def _reason(error: BaseException) -> str:
    """Return what went wrong, in full: what Keras wraps with the settings of each layer around it, and they may be long."""
    text = str(error).rpartition("Exception encountered: ")[2]
    text = re.split(r"Full object config: |\n\nconfig=\{", text)[0]
    words = " ".join(text.split()) or type(error).__name__
    return (words if len(words) <= _LONGEST else words[:_LONGEST] + "...").rstrip(".") + "."


def _load_keras(file: Path, trust: bool) -> Model:
    import keras

    from ..bandmath import expressionlayer  # noqa: F401

    # Registered with Keras on import.
    from . import (  # noqa: F401
        attentionlayers,
        detectionlayer,
        keraslayers,
        missingvalues,
        serieslayers,
        targetsmodel,
        temperaturelayer,
        tracedlayer,
    )
    from .kerasresize import repair

    repair()
    with _keras_source(file, trust) as source:
        try:
            loaded = keras.models.load_model(source, compile=False, safe_mode=not trust)
        except Exception as error:  # Keras raises whatever the layer that failed raises
            raise _keras_error(file, error) from error
    if not getattr(loaded, "inputs", None):
        raise ModelError(
            "The Keras model {file} has no fixed inputs (a subclassed model): export it with model.export().", file=file
        )
    return KerasModel(str(file), loaded)


@contextmanager
def _keras_source(file: Path, trust: bool) -> Iterator[str]:
    """Yield what Keras is to load: the configuration as it was checked, none of it for compiling."""
    if trust and file.suffix.lower() != ".keras":
        yield str(file)
        return
    read = trusted_configuration if trust else check_keras_file
    with loadable_copy(str(file), read(str(file))) as copy:
        yield copy


def _keras_error(file: Path, error: Exception) -> ModelError:
    if isinstance(error, ModelError):
        return error
    version = keras_version(str(file)) if file.suffix.lower() == ".keras" else ""
    if is_keras_2(version):
        return ModelError(
            "Keras cannot load the model {file}: {keras_2}. Keras said: {reason}",
            file=file,
            keras_2=keras_2(version),
            reason=_reason(error),
        )
    cure = newer_keras(version) or (
        Phrase("If it uses a layer of its own, export the model as a SavedModel where it was made (model.export).")
    )
    return ModelError(
        "Keras cannot load the model {file}: {reason} {cure}", file=file, reason=_reason(error), cure=cure
    )


_LAST = 4
"""How many layers before the end may hold what a class number is made of."""


class KerasModel(Model):
    """A functional or sequential Keras model."""

    kind = "Keras"

    def __init__(self, path: str, loaded: Any) -> None:
        super().__init__(path)
        self._keras = loaded
        self._inputs = {tensor.name: tensor for tensor in loaded.inputs}
        graph = getattr(loaded, "_functional", None) or loaded  # a Sequential model wraps a functional one
        self._outputs = dict(zip(graph.output_names, graph.outputs))
        self.inputs = {name: self._describe(name, tensor) for name, tensor in sorted(self._inputs.items())}
        self.outputs = {name: self._describe(name, tensor) for name, tensor in sorted(self._outputs.items())}
        self._layers = _layer_outputs(graph)

    @property
    def layers(self) -> list[str]:
        """Names of the layers whose outputs may be had by name, from the first to the last."""
        return list(self._layers)

    def output(self, name: str) -> TensorInfo:
        """Return an output, or the output of any layer, by name."""
        plain = plain_name(name)
        if plain not in self.outputs and plain not in self._layers:
            raise self.unknown(Phrase("output"), name, [*self.outputs, *self._layers])
        return self.outputs.get(plain) or self._describe(plain, self._layers[plain])

    def tensor(self, name: str) -> Any:
        """Return the Keras tensor of an output or layer."""
        plain = self.output(name).name
        return self._outputs[plain] if plain in self._outputs else self._layers[plain]

    def layer_tensor(self, layer: str) -> Any:
        """Return the Keras tensor of a layer, also where an output that it does not make has its name.

        Raises:
            ModelError: there is no such layer.
        """
        if layer not in self._layers:
            raise self.unknown(Phrase("layer"), layer, list(self._layers))
        return self._layers[layer]

    def values_behind(self, output: str) -> list[str]:
        """Return the last real-valued layers; see `Model`."""
        return [name for name in reversed(self._layers) if is_real(self._describe(name, self._layers[name]))][:_LAST]

    @property
    def input_tensors(self) -> list[Any]:
        """The Keras tensors of the inputs, in the model's order."""
        return list(self._inputs.values())

    @staticmethod
    def _describe(name: str, tensor: Any) -> TensorInfo:
        return TensorInfo(name, tuple(tensor.shape), str(tensor.dtype))

    def used_inputs(self, outputs: Sequence[str]) -> list[str]:
        """Return all inputs: a model is called on each of them."""
        return list(self.inputs)

    def function(self, inputs: Sequence[str], outputs: Sequence[str]) -> Callable[[Mapping[str, Any]], list[Any]]:
        """See `Model.function`."""
        import keras

        ordered = list(self._inputs)
        part = keras.Model(list(self._inputs.values()), [self.tensor(name) for name in outputs])

        def call(feeds: Mapping[str, Any]) -> list[Any]:
            return keras.tree.flatten(part([feeds[name] for name in ordered], training=False))

        return call


def _layer_outputs(graph: Any) -> dict[str, Any]:
    """The output of each layer that is called once and gives one tensor.

    From the model's own graph: `layer.output` of a model inside a model is a tensor of the inner graph.
    """
    found: dict[str, list[Any]] = {}
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            found.setdefault(node.operation.name, []).extend(node.output_tensors)
    inputs = {tensor.name for tensor in graph.inputs}
    return {name: tensors[0] for name, tensors in found.items() if len(tensors) == 1 and name not in inputs}
