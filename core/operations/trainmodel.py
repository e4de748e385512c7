"""TrainModel: a trained Keras model from patches, with the parameters that people set."""

from __future__ import annotations

from dataclasses import dataclass

from ..parameters.fillings import TrainedFilling
from ..parameters.operation import Operation
from ..parameters.traininggroups import (
    CALIBRATION_RESULTS,
    TRAINING_RESULTS,
    Fitting,
    NetworkSize,
    SampleUse,
    Scoring,
    TrainedKerasModel,
    TrainedModel,
    TrainingOutputs,
    patches_memory,
)
from ..parameters.trainingpatches import ValidatedPatches
from ..parameters.vocabulary import picked


@dataclass(frozen=True)
class TrainModel(
    Operation,
    TrainingOutputs,
    TrainedFilling,
    NetworkSize,
    Fitting,
    Scoring,
    SampleUse,
    ValidatedPatches,
    TrainedModel,
):
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
    RESULTS = (*TRAINING_RESULTS, *CALIBRATION_RESULTS)
    RUN = "workflows.modeltraining:train_model"
    CHECK = "workflows.modeltraining:check_training"
    NEEDS_ENGINE = True

    model_dir: str = picked(TrainedKerasModel, "model_dir")
    model_restorefrom: str | None = picked(TrainedKerasModel, "model_restorefrom")
    memory: int | None = patches_memory()
