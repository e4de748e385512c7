"""Small SavedModels of TensorFlow 1, built by hand, and functions saved without Keras."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def save_graph(folder: Path, build: Callable[[], tuple[dict[str, Any], dict[str, Any]]], signed: bool = True) -> str:
    """Save a graph of TensorFlow 1 and return its path.

    Args:
        folder: where it is written.
        build: adds the nodes and returns inputs and outputs of the signature.
        signed: False to leave the signature out.
    """
    import tensorflow.compat.v1 as tf1

    with tf1.Graph().as_default(), tf1.Session() as session:
        inputs, outputs = build()
        session.run(tf1.global_variables_initializer())
        signature = tf1.saved_model.predict_signature_def(inputs, outputs)
        builder = tf1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature} if signed else {})
        builder.save()
    return str(folder)


def save_function(folder: Path, body: Callable[..., Any], *specs: Any, signed: bool = True) -> str:
    """Save a function of tensors as a SavedModel of TensorFlow 2 and return its path; `signed` gives it a signature."""
    import tensorflow as tf

    module = tf.Module()
    if signed:
        module.call = tf.function(body, input_signature=specs, autograph=False)
        tf.saved_model.save(module, str(folder), signatures=module.call)
    else:  # a function that has an input_signature gets a signature by itself
        module.call = tf.function(body, autograph=False)
        module.call.get_concrete_function(*specs)
        tf.saved_model.save(module, str(folder))
    return str(folder)
