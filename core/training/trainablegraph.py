"""A TensorFlow 1 graph that is trained: loaded into a session, its tensors found by name, and saved again."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.saved_model.loader_impl import SavedModelLoader

from ..base.librarymessages import telling_line
from ..errors import ModelError, ParameterError, TrainingError, field
from ..machine.devices import device_scope
from ..models.graphwalk import PLACEHOLDERS, has_own_value, tensors_behind
from ..models.loading import graph_of, use_part
from ..models.modelfiles import model_place, read_saved_model, split_tags
from ..models.modelinterface import plain_name
from ..models.placeholders import check_held, parse_userplaceholders
from ..models.pruning import JudgedPart, node_of
from ..models.safety import check_saved_model, refused_node, served_signature
from ..phrases import Phrase

_VARIABLES = "variables"
"""Name of the folder, and of the files, in which a SavedModel keeps its variables."""

_LISTED = 30  # nodes in a message
_UPDATES = ("Apply", "ResourceApply", "SparseApply", "ResourceSparseApply", "Assign")
_MADE_TO_SAVE = ("save/", "save_1/", "init")


def graph_to_train(path: str, tags: str) -> Any:
    """Return the program of a TensorFlow 1 graph, which is not loaded for that.

    Args:
        path: a SavedModel's folder or the saved_model.pb inside.
        tags: tag set of the graph, separated by spaces or commas; empty for `serve`.

    Raises:
        ModelError: it is no TensorFlow 1 graph.
    """
    graph = graph_of(read_saved_model(str(model_place(path))).meta_graphs, split_tags(tags), path)
    if len(graph.object_graph_def.nodes):
        raise ModelError(
            "{model_dir} is {path}, a SavedModel of TensorFlow 2, which cannot be trained. Give the .keras file "
            "that it was exported from, a SavedModel that TensorflowModelTrain wrote, or a graph of TensorFlow "
            "1.",
            model_dir=field("model_dir"),
            path=path,
        )
    return graph


class TrainableGraph:
    """A graph with its variables, in a session of its own.

    Attributes:
        folder: where it was loaded from.
        inputs, outputs: names of the signature's tensors.
        variables: all variables, those of optimizers included.
    """

    def __init__(self, path: str, tags: str, trust: bool, device: str) -> None:
        """Load the graph; close it with `close`.

        Args:
            path: a SavedModel's folder or the saved_model.pb inside.
            tags: tag set of the graph, separated by spaces or commas; empty for `serve`.
            trust: True to load a graph although it holds operations that could touch files or run code.
            device: `auto`, `cpu` or `gpu:N`.

        Raises:
            ModelError: it is no TensorFlow 1 graph, is not to be trusted, or cannot be loaded.
            ParameterError: there is no such device.
        """
        self.folder = model_place(path)
        wanted = split_tags(tags)
        graph = graph_to_train(path, tags)
        judged = JudgedPart(graph) if trust else check_saved_model(str(self.folder), wanted)
        self._left_out = judged.left_out
        if judged.variables:
            why = self._left_out[node_of(judged.variables[0])]
            refused = refused_node(str(self.folder), ", ".join(judged.variables), why)
            raise ModelError(
                "The graph {path} cannot be trained, because not all of its variables could be saved: {reason}",
                path=path,
                reason=refused.message,
            )
        self._graph = tf.Graph()
        self.session = tf.compat.v1.Session(graph=self._graph, config=_configuration(device))
        with self._graph.as_default():
            if judged.left_out:
                loaded = use_part(SavedModelLoader(str(self.folder)), judged).load(self.session, wanted)
            else:
                loaded = tf.compat.v1.saved_model.load(self.session, wanted, str(self.folder))
            self.variables = tf.compat.v1.global_variables()
            self._saver = tf.compat.v1.train.Saver(self.variables) if self.variables else None
        signature = served_signature(loaded)
        self.inputs = {n: t.name for n, t in sorted(signature.inputs.items())} if signature else {}
        self.outputs = {n: t.name for n, t in sorted(signature.outputs.items())} if signature else {}

    def close(self) -> None:
        """Give up the session."""
        self.session.close()

    # ------------------------------------------------------------- names

    def tensor(self, name: str, parameter: str) -> Any:
        """Return the tensor of an input or output of the signature, or any of the graph.

        Raises:
            ModelError: there is none of that name; the signature's are listed.
        """
        plain = plain_name(name)
        full = self.inputs.get(plain) or self.outputs.get(plain) or plain + ":0"
        try:
            return self._graph.get_tensor_by_name(full if ":" not in name or plain != name else name)
        except (KeyError, ValueError):
            self._check_not_left_out(name)
            known = [*self.inputs, *self.outputs] or [op.name for op in self._placeholders()]
            raise ModelError(
                "{parameter} names {name!r}, but the graph {folder} has no such tensor.{nearest} Its inputs and "
                "outputs are: {known}.",
                parameter=parameter,
                name=name,
                folder=self.folder,
                nearest=_nearest(name, known),
                known=", ".join(known),
            ) from None

    def _check_not_left_out(self, name: str) -> None:
        if node_of(name) in self._left_out:
            raise refused_node(str(self.folder), name, self._left_out[node_of(name)])

    def operation(self, name: str) -> Any:
        """Return the operation that a target node is.

        Raises:
            ModelError: there is none of that name; those that train are listed.
        """
        try:
            return self._graph.get_operation_by_name(plain_name(name))
        except (KeyError, ValueError):
            self._check_not_left_out(name)
            known = self._training_operations()
            raise ModelError(
                "{training_targetnodes} names {name!r}, but the graph {folder} has no such node.{nearest} Nodes "
                "that change variables: {known}.",
                training_targetnodes=field("training_targetnodes"),
                name=name,
                folder=self.folder,
                nearest=_nearest(name, known),
                known=", ".join(known[:_LISTED]) or Phrase("none"),
            ) from None

    def target_nodes(self, names: Sequence[str]) -> list[Any]:
        """Return the operations to run for each batch.

        Raises:
            ParameterError: none is named. ModelError: one does not exist.
        """
        if not names:
            known = ", ".join(self._training_operations()[:_LISTED]) or Phrase("none")
            raise ParameterError(
                "{training_targetnodes} is missing: name the node that trains the graph. Nodes that change "
                "variables: {known}.",
                training_targetnodes=field("training_targetnodes"),
                known=known,
            )
        return [self.operation(name) for name in names]

    def _training_operations(self) -> list[str]:
        """Names of the operations that only gather updates of variables, as the result of `optimizer.minimize` does."""
        found = []
        for operation in self._graph.get_operations():
            if operation.type in ("NoOp", "AssignAddVariableOp", "AssignAdd") and not operation.name.startswith(
                _MADE_TO_SAVE
            ):
                before = [*operation.control_inputs, *(c for b in operation.control_inputs for c in b.control_inputs)]
                if any(other.type.startswith(_UPDATES) for other in before):
                    found.append(operation.name)
        return found

    def _placeholders(self) -> list[Any]:
        return [
            op
            for op in self._graph.get_operations()
            if op.type in PLACEHOLDERS and op.outputs[0].dtype.base_dtype != tf.string
        ]

    def free_placeholders(self, taken: Iterable[str]) -> list[str]:
        """Return the names of inputs that take batches, in alphabetical order, without those of `taken` (names of tensors)."""
        named = self.inputs or {op.name: op.outputs[0].name for op in self._placeholders()}
        return [
            name for name, tensor in sorted(named.items()) if tensor not in set(taken) and self._takes_batches(tensor)
        ]

    def _takes_batches(self, name: str) -> bool:
        tensor = self._graph.get_tensor_by_name(name)
        return tensor.shape.rank != 0 and not has_own_value(tensor, name in self.inputs.values())

    def placeholder_values(self, text: str, parameter: str) -> dict[Any, np.ndarray]:
        """Return the values of user placeholders by tensor, with the dtype and rank that each asks for.

        Raises:
            ParameterError: a word is no `name=value`, or the value does not fit. ModelError: there is no such tensor.
        """
        found = {}
        for name, value in parse_userplaceholders(text, parameter).items():
            tensor = self.tensor(name, parameter)
            array, dtype = np.asarray(value), np.dtype(tensor.dtype.base_dtype.as_numpy_dtype)
            check_held(array, dtype, f"{parameter}: {name}={value}")
            array = array.astype(dtype)
            rank = tensor.shape.rank
            if rank is not None and array.ndim != rank:
                if array.ndim > rank and array.size != 1:
                    raise ParameterError(
                        "{parameter} gives {name} {size} values, but the graph takes a single one (shape {shape}).",
                        parameter=parameter,
                        name=name,
                        size=array.size,
                        shape=tensor.shape,
                    )
                array = array.reshape((1,) * (rank - array.ndim) + array.shape if rank > array.ndim else ())
            found[tensor] = array
        return found

    def needed(self, fetches: Iterable[Any], fed: Collection[str]) -> list[Any]:
        """Return the tensors that have to be fed for the fetches to be computed, those of `fed`, names, among them."""
        signed = set(self.inputs.values())
        found = [
            tensor
            for tensor in tensors_behind(fetches, lambda tensor: tensor.name in fed)
            if tensor.name in fed
            or (tensor.op.type in PLACEHOLDERS and not has_own_value(tensor, tensor.name in signed))
        ]
        return sorted(found, key=lambda tensor: tensor.name)

    # --------------------------------------------------------- variables

    def values(self) -> list[np.ndarray]:
        """Return the values of all variables."""
        return [np.asarray(value) for value in self.session.run(self.variables)]

    def set_values(self, values: Sequence[np.ndarray]) -> None:
        """Give all variables their values."""
        starts = [variable.initializer for variable in self.variables]
        self.session.run(starts, {start.inputs[1]: value for start, value in zip(starts, values)})

    def restore(self, path: str) -> None:
        """Take the variables from saved ones.

        Args:
            path: a SavedModel's folder, or the prefix of saved variables such as DIR/variables/variables.

        Raises:
            ParameterError: there are none, or they are of another graph.
        """
        place = Path(path)
        prefix = place / _VARIABLES / _VARIABLES if place.is_dir() else place
        if self._saver is None or not Path(f"{prefix}.index").is_file():
            raise ParameterError(
                "{model_restorefrom} is {path}, but {prefix}.index does not exist: give the folder of a SavedModel, "
                "or the prefix of saved variables (DIR/variables/variables).",
                model_restorefrom=field("model_restorefrom"),
                path=path,
                prefix=prefix,
            )
        try:
            with self._graph.as_default():
                self._saver.restore(self.session, str(prefix))
        except (tf.errors.OpError, ValueError) as error:
            first = telling_line(error)
            raise ParameterError(
                "{model_restorefrom} is {path}, whose variables do not fit the graph {folder}: {first}. Give "
                "variables of the same graph.",
                model_restorefrom=field("model_restorefrom"),
                path=path,
                folder=self.folder,
                first=first,
            ) from error

    def save(self, prefix: Path) -> None:
        """Write the variables as `prefix`.index and `prefix`.data-*.

        Raises:
            TrainingError: they cannot be written.
        """
        if self._saver is None:
            raise ModelError("The graph {folder} has no variables: there is nothing to train.", folder=self.folder)
        prefix.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._graph.as_default():  # else the saver takes it that TensorFlow is eager
                self._saver.save(self.session, str(prefix), write_meta_graph=False, write_state=False)
        except (tf.errors.OpError, OSError, ValueError) as error:
            first = telling_line(error)
            raise TrainingError(
                "The variables cannot be written to {parent}: {first}.", parent=prefix.parent, first=first
            ) from error


# --------------------------------------------------------------- sources


def is_prefix(path: str) -> bool:
    """Return whether a path to save to is the prefix of a SavedModel's variables rather than a folder."""
    place = Path(path)
    return place.name == _VARIABLES and place.parent.name == _VARIABLES


def variables_of(folder: Path) -> Path:
    """Return the prefix of the variables of a SavedModel."""
    return folder / _VARIABLES / _VARIABLES


def _configuration(device: str) -> Any:
    device_scope(device)  # says what is wrong with it
    configuration = tf.compat.v1.ConfigProto(allow_soft_placement=True)
    wanted = device.strip().lower()
    if wanted == "cpu":
        configuration.device_count["GPU"] = 0
    elif wanted.startswith("gpu:"):
        configuration.gpu_options.visible_device_list = wanted.partition(":")[2]
    return configuration


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return Phrase(" Did you mean {near}?", near=near[0]) if near else ""
