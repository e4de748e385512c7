"""The network: four strided convolutions down, four transposed ones up, with skips, and a softmax."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from otbtf_qgis import core

CLASSES, NO_LABEL = 6, 255
IMAGE, COVER = "image", "cover"
"""Names of the network's input and output; the data sets use the same names."""

_FILTERS = (16, 32, 64, 64)


class CoverNet(core.ModelBase):
    """Predicts the land cover of each pixel; images may have any size."""

    def normalize_inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Bring reflectances, stored as numbers up to some thousands, near to 1: part of the model that is served."""
        return {IMAGE: tf.cast(inputs[IMAGE], tf.float32) * 0.0005}

    def get_outputs(self, normalized_inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the probability of each class, as large as the image."""
        levels = [normalized_inputs[IMAGE]]
        for filters in _FILTERS:  # each has half the rows and columns of the one before
            convolution = layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")
            levels.append(convolution(levels[-1]))
        net = levels.pop()
        for skip in reversed(levels[1:]):
            transposed = layers.Conv2DTranspose(skip.shape[-1], 3, strides=2, padding="same", activation="relu")
            net = transposed(net) + skip
        scores = layers.Conv2DTranspose(CLASSES, 3, strides=2, padding="same")(net)
        return {COVER: layers.Softmax(name="probabilities", dtype="float32")(scores)}


def as_samples(patches: dict[str, Any]) -> dict[str, Any]:
    """Make what the network is trained on from patches of the image and of labels."""
    return {IMAGE: patches["image"], COVER: patches["labels"][..., 0]}


def compiled(spec: Any, learning_rate: float) -> CoverNet:
    """Return a network for a data set with this `element_spec`, ready to be fitted."""
    model = CoverNet(spec)
    model.compile(
        loss={COVER: keras.losses.SparseCategoricalCrossentropy(ignore_class=NO_LABEL)},
        optimizer=keras.optimizers.Adam(learning_rate),
        metrics={COVER: keras.metrics.MeanIoU(CLASSES, name="iou", ignore_class=NO_LABEL, sparse_y_pred=False)},
    )
    return model
