"""The base class of models for training, made from what a data set delivers.

    class MyModel(ModelBase):
        def normalize_inputs(self, inputs):
            return {"image": tf.cast(inputs["image"], tf.float32) * 0.0001}

        def get_outputs(self, normalized_inputs):
            ...
            return {"labels": keras.layers.Softmax(name="softmax")(net)}

    model = MyModel(dataset_element_spec=dataset.element_spec)
    model.compile(loss={"labels": "categorical_crossentropy"}, optimizer="adam")
    model.fit(dataset)
    model.save("model.keras")

The names are those of the data set's inputs and targets.
"""

from __future__ import annotations

import abc
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..base.librarymessages import telling_line
from ..errors import ModelError, ParameterError
from ..models.kerasresize import repair
from ..models.loading import KerasModel
from ..models.savedmodelexport import export_saved_model
from ..models.targetsmodel import TargetsModel
from ..models.tracedlayer import trace
from ..patches.patchesarrays import cropped_tensor_name
from ..phrases import Phrase
from ..probing.exactcrop import exact_crop
from . import fitting
from .strategies import is_chief, out_of_scope

__all__ = ["ModelBase", "cropped_tensor_name"]

Tensors = dict[str, Any]
"""Keras tensors by name; images have the shape (batch, rows, columns, bands)."""

_is_chief = is_chief  # OTBTF's name
_CROPS = (16, 32, 64, 96, 128)
_log = logging.getLogger(__name__)


class ModelBase(abc.ABC):
    """A Keras model whose inputs are a data set's, with normalisation inside and outputs for serving.

    What is asked of it that it does not have itself (`compile`, `fit`, `evaluate`, `export`, ...) is the
    Keras model's.

    Attributes:
        model: the Keras model.
        dataset_input_keys: names of the inputs.
        inputs_shapes: shapes of one sample's inputs by name.
        inference_cropping: output pixels to leave out on each side, one more output for each.
    """

    def __init__(
        self,
        dataset_element_spec: Any,
        input_keys: Sequence[str] | None = None,
        inference_cropping: Sequence[int] | None = None,
    ) -> None:
        """Make the Keras model; under a strategy, call this inside its scope.

        Args:
            dataset_element_spec: `element_spec` of a data set that gives tuples (inputs, targets).
            input_keys: names of the inputs that the model takes; None for all.
            inference_cropping: output pixels to leave out on each side; None for 16, 32, 64, 96 and 128.

        Raises:
            ParameterError: the data set has no targets, or no input of that name; a crop is smaller than 1.
            ModelError: the outputs lack a target of the data set.
        """
        repair()
        inputs, targets = _inputs_and_targets(dataset_element_spec)
        self.dataset_input_keys = list(input_keys or inputs)
        missing = [key for key in self.dataset_input_keys if key not in inputs]
        if missing:
            raise ParameterError(
                "input_keys names {missing}, but the data set's inputs are: {inputs}.",
                missing=", ".join(missing),
                inputs=", ".join(inputs),
            )
        self.inputs_shapes = {key: inputs[key].shape[1:] for key in self.dataset_input_keys}
        self._inputs_dtypes = {key: inputs[key].dtype for key in self.dataset_input_keys}
        self.inference_cropping = list(_CROPS if inference_cropping is None else inference_cropping)
        if any(crop < 1 for crop in self.inference_cropping):
            raise ParameterError(
                "inference_cropping is {inference_cropping}, but must be numbers of pixels from 1 on.",
                inference_cropping=self.inference_cropping,
            )
        self._output_keys: list[str] = []
        self.model = self.create_network()
        lacking = [key for key in targets if self._output_keys and key not in self._output_keys]
        if lacking:
            raise ModelError(
                "get_outputs of {type} returns {output_keys}, but the data set's targets are {targets}: return "
                "{lacking} too, or leave it out of the target keys.",
                type=type(self).__name__,
                output_keys=", ".join(self._output_keys),
                targets=", ".join(targets),
                lacking=", ".join(lacking),
            )

    def __getattr__(self, name: str) -> Any:
        if name == "model":  # not made yet
            raise AttributeError("The Keras model does not exist before create_network has returned it.")
        return getattr(self.model, name)

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        """Call the Keras model."""
        return self.model(*arguments, **more)

    def get_inputs(self) -> Tensors:
        """Return the inputs: float32 (text stays text), images of any size."""
        inputs = {}
        for key in self.dataset_input_keys:
            shape = list(self.inputs_shapes[key])
            if len(shape) > 2:
                shape[:2] = [None, None]
            dtype = "string" if self._inputs_dtypes[key] == tf.string else "float32"
            inputs[key] = keras.Input(shape=shape, name=key, dtype=dtype)
        return inputs

    def normalize_inputs(self, inputs: Tensors) -> Tensors:
        """Return the inputs as the network wants them; to be overridden. This part is served with the model.

        Plain TensorFlow, `keras.ops` and Keras's layers work here.
        """
        _log.warning("%s normalizes nothing: override normalize_inputs where it should.", type(self).__name__)
        return inputs

    @abc.abstractmethod
    def get_outputs(self, normalized_inputs: Tensors) -> Tensors:
        """Return the network's outputs, under the names of the data set's targets."""

    def postprocess_outputs(
        self, outputs: Tensors, inputs: Tensors | None = None, normalized_inputs: Tensors | None = None
    ) -> Tensors:
        """Return further outputs, for serving: here crops of all images, named as `cropped_tensor_name` says.

        Plain TensorFlow, `keras.ops` and Keras's layers work in an override.

        Args:
            outputs: what `get_outputs` returned.
            inputs: the inputs.
            normalized_inputs: what `normalize_inputs` returned.
        """
        cropped = {}
        for key, tensor in outputs.items():
            if len(tensor.shape) < 3:
                continue
            for crop in self.inference_cropping:
                name = cropped_tensor_name(_layer_name(tensor, key), crop)
                part = tensor[:, crop:-crop, crop:-crop]
                cropped[cropped_tensor_name(key, crop)] = _named(part, name)
        return cropped

    def create_network(self) -> keras.Model:
        """Return the Keras model of the inputs, the outputs and the further outputs."""
        inputs = self.get_inputs()
        normalized = self._inside("normalize_inputs", inputs=inputs)
        outputs = dict(self.get_outputs(normalized_inputs=normalized))
        self._output_keys = list(outputs)
        # A copy: overrides may add to the dictionary that they get.
        further = self._inside(
            "postprocess_outputs", outputs=dict(outputs), inputs=inputs, normalized_inputs=normalized
        )
        return TargetsModel(inputs=inputs, outputs={**outputs, **further}, name=type(self).__name__)

    def _inside(self, method: str, **arguments: Tensors) -> Tensors:
        """Call a method on symbolic tensors; inside a layer where it uses TensorFlow's functions."""
        function: Callable[..., Tensors] = getattr(self, method)
        try:
            return function(**arguments)
        except ValueError as error:
            if "KerasTensor" not in str(error):
                raise
        names = list(arguments)
        layer = f"{type(self).__name__}_{method}"
        made = trace(lambda *given: function(**dict(zip(names, given))), list(arguments.values()), layer)
        if method == "normalize_inputs":
            return dict(made)
        # Keras names outputs after the layers that make them.
        return {key: _named(tensor, key) for key, tensor in made.items()}

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        **more: Any,
    ) -> keras.callbacks.History:
        """Fit the model: Keras's `fit`, and the same under MultiWorkerMirroredStrategy, where that fails.

        Args:
            x: the data set, of tuples (inputs, targets); or arrays, where there is one worker.
            y: targets, where `x` are arrays.
            batch_size: where `x` are arrays.
            epochs: number of the last epoch.
            verbose: as in Keras; on the chief only.
            **more: see `training.fitting.fit`.

        Returns:
            Keras's history.

        Raises:
            ParameterError, TrainingError: see `training.fitting.fit`.
        """
        arrays: dict[str, Any] = {
            key: value for key, value in (("y", y), ("batch_size", batch_size)) if value is not None
        }
        return fitting.fit(self.model, x, epochs=epochs, verbose=verbose, **arrays, **more)

    def evaluate(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, verbose: Any = "auto", **more: Any
    ) -> Any:
        """Return loss and metrics: Keras's `evaluate`, and the same under MultiWorkerMirroredStrategy.

        Args:
            x: the data set, of tuples (inputs, targets); or arrays, where there is one worker.
            y: targets, where `x` are arrays.
            batch_size: where `x` are arrays.
            verbose: as in Keras; on the chief only.
            **more: see `training.fitting.evaluate`.
        """
        arrays: dict[str, Any] = {
            key: value for key, value in (("y", y), ("batch_size", batch_size)) if value is not None
        }
        return fitting.evaluate(self.model, x, verbose=verbose, **arrays, **more)

    def summary(self, strategy: Any = None) -> None:
        """Print the model's layers; under a strategy, only the chief does."""
        if is_chief(strategy):
            self.model.summary(line_length=150)

    def plot(self, output_path: str, strategy: Any = None, show_shapes: bool = False) -> None:
        """Draw the network into an image file; under a strategy, only the chief does. Needs pydot and Graphviz.

        Args:
            output_path: the file.
            strategy: the strategy, if any.
            show_shapes: write the shapes of tensors into it.
        """
        if is_chief(strategy):
            keras.utils.plot_model(self.model, output_path, show_shapes=show_shapes)

    def save(self, filepath: str | os.PathLike[str], **kwargs: Any) -> None:
        """Save the model; among several workers, only the chief does.

        Args:
            filepath: a `.keras` file; any other name is the folder of a SavedModel, whose outputs are named
                after the layers that make them, as Keras 2 and OTBTF name them. (`export` names them
                after their keys.)
            **kwargs: for Keras, such as `overwrite`.
        """
        path = os.fspath(filepath)
        if not is_chief(self.model.distribute_strategy):
            return
        with out_of_scope():
            if path.endswith((".keras", ".h5")):
                self.model.save(path, **kwargs)
                return
            model = KerasModel(path, self.model)
            export_saved_model(model, list(model.outputs), (), path)

    def smallest_exact_crop(self, output_key: str | None = None, images: Mapping[str, np.ndarray] | None = None) -> int:
        """Return the smallest crop behind which no output depends on what lies outside a tile.

        It is found by probing the network with its present weights, as when serving.

        Args:
            output_key: one of the keys that `get_outputs` returns; None for all of them.
            images: by input, an image of shape (rows, columns, bands) with values as they will be served;
                None tries random values of several magnitudes.

        Returns:
            Output pixels to leave out on each side; 0 where no output depends on what lies outside.

        Raises:
            ParameterError: there is no such output or no image among the inputs.
            ModelError: the outputs depend on the whole image.
        """
        keys = self._output_keys if output_key is None else [output_key]
        if not set(keys) <= set(self._output_keys):
            raise ParameterError(
                "There is no output {output_key!r}: get_outputs returns {output_keys}.",
                output_key=output_key,
                output_keys=", ".join(self._output_keys),
            )
        shapes = {key: [int(size) for size in shape] for key, shape in self.inputs_shapes.items() if len(shape) == 3}
        if not shapes:
            raise ParameterError(
                "None of the inputs is an image of shape (rows, columns, bands): there is nothing to crop."
            )
        return max(exact_crop(self._caller(key, list(shapes)), shapes, images) for key in keys)

    def _caller(self, key: str, images: list[str]) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
        """Return a function of the images that returns one output; other inputs are 1."""
        part = keras.Model(self.model.input, self.model.output[key])
        others = {
            name: np.ones((1, *(size or 1 for size in shape)), "float32")
            for name, shape in self.inputs_shapes.items()
            if name not in images
        }
        function = tf.function(lambda feeds: part(feeds, training=False), reduce_retracing=True)

        def call(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
            feeds = {**others, **dict(zip(images, arrays))}
            try:
                return [function({name: tf.constant(feeds[name]) for name in self.dataset_input_keys}).numpy()]
            except (tf.errors.OpError, ValueError) as error:
                sizes = Phrase(" and ").join(f"{array.shape[2]} x {array.shape[1]}" for array in arrays)
                raise ModelError(
                    "The network does not take images of {sizes} pixels: {error}.",
                    sizes=sizes,
                    error=telling_line(error),
                ) from error

        return call


def _inputs_and_targets(spec: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    if not isinstance(spec, (tuple, list)) or not isinstance(spec[0], Mapping):
        raise ParameterError(
            "dataset_element_spec is not that of a data set of tuples (inputs, targets) of dictionaries: name the targets "
            "with targets_keys of get_tf_dataset, or target_keys of TFRecords.read."
        )
    targets = spec[1] if len(spec) > 1 and isinstance(spec[1], Mapping) else {}
    return spec[0], targets


def _named(tensor: Any, name: str) -> Any:
    """Return the tensor from a layer of that name; mixed precision does not round it."""
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    return keras.layers.Identity(name=name, dtype=dtype if "float" in dtype else None)(tensor)


def _layer_name(tensor: Any, key: str) -> str:
    """Return the name of the layer that makes a tensor; the key for TensorFlow's own tensors."""
    history = getattr(tensor, "_keras_history", None)
    return str(history.operation.name) if history else key
