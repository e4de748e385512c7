"""Mixed precision: fast arithmetic with 16 bits, weights with 32; for new models, and for one that exists."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf


@contextlib.contextmanager
def precision(mixed: bool) -> Iterator[None]:
    """Make models inside this context compute in mixed precision, if `mixed`.

    On GPUs that is float16, with a loss that Keras scales so that small gradients do not vanish; elsewhere
    bfloat16, which has float32's range and needs no scaling. A network's last layer should be float32
    (`dtype="float32"`).
    """
    before = keras.config.dtype_policy()
    if mixed:
        keras.config.set_dtype_policy(mixed_policy())
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def mixed_policy() -> str:
    """Return Keras's name of the policy that suits this machine."""
    return "mixed_float16" if tf.config.list_physical_devices("GPU") else "mixed_bfloat16"


def mixed_copy(model: keras.Model, policy: str) -> keras.Model:
    """Return a copy with the same weights that computes with 16 bits; its weights stay at 32 bits.

    The outputs' layers stay at 32 bits, for small probabilities, and so do layers without weights between an input and
    the first layer with weights: they bring pixels, which 16 bits cannot hold, into range. Layers that take values as they
    are (`autocast=False`) stay as they are, too.

    Args:
        model: a functional model.
        policy: Keras's name of the policy.
    """
    full_precision = _output_layers(model) | _layers_before_weights(model)

    def copied(layer: Any) -> Any:
        config = layer.get_config()
        rounds = getattr(layer, "autocast", False)  # operations such as + are no layers
        if layer.name not in full_precision and rounds and config.get("dtype") is not None:
            config["dtype"] = policy
        return layer.__class__.from_config(config)

    copy = keras.models.clone_model(model, clone_function=copied)
    copy.set_weights(model.get_weights())
    for old, new in zip(model.layers, copy.layers):
        new.trainable = old.trainable
    return copy


def _output_layers(model: keras.Model) -> set[str]:
    return {tensor._keras_history.operation.name for tensor in model.outputs}


def _layers_before_weights(model: keras.Model) -> set[str]:
    """Names of the layers that no layer with trainable weights comes before."""
    found = {tensor._keras_history.operation.name for tensor in model.inputs}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            layer = node.operation
            before = {tensor._keras_history.operation.name for tensor in node.input_tensors}
            if before <= found and not getattr(layer, "trainable_weights", None):
                found.add(layer.name)
    return found
