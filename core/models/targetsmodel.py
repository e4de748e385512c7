"""A Keras model with more outputs than targets.

Keras 3 asks for a target for each output, or fails in the metrics. Models for serving have outputs
without targets, such as crops.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras


@keras.saving.register_keras_serializable(package="otbtf_qgis")
class TargetsModel(keras.Model):
    """A functional model whose losses and metrics see only the outputs that have a target."""

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the loss; see `keras.Model.compute_loss`."""
        return super().compute_loss(x, y, _with_target(y_pred, y), sample_weight, training=training)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the metrics; see `keras.Model.compute_metrics`."""
        return super().compute_metrics(x, y, _with_target(y_pred, y), sample_weight)


def _with_target(outputs: Any, targets: Any) -> Any:
    if isinstance(outputs, Mapping) and isinstance(targets, Mapping):
        return {key: tensor for key, tensor in outputs.items() if key in targets}
    return outputs
