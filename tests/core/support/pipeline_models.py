"""SavedModels of TensorFlow 1 as training scripts write them: the network, and the pipeline that fed it, in one graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1

WEIGHTS = np.array([[1.0, -2.0], [0.5, 3.0], [2.0, 0.25]], "float32")
"""From three bands to two."""

FEEDS = ("placeholder", "default", "iterator", "second of the iterator")


def save_with_pipeline(
    folder: Path, feed: str = "default", canary: str = "", tags: Sequence[str] = ("serve",), extra: Any = None
) -> Path:
    """Save a network x -> x WEIGHTS, trained by patches that a Python generator reads, as SR4RS and decloud do.

    Args:
        folder: to be made.
        feed: what the signature's input is: a placeholder beside the pipeline, a placeholder whose default is the
            pipeline, or the iterator's own first or second output.
        canary: a file that the pipeline's Python code and its operations write; empty for none.
        tags: of the graph.
        extra: called in the graph to add to it.
    """

    def generate() -> Any:
        if canary:
            Path(canary).write_text("python")
        yield np.zeros((4, 4, 3), "float32"), np.zeros((4, 4, 3), "float32")

    with tf1.Graph().as_default(), tf1.Session() as session:
        shapes = (tf.TensorShape([4, 4, 3]), tf.TensorShape([4, 4, 3]))
        data = tf.data.Dataset.from_generator(generate, (tf.float32, tf.float32), shapes)
        iterator = tf1.data.make_initializable_iterator(data.repeat().batch(2, drop_remainder=True))
        tf1.add_to_collection(tf1.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
        patches, others = iterator.get_next("patches")
        if feed == "placeholder":
            fed = tf1.placeholder(tf.float32, [None, None, None, 3], "x")
        elif feed == "default":
            fed = tf1.placeholder_with_default(patches, [None, None, None, 3], "x")
        else:
            fed = patches if feed == "iterator" else others
        used = tf.py_function(lambda a: a, [fed], tf.float32, name="checked")
        weights = tf1.get_variable("w", initializer=WEIGHTS, use_resource=True)
        y = tf.identity(tf.nn.conv2d(fed, weights[None, None], 1, "SAME"), name="y")
        loss = tf.reduce_mean(
            (tf.nn.conv2d(patches, weights[None, None], 1, "SAME") - tf.reduce_mean(used)) ** 2, name="loss"
        )
        fed_loss = tf.reduce_mean(y**2, name="fed_loss")
        tf1.train.GradientDescentOptimizer(0.1).minimize(loss, name="pipeline_optimizer")
        tf1.train.GradientDescentOptimizer(0.1).minimize(fed_loss, name="fed_optimizer")
        if canary:
            tf.io.write_file(canary, tf.as_string(loss), name="log")
        if extra:
            extra(fed, y)
        session.run(tf1.global_variables_initializer())
        builder = tf1.saved_model.Builder(str(folder))
        signature = tf1.saved_model.predict_signature_def({"x": fed}, {"y": y})
        builder.add_meta_graph_and_variables(session, list(tags), {"serving_default": signature})
        builder.save()
    return folder
