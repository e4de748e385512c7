"""Operations for building and training networks."""

from __future__ import annotations

from typing import Any

import keras

from ..errors import ParameterError


def one_hot(labels: Any, nb_classes: int) -> Any:
    """Turn class numbers into vectors of 0 and 1.

    Args:
        labels: class numbers from 0 to `nb_classes` - 1, of any numeric dtype; shape (..., 1), such as a patch of
            labels (rows, columns, 1) or a batch of them.
        nb_classes: number of classes.

    Returns:
        A float32 tensor of shape (..., nb_classes); all zeros where a label is no class number.

    Raises:
        ParameterError: the last dimension of `labels` is not 1.
    """
    if len(labels.shape) == 0 or labels.shape[-1] != 1:
        raise ParameterError(
            "labels has the shape {shape}, but its last dimension must be 1, as in (rows, columns, 1): add it with "
            "labels[..., None], or choose the band that holds the labels.",
            shape=tuple(labels.shape),
        )
    return keras.ops.one_hot(keras.ops.cast(labels[..., 0], "int32"), nb_classes)
