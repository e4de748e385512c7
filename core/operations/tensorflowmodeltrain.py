"""TensorflowModelTrain: a trained model from patches, with scores and a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from ..parameters.fillings import TrainedFilling
from ..parameters.operation import Operation
from ..parameters.sampleroles import SampleRole
from ..parameters.sharedgroups import Memory
from ..parameters.traininggroups import (
    CALIBRATION_RESULTS,
    TRAINING_RESULTS,
    Fitting,
    GraphTraining,
    NetworkSize,
    SampleUse,
    Scoring,
    TrainedModel,
    TrainingFiles,
    TrainingOutputs,
    patches_memory,
)
from ..parameters.trainingsources import SampleSources
from ..parameters.vocabulary import folded


@dataclass(frozen=True)
class TensorflowModelTrain(
    Operation,
    TrainingFiles,
    TrainingOutputs,
    GraphTraining,
    TrainedFilling,
    NetworkSize,
    Memory,
    Fitting,
    Scoring,
    SampleUse,
    SampleSources,
    TrainedModel,
):
    """See OTBTF's application of the same name."""

    TITLE = "Train a model (TensorflowModelTrain)"
    GROUP = "training"
    DESCRIPTION = (
        "Trains a network on patches and reports its accuracy. The model is the name of a template (cnn16, unet, "
        "...), a .keras file, a model that this plugin has trained, or a TensorFlow 1 graph with target nodes. The "
        "sources are patches images of otbtf:patchesextraction, the last one usually the labels, or TFRecords.\n\n"
        "The trained model is ready to serve, with the names and colours of its classes. The report has the curves "
        "of loss and metrics, the confusion matrix and the scores per class. If RESUME is on, a training that was "
        "stopped resumes after its last complete epoch. The parameters with a dot in OTBTF are those of its "
        "TensorflowModelTrain."
    )
    RESULTS = (*TRAINING_RESULTS, *CALIBRATION_RESULTS)
    RUN = "training.trainingrun:run_training"
    NEEDS_ENGINE = True
    MORE_SOURCES = 1

    batchsize: int = folded(SampleUse, "batchsize")
    augmentation: str = folded(SampleUse, "augmentation")
    remap_labels: bool = folded(SampleUse, "remap_labels")
    validation_share: float | None = folded(Scoring, "validation_share")
    memory: int | None = patches_memory()

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_data(SampleRole.TRAINING, self.sources, self.training_tfrecords)
        if not self.sources and not self.training_tfrecords:
            raise ParameterError(
                "{il} is missing: choose at least one patches image for source 1, or a folder in {training_tfrecords}.",
                il=field("il", of="sources", number=1),
                training_tfrecords=field("training_tfrecords"),
            )
        _check_data(SampleRole.VALIDATION, self.validation_sources, self.validation_tfrecords)
        _check_data(SampleRole.TEST, self.test_sources, self.test_tfrecords)
        validated = self.validation_sources or self.validation_tfrecords
        if validated and self.validation_share:
            raise ParameterError(
                "{validation_share} is {validation_share2:g}, but there are validation sources too: remove one of "
                "them.",
                validation_share=field("validation_share"),
                validation_share2=self.validation_share,
            )
        if self.calibrate:
            self._check_calibration(bool(validated or self.validation_share))

    def _check_calibration(self, validated: bool) -> None:
        if not validated:
            raise ParameterError(
                "{calibrate} is on, but there are no validation samples to fit the temperature to: give validation samples, "
                "set {validation_share}, or switch {calibrate} off.",
                calibrate=field("calibrate"),
                validation_share=field("validation_share"),
            )
        if self.validation_mode == "rmse":
            raise ParameterError(
                "{calibrate} is on, but {validation_mode} is rmse, and only class probabilities can be calibrated: switch "
                "{calibrate} off, or set {validation_mode} to class.",
                calibrate=field("calibrate"),
                validation_mode=field("validation_mode"),
            )


def _check_data(role: SampleRole, sources: Any, records: str | None) -> None:
    """Raise ParameterError where a source has no images and there are no TFRecords in their place."""
    groups = "sources" if role is SampleRole.TRAINING else f"{role}_sources"
    lacking = [number for number, source in enumerate(sources, 1) if not source.il]
    if records and len(lacking) < len(sources):
        raise ParameterError(
            "{role} and {il} are both given: keep one of them.",
            role=field(f"{role}_tfrecords"),
            il=field("il", of=groups, number=1),
        )
    if lacking and not records:
        raise ParameterError(
            "{il} is missing: choose at least one patches image, or a folder in {role}.",
            il=field("il", of=groups, number=lacking[0]),
            role=field(f"{role}_tfrecords"),
        )
