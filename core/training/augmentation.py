"""Flips and quarter turns of patches, the same for all sources and targets of a sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from ..errors import ParameterError, field
from .detectionloss import moved_maps

Tensors = dict[str, Any]


def check_augmentation(kind: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ParameterError where patches cannot be turned because they are not square.

    Args:
        kind: `none`, `flips` or `flips_turns`.
        shapes: rows, columns and bands by source.
    """
    for key, shape in shapes.items():
        if kind == "flips_turns" and len(shape) == 3 and shape[0] != shape[1]:
            raise ParameterError(
                "{augmentation} is flips_turns, but the patches of {key} have {shape} x {shape2} pixels and cannot "
                "be turned: choose flips, or square patches.",
                augmentation=field("augmentation"),
                key=key,
                shape=shape[1],
                shape2=shape[0],
            )


def augment(samples: Tensors, kind: str, seed: Any, detection: str = "") -> Tensors:
    """Return a batch with each sample flipped and turned at random.

    Flips of both axes and a transposition give all eight positions of a square, with equal chance.

    Args:
        samples: tensors by source; those of shape (batch, rows, columns, bands) are changed.
        kind: `flips` (left and right, top and bottom) or `flips_turns` (quarter turns too).
        seed: random seed, a tensor of two whole numbers of shape (2,); the same seed reproduces the draw.
        detection: the source that holds detection maps, whose sizes and offsets are moved too; empty where none does.
    """
    count = tf.shape(next(iter(samples.values())))[0]
    draws = tf.random.stateless_uniform([count, 3], seed, 0, 2, tf.int32) > 0

    across, down, diagonal = (draws[:, axis, None, None, None] for axis in range(3))
    diagonal &= kind == "flips_turns"

    def moved(image: Any) -> Any:
        image = tf.where(across, image[:, :, ::-1], image)
        image = tf.where(down, image[:, ::-1], image)
        if kind == "flips_turns":
            image = tf.where(diagonal, tf.transpose(image, [0, 2, 1, 3]), image)
        return image

    found = {key: moved(tensor) if len(tensor.shape) == 4 else tensor for key, tensor in samples.items()}
    if detection:
        found[detection] = moved_maps(found[detection], across, down, diagonal)
    return found
