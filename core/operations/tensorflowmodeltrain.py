"""TensorflowModelTrain: patches to a trained model, with scores and a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import ParameterError
from ..parameters.sampleroles import SampleRole
from ..parameters.traininggroups import (
    Fitting,
    GraphTraining,
    TrainedModel,
    TrainingData,
    TrainingOutputs,
    Validation,
)


@dataclass(frozen=True)
class TensorflowModelTrain(TrainingOutputs, GraphTraining, Fitting, Validation, TrainingData, TrainedModel):
    """Parameters of `run`; see OTBTF's application of the same name. The last base's fields come first."""

    RUN: ClassVar[str] = "training.trainingrun:run_training"
    NEEDS_ENGINE: ClassVar[bool] = True

    def __post_init__(self) -> None:
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
        if self.memory and self.ram and self.memory != self.ram:
            raise ParameterError(
                f"MEMORY is {self.memory} and RAM is {self.ram}: they mean the same, give one of them."
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
