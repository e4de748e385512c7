"""Weights of classes, as weights of samples or pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from ..errors import ParameterError


def weighted(data: tf.data.Dataset, weights: Mapping[int, float]) -> tf.data.Dataset:
    """Return a data set that delivers (inputs, targets, weights) from one that delivers (inputs, targets).

    Keras does this for one target per sample only; here a target may be an image, and have a name.

    Args:
        data: batches; the target holds classes, of shape (batch, ...) or (batch, ..., 1), or one-hot vectors of
            shape (batch, classes) or, in a floating-point dtype, (batch, ..., classes).
        weights: by class, counted from 0; classes left out weigh 1.

    Raises:
        ParameterError: a class is negative or a weight no number from 0 on; there are weights already, or
            several targets.
    """
    wrong = [f"{key}: {value}" for key, value in weights.items() if not (int(key) == key >= 0 and value >= 0)]
    if wrong:
        raise ParameterError(
            "class_weight holds {wrong}, but must give classes, counted from 0, weights from 0 on.",
            wrong=", ".join(wrong),
        )
    spec = data.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2 or len(tf.nest.flatten(spec[1])) != 1:
        raise ParameterError(
            "class_weight needs a data set of (inputs, targets) with one target and no weights of its own: weigh the "
            "samples in the data set instead, as a third part of each element."
        )
    table = np.ones(max(weights) + 2, "float32")  # the last one stands for all classes beyond
    for key, value in weights.items():
        table[int(key)] = value

    def weigh(inputs: Any, targets: Any) -> Any:
        return inputs, targets, tf.nest.map_structure(lambda target: tf.gather(table, _classes(target, table)), targets)

    return data.map(weigh, num_parallel_calls=tf.data.AUTOTUNE)


def _classes(target: Any, table: np.ndarray) -> Any:
    """Return the place of each class in the table; those that it lacks, and no class at all, have its last."""
    rank = target.shape.rank
    if rank > 1 and target.shape[-1] != 1 and (rank == 2 or target.dtype.is_floating):
        found = tf.argmax(target, axis=-1, output_type=tf.int32)
        found = tf.where(tf.reduce_any(target != 0, axis=-1), found, -1)  # a vector of zeros is no class
    else:
        found = tf.cast(tf.round(target[..., 0] if rank > 1 and target.shape[-1] == 1 else target), tf.int32)
    return tf.where((found < 0) | (found >= len(table)), len(table) - 1, found)
