"""The network that is trained: where it comes from, and the part of it that takes part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..base.librarymessages import telling_line
from ..errors import ModelError, ParameterError, as_key, field, worded
from ..models.kerasfile import check_weights_file
from ..models.keraslayers import ClassValues, TargetScaling
from ..models.loading import KerasModel, load_model
from ..models.modelfiles import is_onnx, keras_file
from ..models.temperaturelayer import TemperatureScaling
from ..parameters.templatedescription import Template
from ..parameters.templatenames import TEMPLATE_PREFIX, TRAINABLE
from ..phrases import Phrase
from .precision import mixed_copy

_LEAST_MOMENTUM = 0.5  # of batch normalization: a last batch of an epoch may be small

_OF_TRAINING = ("width", "depth")
"""Options of templates that are parameters of a training, too."""

WITHOUT_WORK = ("Activation", "Cropping2D", "Flatten", "Identity", "Reshape")
"""Layers through which one looks for the activation of an output."""

_FUSED = ("Conv1D", "Conv2D", "Conv2DTranspose", "Conv3D", "Dense", "SeparableConv2D")
"""Layers whose activation is the last that they compute."""


def template_shadowed_by_path(model_dir: str) -> str:
    """Return a warning where MODEL_DIR is a path, but could have been meant as the template of that name; else nothing."""
    path = Path(model_dir)
    if path.name not in TRAINABLE or not path.exists():
        return ""
    return Phrase(
        "{model_dir} is {model_dir2}: the file or folder {absolute} is used, not the template {path}. For the "
        "template write {template_prefix}{path}.",
        model_dir=field("model_dir"),
        model_dir2=model_dir,
        absolute=path.absolute(),
        path=path.name,
        template_prefix=TEMPLATE_PREFIX,
    )


class Network:
    """A Keras model, and the part of it that is trained.

    Attributes:
        name: for messages: MODEL_DIR.
        outputs: names of its outputs, without labels of classes that an earlier training added.
        layers: names of the layers whose outputs may be had, without those either.
        calibrated: whether an earlier training calibrated probabilities; here they are uncalibrated again.
        labels: the labels that such an output gives, in the order of the classes; empty where there is not exactly one.
        inputs: names and shapes (with the batch) of its inputs.
        whole: the Keras model with all `outputs`, computing with 32 bits; its weights are those that were trained once
            `adopt_trained_weights` was called.
        trained: from a dictionary of the inputs to the output that is trained.
        trained_tensor: that output in `whole`, with the bands last.
    """

    def __init__(self, name: str, model: KerasModel) -> None:
        self.name = name
        self._separated: dict[str, Any] = {}  # tensors by output, of sigmoids that got a layer of their own
        uncalibrated = _without_calibration(model)
        self.calibrated, model = uncalibrated is not model, uncalibrated
        self._model = model
        makers = {layer: maker_of(model.tensor(layer)) for layer in model.layers}
        self.layers = [layer for layer, maker in makers.items() if not isinstance(maker, ClassValues)]
        told = [maker.values for maker in makers.values() if isinstance(maker, ClassValues)]
        self.labels: list[int] = told[0] if len(told) == 1 else []
        self.outputs = [output for output in model.outputs if output in self.layers or output not in model.layers]
        if not self.outputs:
            raise ModelError(
                "The model {name} has only class labels as outputs, which cannot be trained: choose another model.",
                name=name,
            )
        self.inputs = {tensor.name: tuple(tensor.shape) for tensor in model.input_tensors}
        self.dtypes = {tensor.name: str(tensor.dtype) for tensor in model.input_tensors}
        tensors = {output: self.tensor(output) for output in self.outputs}
        self.whole = keras.Model(model.input_tensors, tensors, name=_plain(name))
        self.trained: keras.Model = self.whole
        self.trained_tensor: Any = None
        self._output, self._copied = "", False

    @property
    def output(self) -> Any:
        """The Keras tensor of the output that is trained, in `whole`."""
        return self.tensor(self._output)

    def tensor(self, name: str) -> Any:
        """Return the Keras tensor of an output or layer of `whole`."""
        return self._separated[name] if name in self._separated else self._model.tensor(name)

    @property
    def input_tensors(self) -> list[Any]:
        """The Keras tensors of the inputs."""
        return self._model.input_tensors

    @property
    def bands(self) -> int | None:
        """Number of classes, or of values, of the output that is trained; None where it is unknown."""
        shape = self.output.shape
        return 1 if len(shape) in (1, 3) else shape[-1]

    @property
    def activation(self) -> str:
        """Keras's name of the activation that makes the output that is trained; empty where no layer tells."""
        layer = maker_of(self.output)
        while type(layer).__name__ in WITHOUT_WORK and activation_of(layer) in ("", "linear"):
            before = layer.input
            layer = maker_of(before) if not isinstance(before, (list, dict)) else None
        return "softmax" if isinstance(layer, keras.layers.Softmax) else activation_of(layer)

    @property
    def target_scaling(self) -> TargetScaling | None:
        """The layer that brings the output that is trained to the target's unit; None where there is none."""
        layer = maker_of(self.output)
        return layer if isinstance(layer, TargetScaling) else None

    def choose_output(self, output: str) -> None:
        """Take an output to train."""
        self._output = output
        tensor = self.output
        if len(tensor.shape) in (1, 3):  # without bands
            tensor = keras.ops.expand_dims(tensor, -1)
        self.trained_tensor = tensor
        self.trained = self._trained_part()

    def new_name(self, name: str) -> str:
        """Return a name that begins like this, and that no layer nor output has."""
        taken = {layer.name for layer in self.whole.layers} | set(self.outputs)
        while name in taken:
            name += "_"
        return name

    def separate_sigmoid(self) -> None:
        """Give a sigmoid that belongs to the layer of the trained output a layer of its own, so that its logits can be had.

        Probabilities of 32 bits do not tell them: they are 1 from a logit of 17 on. Nothing is changed where another layer
        takes the output, too.
        """
        layer = maker_of(self.output)
        takers = [node for node in _nodes(self.whole) if any(each is self.output for each in node.input_tensors)]
        shared = takers or len(layer._inbound_nodes) > 1
        if activation_of(layer) != "sigmoid" or type(layer).__name__ not in _FUSED or shared:
            return
        logits, name = self.output, layer.name  # which is that of the output, in a file
        layer.name, layer.activation = self.new_name(f"{name}_logits"), keras.activations.linear
        self._separated[self._output] = keras.layers.Activation("sigmoid", name=name)(logits)
        tensors = {output: self.tensor(output) for output in self.outputs}
        self.whole = keras.Model(self._model.input_tensors, tensors, name=self.whole.name)
        self.choose_output(self._output)

    def _trained_part(self) -> keras.Model:
        """The part of `whole` that is trained, with its weights."""
        return keras.Model({tensor.name: tensor for tensor in self.input_tensors}, self.trained_tensor)

    def follow_each_epoch(self, steps: int) -> None:
        """Let the means of batch normalization follow the last epoch, if they would reach back further.

        Else they are those of other weights, and scores between the epochs those of another network.

        Args:
            steps: batches in an epoch.
        """
        for layer in self.whole._flatten_layers(include_self=False):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = min(layer.momentum, max(_LEAST_MOMENTUM, 1 - 1 / steps))

    def use_mixed_precision(self, policy: str) -> None:
        """Let `trained` become a copy that computes with 16 bits."""
        self.trained, self._copied = mixed_copy(self.trained, policy), True

    def adopt_trained_weights(self) -> None:
        """Give `whole` the weights that were trained."""
        if self._copied:
            for own, trained in zip(self._trained_part().variables, self.trained.variables):
                own.assign(trained)

    def check_inputs(self, feeds: Mapping[str, tuple[str, tuple[int, ...]]]) -> None:
        """Raise ParameterError where a source has not the size that its input takes.

        Args:
            feeds: by input, a source's name for messages and the shape of its samples.
        """
        for name, (source, shape) in feeds.items():
            wanted = self.inputs[name][1:]
            shown = fitted_shape(shape, len(wanted))
            if len(shown) != len(wanted) or any(w not in (None, s) for w, s in zip(wanted, shown)):
                sizes = Phrase(" x ").join(Phrase("any") if size is None else str(size) for size in wanted)
                raise ParameterError(
                    "{source} has patches of {shape} (rows, columns, bands), but the input {name} of the model "
                    "{name2} takes {sizes}: extract patches of that size, or choose another model.",
                    source=source,
                    shape=" x ".join(map(str, shape)),
                    name=name,
                    name2=self.name,
                    sizes=sizes,
                )

    def try_on(self, batch: Mapping[str, Any], sizes: str) -> np.ndarray:
        """Return what `trained` makes of a batch.

        Args:
            batch: tensors by input.
            sizes: of the patches, for messages.

        Raises:
            ParameterError: the model cannot be applied to patches of this size.
        """
        from ..probing.compute import REFUSALS

        try:
            return np.asarray(self.trained(batch, training=False), "float64")
        except (ValueError, *REFUSALS) as error:
            first = telling_line(error)
            raise ParameterError(
                "The model {name} cannot be applied to patches of {sizes}: {first}. Extract patches of a size that "
                "it takes (see otbtf:describemodel), lower {depth} of a template, or choose another model.",
                name=self.name,
                sizes=sizes,
                first=first,
                depth=field("depth"),
            ) from error


def load_network(model_dir: str, trust: bool) -> Network:
    """Load the Keras model of MODEL_DIR.

    Raises:
        ModelError: it cannot be loaded, or is not to be trusted.
    """
    model = None if is_onnx(Path(model_dir)) else load_model(str(keras_file(model_dir)), trust=trust)
    if not isinstance(model, KerasModel):
        raise ModelError(
            "{model_dir} is {model_dir2}, but must be a Keras model: give a .keras file.",
            model_dir=field("model_dir"),
            model_dir2=model_dir,
        )
    return Network(model_dir, model)


def make_network(template: Template, **options: Any) -> Network:
    """Return the network of a template; see `templates.catalogue.create`.

    Raises:
        ParameterError: an option that the samples decide does not fit; the template has it, not the training.
    """
    from ..templates.catalogue import create

    try:
        model = create(template.name, **options)
    except ParameterError as error:

        def word(path: str) -> str:
            if path in _OF_TRAINING:
                return field(path)
            return Phrase("{path} of the template {template}", path=as_key(path), template=template.name)

        raise ParameterError(worded(error.message, word)) from error
    return Network(template.name, KerasModel(template.name, model))


def restore(network: Network, path: str, trust: bool = False) -> None:
    """Take weights from a file: a .keras file, a trained SavedModel's folder, or a .weights.h5 file.

    Args:
        network: that takes them.
        path: the file.
        trust: see `load_network`.

    Raises:
        ParameterError, ModelError: it cannot be read, or is of another network.
    """
    if path.endswith(".weights.h5"):
        if Path(path).is_file():
            check_weights_file(path)
        try:
            network.whole.load_weights(path)
        except (ValueError, OSError) as error:
            raise _other_network_error(network, path, telling_line(error)) from error
        return
    file = keras_file(path)
    if file is None or not file.is_file():
        raise ParameterError(
            "{model_restorefrom} is {path}, but must be a .keras or .weights.h5 file that exists.",
            model_restorefrom=field("model_restorefrom"),
            path=path,
        )
    other = load_network(path, trust).whole
    here, there = network.whole.weights, other.weights
    if [tuple(weight.shape) for weight in here] != [tuple(weight.shape) for weight in there]:
        raise _other_network_error(
            network,
            path,
            Phrase(
                "it has {there_count} weights, the model {here_count}, or they differ in shape",
                there_count=len(there),
                here_count=len(here),
            ),
        )
    network.whole.set_weights(other.get_weights())


def _other_network_error(network: Network, path: str, why: str) -> ParameterError:
    return ParameterError(
        "{model_restorefrom} is {path}, which does not fit the model {network}: {why}. Give weights of the same "
        "network.",
        model_restorefrom=field("model_restorefrom"),
        path=path,
        network=network.name,
        why=why,
    )


def fitted_shape(shape: Sequence[int], rank: int) -> tuple[int, ...]:
    """Return the shape of a sample for an input of so many dimensions: one pixel may lose its rows and columns."""
    return tuple(shape[2:]) if rank == 1 and len(shape) == 3 and tuple(shape[:2]) == (1, 1) else tuple(shape)


def _without_calibration(model: KerasModel) -> KerasModel:
    """Return a model whose probabilities are no longer calibrated; the model itself where none are."""
    tensors = {output: model.tensor(output) for output in model.outputs}
    scaled = {name: maker_of(tensor) for name, tensor in tensors.items()}
    scaled = {name: maker for name, maker in scaled.items() if isinstance(maker, TemperatureScaling)}
    if not scaled:
        return model
    for output, maker in scaled.items():
        tensors[output] = model.layer_tensor(maker.uncalibrated) if maker.logits else maker.input
        maker_of(tensors[output]).name = maker.name  # an output is called by its layer in a file
    return KerasModel(model.path, keras.Model(model.input_tensors, tensors))


def _nodes(model: keras.Model) -> list[Any]:
    """Return the calls of layers that a model is made of."""
    return [node for depth in model._nodes_by_depth.values() for node in depth]


def maker_of(tensor: Any) -> Any:
    """Return the layer that makes a tensor."""
    history = getattr(tensor, "_keras_history", None)
    return history.operation if history else None


def activation_of(layer: Any) -> str:
    """Return Keras's name of the activation of a layer; empty where it has none."""
    return str(getattr(getattr(layer, "activation", None), "__name__", ""))


def _plain(name: str) -> str:
    """Return a name that Keras allows, from a path."""
    stem = Path(name).stem
    return "".join(letter if letter.isalnum() else "_" for letter in stem) or "model"
