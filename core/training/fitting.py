"""Fitting a Keras model, under any strategy.

Keras 3's own `fit` and `evaluate` fail under MultiWorkerMirroredStrategy; there `workers` takes their place,
with the same arguments and results.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from ..errors import ParameterError
from . import workers
from .classweights import weighted
from .strategies import is_multiworker

_OF_ARRAYS = ("batch_size", "shuffle", "validation_batch_size")
"""Arguments that Keras takes, and does not use, where the data are a tf.data.Dataset."""
_LENGTH_UNKNOWN = "Your input ran out of data"
"""How Keras's warning begins when a data set ends whose length is unknown."""


def fit(
    model: keras.Model,
    data: Any,
    *,
    epochs: int = 1,
    initial_epoch: int = 0,
    validation_data: Any = None,
    callbacks: Sequence[keras.callbacks.Callback] | None = None,
    class_weight: Mapping[int, float] | None = None,
    steps_per_epoch: int | None = None,
    validation_steps: int | None = None,
    validation_freq: int = 1,
    verbose: Any = 0,
    **more: Any,
) -> keras.callbacks.History:
    """Fit a compiled model; Keras's `fit` in meaning, under MultiWorkerMirroredStrategy too.

    A batch of `data` is shared among the replicas of the strategy, and the loss is the mean over the whole
    batch. Under MultiWorkerMirroredStrategy every worker calls this with the same arguments; the data are
    shared among them as their auto-shard policy says, an epoch ends when one of the workers has no full
    batch left, and callbacks that write files (ModelCheckpoint, BackupAndRestore, TensorBoard, CSVLogger)
    work on the chief only. What callbacks see after a batch is this worker's, after an epoch that of all.

    Args:
        model: the model.
        data: a tf.data.Dataset of batches (inputs, targets) or (inputs, targets, weights); where there is
            one worker, whatever Keras takes.
        epochs: number of the last epoch.
        initial_epoch: number of epochs that are done already.
        validation_data: as `data`; looked at after each epoch.
        callbacks: Keras's callbacks.
        class_weight: by class, counted from 0, the weight of its samples, or pixels, in the loss; classes
            left out weigh 1. For one target of whole numbers or one-hot vectors.
        steps_per_epoch: number of batches in an epoch; None for all.
        validation_steps: number of batches to validate with; None for all.
        validation_freq: validate after each so many epochs.
        verbose: 0 for silence, 1 for a progress bar, 2 for a line per epoch; on the chief only.
        **more: further arguments of Keras's `fit`, for data that are no tf.data.Dataset.

    Returns:
        Keras's history.

    Raises:
        ParameterError: the strategy cannot share the batches among its replicas; a worker has no full batch;
            the class weights do not fit the targets; workers and data that is no tf.data.Dataset.
        TrainingError: another worker has stopped.
    """
    strategy = model.distribute_strategy
    if isinstance(data, tf.data.Dataset):
        check_batches(data, strategy)
        if class_weight:
            data, class_weight = weighted(data, class_weight), None
        more.setdefault("shuffle", False)  # Keras's default is True, and a warning
    arguments = {
        "epochs": epochs,
        "initial_epoch": initial_epoch,
        "validation_data": _without_small_last_batch(validation_data, strategy),
        "callbacks": list(callbacks or ()),
        "steps_per_epoch": steps_per_epoch,
        "validation_steps": validation_steps,
        "validation_freq": validation_freq,
        "verbose": verbose,
    }
    if is_multiworker(strategy):
        _check_for_workers(data, validation_data, more)
        return workers.fit(model, data, **arguments)
    with warnings.catch_warnings():
        if not steps_per_epoch:
            warnings.filterwarnings("ignore", _LENGTH_UNKNOWN)
        return model.fit(data, class_weight=class_weight, **arguments, **more)


def evaluate(
    model: keras.Model,
    data: Any,
    *,
    steps: int | None = None,
    callbacks: Sequence[keras.callbacks.Callback] | None = None,
    verbose: Any = 0,
    return_dict: bool = False,
    **more: Any,
) -> Any:
    """Return loss and metrics of a compiled model; Keras's `evaluate`, under MultiWorkerMirroredStrategy too.

    Args:
        model: the model.
        data: as for `fit`.
        steps: number of batches; None for all.
        callbacks: Keras's callbacks.
        verbose: 0 for silence, 1 for a progress bar, 2 for a line; on the chief only.
        return_dict: True for values by name, False for a list of them.
        **more: further arguments of Keras's `evaluate`, for data that are no tf.data.Dataset.

    Raises:
        ParameterError: workers and data that is no tf.data.Dataset.
        TrainingError: another worker has stopped.
    """
    arguments = {"steps": steps, "callbacks": list(callbacks or ()), "verbose": verbose}
    if not is_multiworker(model.distribute_strategy):
        with warnings.catch_warnings():
            if not steps:
                warnings.filterwarnings("ignore", _LENGTH_UNKNOWN)
            data = _without_small_last_batch(data, model.distribute_strategy)
            return model.evaluate(data, return_dict=return_dict, **arguments, **more)
    _check_for_workers(data, None, more)
    found = workers.evaluate(model, data, **arguments)
    return found if return_dict else list(found.values())


def check_batches(data: tf.data.Dataset, strategy: tf.distribute.Strategy) -> None:
    """Raise ParameterError where a strategy cannot share each batch evenly among its replicas.

    An uneven batch would count its samples unequally, and one with fewer samples than replicas breaks
    layers such as BatchNormalization.
    """
    replicas = strategy.num_replicas_in_sync
    if replicas == 1 and not is_multiworker(strategy):
        return
    for spec in tf.nest.flatten(data.element_spec):
        shape = spec.shape
        if not shape.rank:
            raise ParameterError(
                "The data set delivers tensors of shape {shape}, which cannot be shared among {replicas} replicas: "
                "batch it, and let its shapes be known (tf.ensure_shape).",
                shape=shape,
                replicas=replicas,
            )
        if shape[0] is None:
            raise ParameterError(
                "The batches are of shape {shape}: the last one may be smaller than the others, and {replicas} "
                "replicas cannot share it evenly. Set drop_remainder=True where the data set is batched.",
                shape=shape,
                replicas=replicas,
            )
        if shape[0] % replicas:
            raise ParameterError(
                "A batch has {shape} samples, which {replicas} replicas cannot share evenly: choose a multiple of "
                "{replicas}, such as {shape2}.",
                shape=shape[0],
                replicas=replicas,
                shape2=-(-shape[0] // replicas) * replicas,
            )


def _without_small_last_batch(data: Any, strategy: tf.distribute.Strategy) -> Any:
    """Return the data without a last batch that has fewer samples than a strategy has replicas.

    Many layers fail on the empty batch that a replica would get. Each worker sees to its own data.
    """
    replicas = strategy.num_replicas_in_sync
    if replicas == 1 or is_multiworker(strategy) or not isinstance(data, tf.data.Dataset):
        return data
    return data.filter(lambda *parts: tf.shape(tf.nest.flatten(parts)[0])[0] >= replicas)


def _check_for_workers(data: Any, validation_data: Any, more: Mapping[str, Any]) -> None:
    for name, value in (("data", data), ("validation_data", validation_data)):
        if value is not None and not isinstance(value, tf.data.Dataset):
            raise ParameterError(
                "The {name} is a {type}, but several workers can share a tf.data.Dataset only: take TFRecords.read, "
                "get_tf_dataset or tf.data.Dataset.from_tensor_slices(...).batch(...).",
                name=name,
                type=type(value).__name__,
            )
    given = [name for name, value in more.items() if name not in _OF_ARRAYS and value is not None and value != 0]
    if given:
        raise ParameterError(
            "{given} cannot be given together with a tf.data.Dataset: let the data set deliver it.",
            given=", ".join(given),
        )
