"""TensorflowModelTrain: patches to a trained model, with scores and a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError
from ..parameters import sharedkeys as shared
from ..parameters.operation import NumberResult, Operation
from ..parameters.sampleroles import SampleRole
from ..parameters.sharedgroups import Memory
from ..parameters.traininggroups import (
    Fitting,
    GraphTraining,
    TrainedModel,
    TrainingData,
    TrainingOutputs,
    Validation,
)


@dataclass(frozen=True)
class TensorflowModelTrain(
    Operation, TrainingOutputs, GraphTraining, Memory, Fitting, Validation, TrainingData, TrainedModel
):
    """See OTBTF's application of the same name."""

    TITLE = "Train a model"
    GROUP = "training"
    DESCRIPTION = (
        "Trains a network on patches and says how good it is. The model is the name of a template (cnn16, unet, "
        "...), a .keras file, a model that was trained here before, or a TensorFlow 1 graph with target nodes. "
        "Sources are patches images as patchesextraction writes them, the last one usually the labels, or "
        "TFRecords.\n\n"
        "The trained model is ready to serve, with its classes' names and colours. The report shows the curves of "
        "loss and metrics, confusion matrix and scores per class. A training that was stopped goes on from the end "
        "of its last epoch where RESUME is on. The parameters with a dot in OTBTF are those of its "
        "TensorflowModelTrain."
    )
    RESULTS = (
        NumberResult("kappa", "Kappa of the last validation"),
        NumberResult("overall_accuracy", "Overall accuracy of the last validation"),
        NumberResult("f1_macro", "Mean F-score of the classes in the last validation"),
        NumberResult("rmse", "Root mean square error of the last validation"),
        NumberResult("mae", "Mean absolute error of the last validation"),
        NumberResult("r2", "Coefficient of determination of the last validation"),
        NumberResult("epochs_run", "Epochs that were trained"),
        NumberResult("samples_per_epoch", "Samples used in each epoch"),
    )
    RUN = "training.trainingrun:run_training"
    NEEDS_ENGINE = True
    MORE_SOURCES = 1

    memory: int | None = shared.memory("patches that are kept or shuffled; more are read when they are used")

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_data(SampleRole.TRAINING, self.sources, self.training_tfrecords)
        if not self.sources and not self.training_tfrecords:
            raise ParameterError(
                "TRAINING_SOURCE1_IL (the patches images of the first source) is missing: give at least one, or a folder in "
                "TRAINING_TFRECORDS."
            )
        _check_data(SampleRole.VALIDATION, self.validation_sources, self.validation_tfrecords)
        _check_data(SampleRole.TEST, self.test_sources, self.test_tfrecords)
        validated = self.validation_sources or self.validation_tfrecords
        if validated and self.validation_share:
            raise ParameterError(
                f"VALIDATION_SHARE is {self.validation_share:g}, but there are validation sources too: choose one of them."
            )


def _check_data(role: SampleRole, sources: Any, records: str | None) -> None:
    """Raise ParameterError where a source has no images and there are no TFRecords in their place."""
    lacking = [number for number, source in enumerate(sources, 1) if not source.il]
    if records and len(lacking) < len(sources):
        raise ParameterError(f"{role.name}_TFRECORDS and {role.name}_SOURCE1_IL are both given: choose one of them.")
    if lacking and not records:
        raise ParameterError(
            f"{role.name}_SOURCE{lacking[0]}_IL (the patches images of source {lacking[0]}) is missing: give at least one, or a "
            f"folder in {role.name}_TFRECORDS."
        )
