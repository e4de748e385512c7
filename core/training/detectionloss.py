"""The loss of a detector that finds objects as points (see `core.parameters.detectionmaps`)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from ..models.layerbase import register
from ..parameters.detectionmaps import GEOMETRY, MORE_IN_TARGET

ALPHA, BETA = 2.0, 4.0
"""Exponents of the focal loss: of what is predicted wrong, and of the distance from the centre."""

SIZE_WEIGHT, OFFSET_WEIGHT = 0.1, 1.0
"""Weights of the errors of sizes and offsets beside the focal loss."""

_LEAST = 1e-4
"""By which heat keeps away from 0 and 1, whose logarithms are infinite; as CenterNet has it."""


@register
class HeatFocalLoss(keras.losses.Loss):
    """Focal loss of heat maps, one number for a batch: its sum over all cells by the number of objects.

    T. Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, as H. Law and J. Deng, CornerNet, ECCV 2018, section 3.2,
    reduce it around the centres. Target and prediction have the shape (batch, rows, columns, classes).
    """

    def __init__(self, name: str = "heat_focal", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss."""
        expected = ops.cast(y_true, "float32")
        found = ops.clip(ops.cast(y_pred, "float32"), _LEAST, 1 - _LEAST)
        centre = ops.cast(expected >= 1, "float32")
        at_centres = centre * (1 - found) ** ALPHA * ops.log(found)
        elsewhere = (1 - centre) * (1 - expected) ** BETA * found**ALPHA * ops.log(1 - found)
        return -ops.sum(at_centres + elsewhere) / ops.maximum(ops.sum(centre), 1.0)


@register
class MaskedL1Loss(keras.losses.Loss):
    """Absolute error (L1) of values in some cells, one number for a batch: its sum over the values by the number of cells.

    The target has the shape (batch, rows, columns, values + 1), its last band the mask; predictions have no mask.
    """

    def __init__(self, name: str = "masked_l1", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss."""
        expected, mask = ops.cast(y_true[..., :-1], "float32"), ops.cast(y_true[..., -1:], "float32")
        error = mask * ops.abs(expected - ops.cast(y_pred, "float32"))
        return ops.sum(error) / ops.maximum(ops.sum(mask), 1.0)


@register
class DetectionLoss(keras.losses.Loss):
    """Focal loss of the heat maps, and absolute errors of sizes and offsets, weighted as CenterNet has them.

    X. Zhou, D. Wang, P. Krähenbühl, Objects as Points, 2019, section 3. Sizes count in pixels.
    """

    def __init__(self, name: str = "centernet", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self._heat, self._l1 = HeatFocalLoss(), MaskedL1Loss()

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss, one number for the batch.

        Args:
            y_true: maps with the mask, shape (batch, rows, columns, classes + 5).
            y_pred: maps, shape (batch, rows, columns, classes + 4).
        """
        classes = y_pred.shape[-1] - len(GEOMETRY)
        mask = y_true[..., -1:]
        sizes, offsets = (slice(classes + first, classes + first + 2) for first in (0, 2))
        size = self._l1.call(ops.concatenate([y_true[..., sizes], mask], -1), y_pred[..., sizes])
        offset = self._l1.call(ops.concatenate([y_true[..., offsets], mask], -1), y_pred[..., offsets])
        heat = self._heat.call(y_true[..., :classes], y_pred[..., :classes])
        return heat + SIZE_WEIGHT * size + OFFSET_WEIGHT * offset


def moved_maps(maps: Any, across: Any, down: Any, diagonal: Any) -> Any:
    """Return what targets hold once their cells have been moved: offsets turn with the image, and sizes too.

    Args:
        maps: tensor of shape (batch, rows, columns, classes + 5), its cells already flipped and turned.
        across, down, diagonal: which samples were flipped left to right, top to bottom, and transposed after that; tensors of
            booleans that fit the shape of the maps.
    """
    import tensorflow as tf

    heat, told = maps[..., :-MORE_IN_TARGET], maps[..., -MORE_IN_TARGET:]
    height, width, vertical, horizontal, mask = (told[..., band : band + 1] for band in range(MORE_IN_TARGET))
    horizontal, vertical = tf.where(across, -horizontal, horizontal), tf.where(down, -vertical, vertical)
    turned = [
        tf.where(diagonal, other, own)
        for own, other in ((height, width), (width, height), (vertical, horizontal), (horizontal, vertical))
    ]
    return tf.concat([heat, *turned, mask], -1)
