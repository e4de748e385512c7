"""The body of TensorflowModelTrain: MODEL_DIR decides between a Keras model and a TensorFlow 1 graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..base.progress import Progress
from ..models.modelfiles import is_keras
from .network import template_shadowed_by_path

if TYPE_CHECKING:
    from ..operations.tensorflowmodeltrain import TensorflowModelTrain


def run_training(parameters: TensorflowModelTrain, progress: Progress) -> dict[str, Any]:
    """Train the model.

    Returns:
        The outputs' paths by key; `epochs_run` and `samples_per_epoch`; of the last validation (of the training data
        where there is none) `kappa`, `overall_accuracy` and `f1_macro`, or `rmse`, `mae` and `r2`; with CALIBRATE
        `temperature` and `calibration_error`. Those that are not defined are left out.

    Raises:
        ParameterError, RasterError, RecordsError, ModelError: bad input, as far as possible before training starts.
        TrainingError: the loss became NaN, or a checkpoint cannot be written; the last good weights are kept.
        Cancelled: `progress` asked to stop; the checkpoints stay.
    """
    doubt = template_shadowed_by_path(parameters.model_dir)
    if doubt:
        progress.warning(doubt)
    if is_keras(parameters.model_dir):
        from .kerastraining import run_keras_training

        return run_keras_training(parameters, progress)
    from .graphtraining import run_graph_training

    return run_graph_training(parameters, progress)
