"""The body of TrainModel: a run of TensorflowModelTrain, whose last source is the target."""

from __future__ import annotations

from typing import Any

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..models.modelfiles import is_keras
from ..operations.trainmodel import TrainModel
from ..parameters.parsing import keys, values_of
from ..parameters.trainingpatches import LearnedPatches
from ..registry import declaration
from .nestedruns import check_nested, run_nested

INNER = "TensorflowModelTrain"


def train_model(parameters: TrainModel, progress: Progress) -> dict[str, Any]:
    """Train the model.

    Returns:
        What TensorflowModelTrain returns.

    Raises:
        ParameterError, RasterError, ModelError: bad input, as far as possible before training starts.
        TrainingError: the loss became NaN; the last good weights are kept.
        Cancelled: `progress` asked to stop; the checkpoints stay.
    """
    check_no_graph(parameters.model_dir)
    return run_nested(INNER, training_values(parameters), training_words(parameters), progress)


def check_training(parameters: TrainModel) -> None:
    """Raise ParameterError where TensorflowModelTrain refuses the values; the declaration names this check."""
    check_nested(INNER, training_values(parameters), training_words(parameters))


def check_no_graph(model_dir: str) -> None:
    """Raise ParameterError where a model is a TensorFlow 1 graph, whose training needs keys of TensorflowModelTrain alone."""
    if not is_keras(model_dir):
        raise ParameterError(
            "{model_dir} is {path}, a TensorFlow 1 graph, which holds its own loss and optimizer: choose a template or a Keras "
            "model. otbtf:tensorflowmodeltrain trains graphs.",
            model_dir=field("model_dir"),
            path=model_dir,
        )


def training_values(parameters: LearnedPatches) -> dict[str, Any]:
    """Return the values for TensorflowModelTrain that do the same, by its keys.

    Args:
        parameters: of TrainModel, or of an operation with such samples and keys of its own, which are left out.
    """
    renamed = _targets(parameters)
    found = {renamed.get(name, name): value for name, value in values_of(parameters).items()}
    known = {key.name for key in keys(declaration(INNER), found)}
    return {name: value for name, value in found.items() if name in known}


def training_words(parameters: LearnedPatches) -> dict[str, str]:
    """Return what stands for the keys of TensorflowModelTrain in messages; `parameters` as for `training_values`."""
    own = {key.name: key.mention for key in keys(type(parameters), values_of(parameters))}
    return {**own, **{inner: own[name] for name, inner in _targets(parameters).items() if name in own}}


def _targets(parameters: LearnedPatches) -> dict[str, str]:
    """Return the keys of the targets, with those of the last source in TensorflowModelTrain."""
    last = len(parameters.sources) + 1
    return {
        "training.target.il": f"training.source{last}.il",
        "training.target.placeholder": f"training.source{last}.placeholder",
        "validation.target.il": f"validation.source{last}.il",
    }
