"""TrainModel: a trained Keras model from patches, with the parameters that people set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.fillings import TrainedFilling
from ..parameters.operation import Group, Operation
from ..parameters.traininggroups import (
    TRAINING_RESULTS,
    Fitting,
    SampleUse,
    Scoring,
    TrainedModel,
    TrainingOutputs,
)


@dataclass(frozen=True)
class TrainingPatches:
    """Patches images that feed one input of the model."""

    il: tuple[Any, ...] = voc.rasters(
        "il",
        "Patches images",
        "Patches images in the form that PatchesExtraction writes, for one input of the model. If there are several, the "
        "samples of one follow those of the other.",
        required=True,
        section=sections.SAMPLES,
    )
    placeholder: str = voc.text(
        "placeholder",
        "Model input",
        "Name of the model's input that this source feeds. Default: the inputs in alphabetical order.",
        section=sections.SAMPLES,
        advanced=True,
    )


@dataclass(frozen=True)
class ValidationPatches:
    """Patches images for validation, for one of the training sources."""

    il: tuple[Any, ...] = voc.rasters(
        "il",
        "Patches images",
        "Patches images of other samples than the training ones, for the same input of the model.",
        section=sections.VALIDATION,
    )


@dataclass(frozen=True)
class _Samples(Group):
    sources: tuple[TrainingPatches, ...] = voc.numbered(TrainingPatches, shared.LISTED_SOURCES, "training.source")
    target: tuple[Any, ...] = voc.rasters(
        "training.target.il",
        "Labels or values to learn",
        "What the model is to learn: the labels images that PatchesExtraction writes, or patches images of labels or "
        "values, in the order of the patches images.",
        required=True,
        section=sections.SAMPLES,
    )
    target_placeholder: str = voc.text(
        "training.target.placeholder",
        "Model output",
        "Name of the model's output that learns them. Default: predictions, otherwise the first in alphabetical order.",
        section=sections.SAMPLES,
        advanced=True,
    )
    validation_sources: tuple[ValidationPatches, ...] = voc.numbered(
        ValidationPatches, shared.LISTED_SOURCES, "validation.source"
    )
    validation_target: tuple[Any, ...] = voc.rasters(
        "validation.target.il",
        "Validation: labels or values",
        "Labels or values of the validation samples.",
        section=sections.VALIDATION,
    )


@dataclass(frozen=True)
class TrainModel(Operation, TrainingOutputs, TrainedFilling, Fitting, Scoring, SampleUse, _Samples, TrainedModel):
    """TensorflowModelTrain, by the parameters for templates and Keras models."""

    TITLE = "Train a model"
    GROUP = "training"
    DESCRIPTION = (
        "Trains a network on patches and reports its accuracy. The model is a template (cnn16, unet, ...), a .keras file "
        "of otbtf:createmodel, or a model that this plugin has trained. The samples are patches images of "
        "otbtf:patchesextraction, with their labels or values.\n\n"
        "The trained model is ready to serve, with the names and colours of its classes. The report has the curves of "
        "loss and metrics, the confusion matrix and the scores per class. If RESUME is on, a training that was stopped "
        "resumes after its last complete epoch.\n\n"
        "otbtf:tensorflowmodeltrain does the same with all parameters of OTBTF: TensorFlow 1 graphs, TFRecords, test "
        "samples, checkpoints and logs."
    )
    RESULTS = TRAINING_RESULTS
    RUN = "workflows.modeltraining:train_model"
    CHECK = "workflows.modeltraining:check_training"
    NEEDS_ENGINE = True

    memory: int | None = shared.memory(
        "patches that are kept or shuffled", more="; further patches are read when they are used"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        lacking = next((number for number, source in enumerate(self.validation_sources, 1) if not source.il), 0)
        if not lacking and (self.validation_sources or self.validation_target):
            wanted, given = len(self.sources), len(self.validation_sources)
            lacking = given + 1 if given < wanted else 0
            if given > wanted:
                raise ParameterError(
                    "{il} is given, but the number of training sources is {wanted}: remove it.",
                    il=field("il", of="validation_sources", number=given),
                    wanted=wanted,
                )
        if lacking:
            raise ParameterError(
                "{il} is missing: validation needs patches images for each training source.",
                il=field("il", of="validation_sources", number=lacking),
            )
        if self.validation_sources and not self.validation_target:
            raise ParameterError(
                "{target} is missing: validation needs the labels or values of its patches.",
                target=field("validation_target"),
            )
