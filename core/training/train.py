"""`core.train` of the Python API: make, compile and fit a Keras model on data sets, in one call."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from ..errors import ParameterError
from . import fitting
from .precision import precision
from .strategies import make_strategy


def train(
    model: Any,
    data: Any,
    *,
    loss: Any,
    optimizer: Any = "adam",
    epochs: int = 1,
    metrics: Any = None,
    validation_data: Any = None,
    strategy: str | tf.distribute.Strategy = "none",
    mixed_precision: bool = False,
    checkpoints: str | os.PathLike[str] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    class_weight: Mapping[int, float] | None = None,
    verbose: Any = "auto",
) -> keras.callbacks.History:
    """Make, compile and fit a model.

        history = core.train(lambda: MyModel(data.element_spec), data, loss="categorical_crossentropy", epochs=20)
        history.model.save("model.keras")

    Args:
        model: a function without arguments that returns a Keras model or a ModelBase; it is called within
            the strategy and the precision. Without these, the model itself will do.
        data: batches (inputs, targets); see `fitting.fit`.
        loss: for Keras's `compile`.
        optimizer: name or optimizer.
        epochs: number of the last epoch.
        metrics: for Keras's `compile`.
        validation_data: looked at after each epoch.
        strategy: `none`, `mirrored`, `multiworker`, or what `make_strategy` returned; `multiworker` must have
            been made before the data.
        mixed_precision: compute in float16 on GPUs, in bfloat16 elsewhere; weights stay float32.
        checkpoints: a folder for `best.keras`, the model with the least loss, on the validation data if any.
        callbacks: Keras's callbacks.
        class_weight: see `fitting.fit`.
        verbose: 0 for silence, 1 for a progress bar, 2 for a line per epoch.

    Returns:
        Keras's history, whose `model` is the Keras model.

    Raises:
        ParameterError: a model that was made already meets a strategy or mixed precision; see also
            `make_strategy` and `fitting.fit`.
    """
    chosen = make_strategy(strategy) if isinstance(strategy, str) else strategy
    made = _keras_model(model)
    if made is not None and (mixed_precision or made.distribute_strategy is not chosen):
        raise ParameterError(
            "The model was made before, and its variables belong to no strategy or another, in another precision: give a "
            "function that makes it, such as lambda: MyModel(data.element_spec)."
        )
    with chosen.scope(), precision(mixed_precision):
        made = made or _keras_model(model())
        if made is None:
            raise ParameterError("{model!r} returns neither a Keras model nor a ModelBase.", model=model)
        made.compile(optimizer=_in_scope(optimizer), loss=loss, metrics=_in_scope(metrics))
    saving = [_best(checkpoints, validation_data is not None)] if checkpoints else []
    return fitting.fit(
        made,
        data,
        epochs=epochs,
        validation_data=validation_data,
        callbacks=[*callbacks, *saving],
        class_weight=class_weight,
        verbose=verbose,
    )


def _keras_model(model: Any) -> keras.Model | None:
    """Return the Keras model that is, or is in, what is given; None where it is still to be made."""
    inner = model if isinstance(model, keras.Model) else getattr(model, "model", None)
    return inner if isinstance(inner, keras.Model) else None


def _in_scope(parts: Any) -> Any:
    """Return an optimizer, or a nest of metrics, whose variables belong to the strategy that is in scope."""
    if not tf.distribute.has_strategy():
        return parts
    made_before = (keras.optimizers.Optimizer, keras.metrics.Metric)
    return keras.tree.map_structure(
        lambda part: type(part).from_config(part.get_config()) if isinstance(part, made_before) else part, parts
    )


def _best(folder: str | os.PathLike[str], validated: bool) -> keras.callbacks.Callback:
    Path(folder).mkdir(parents=True, exist_ok=True)
    monitor = "val_loss" if validated else "loss"
    return keras.callbacks.ModelCheckpoint(Path(folder, "best.keras"), monitor=monitor, save_best_only=True, mode="min")
