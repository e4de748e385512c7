"""The run of TensorflowModelTrain: a Keras model, or a TensorFlow 1 graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..base.progress import Progress
from .network import is_keras, taken_for_a_path

if TYPE_CHECKING:
    from ..operations.tensorflowmodeltrain import TensorflowModelTrain


def train(parameters: TensorflowModelTrain, progress: Progress) -> dict[str, Any]:
    """Train the model; see `core.operations.tensorflowmodeltrain.run`."""
    doubt = taken_for_a_path(parameters.model_dir)
    if doubt:
        progress.warning(doubt)
    if is_keras(parameters.model_dir):
        from .kerastraining import train_keras

        return train_keras(parameters, progress)
    from .graphtraining import train_graph

    return train_graph(parameters, progress)
