"""SearchSettings: the best of several trainings with other settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.clusteraddress import needs_cluster
from ..parameters.fillings import TrainedFilling
from ..parameters.operation import Group, NumberResult, Operation, TextResult
from ..parameters.traininggroups import (
    CALIBRATION_RESULTS,
    TRAINING_RESULTS,
    Fitting,
    NetworkSize,
    SampleUse,
    Scoring,
    TrainedKerasModel,
    TrainingOutputs,
    patches_memory,
)
from ..parameters.trainingpatches import ValidatedPatches

SEARCHED = (
    *("model.dir", "learning_rate", "training.batchsize", "optimizer", "schedule", "loss", "class_weights"),
    *("augmentation", "width", "depth"),
)
"""The keys whose values may be searched."""

RANGES = ("learning_rate", "training.batchsize", "width", "depth")
"""Those of numbers, of which a range may be searched."""

METHODS = ("random", "halving")

SMALLER_IS_BETTER = ("rmse", "mae")
LARGER_IS_BETTER = ("kappa", "overall_accuracy", "f1_macro", "r2")

_NAMES = ", ".join(name.upper().replace(".", "_") for name in SEARCHED)


@dataclass(frozen=True)
class _Training(Group):
    epochs: int = voc.integer(
        "training.epochs",
        "Epochs",
        "Largest number of epochs of a trial: how often each sample is used.",
        default=20,
        minimum=1,
        section=sections.TRAINING,
    )
    batchsize: int = voc.folded(SampleUse, "batchsize")
    training_usestreaming: bool = voc.picked(SampleUse, "training_usestreaming")
    augmentation: str = voc.folded(SampleUse, "augmentation")
    remap_labels: bool = voc.picked(SampleUse, "remap_labels")
    extend_classes: bool = voc.picked(SampleUse, "extend_classes")
    ignored_label: int | None = voc.picked(SampleUse, "ignored_label")
    class_weights: str = voc.picked(SampleUse, "class_weights")
    validation_mode: str = voc.picked(Scoring, "validation_mode")
    validation_usestreaming: bool = voc.picked(Scoring, "validation_usestreaming")
    validation_share: float | None = voc.folded(Scoring, "validation_share")
    validation_groups: tuple[Any, ...] = voc.picked(Scoring, "validation_groups")
    calibrate: bool = voc.picked(Scoring, "calibrate")
    loss: str = voc.picked(Fitting, "loss")
    optimizer: str = voc.picked(Fitting, "optimizer")
    learning_rate: float | None = voc.picked(Fitting, "learning_rate")
    schedule: str = voc.picked(Fitting, "schedule")
    metrics: str = voc.picked(Fitting, "metrics")
    patience: int = voc.picked(Fitting, "patience")
    freeze: str = voc.picked(Fitting, "freeze")
    mixed_precision: bool = voc.picked(Fitting, "mixed_precision")
    seed: int = shared.seed(
        "the trials, and of each training",
        default=0,
        maximum=shared.LARGEST_SEED,
        advanced=True,
        section=sections.TRAINING,
    )
    device: str = voc.picked(Fitting, "device")


@dataclass(frozen=True)
class _Search(Group):
    settings: str = voc.text(
        "settings",
        "Settings to search",
        "NAME=value;value;... or NAME=low:high, separated by spaces or line ends; or a JSON object of lists. A range is drawn "
        f"from on a logarithmic scale. Names: {_NAMES}. They take the place of the parameters of these names.",
        default="LEARNING_RATE=0.0001:0.01 TRAINING_BATCHSIZE=16;32;64",
        section=sections.SETTINGS,
    )
    trials: int = voc.integer(
        "trials",
        "Number of trials",
        "Number of trainings with different settings.",
        default=10,
        minimum=1,
        maximum=1000,
        section=sections.SETTINGS,
    )
    minutes: float | None = voc.number(
        "minutes",
        "Time limit (minutes)",
        "No further trial begins after this time. Default: no limit.",
        minimum=0,
        section=sections.SETTINGS,
        advanced=True,
    )
    method: str = voc.choice(
        "method",
        "Method",
        "random: each trial has all epochs. halving: all trials have few epochs, the best third goes on with three times as "
        "many, and so on (successive halving), so that more trials take the same time.",
        METHODS,
        section=sections.SETTINGS,
        advanced=True,
    )
    score: str = voc.choice(
        "score",
        "Score that decides",
        "Score on the validation data by which trials are compared. auto: kappa for classes, rmse for values.",
        ("auto", *LARGER_IS_BETTER, *SMALLER_IS_BETTER),
        section=sections.SETTINGS,
        advanced=True,
    )
    resume: bool = voc.boolean(
        "resume",
        "Resume",
        "On: keep the trials that an earlier run with the same OUT has done, go on with the one that it had begun, and run "
        "the others. Without such a run, the search starts from the beginning.",
        section=sections.SETTINGS,
        advanced=True,
    )


@dataclass(frozen=True)
class _Outputs(Group):
    cluster: Any = shared.cluster("Run several trials at a time", "the folder of OUT")
    cluster_tls: str | None = shared.cluster_tls()
    out: str = voc.file_out(
        "out",
        "Trials",
        "JSON file with settings, epochs, scores and seconds of each trial. The journal for RESUME lies beside it.",
        required=True,
        file_filter="JSON files (*.json)",
    )
    model_saveto: str | None = voc.picked(TrainingOutputs, "model_saveto", kept_as="best_model")
    out_report: str | None = shared.report(
        "HTML page with a table of the trials, and the training report of the best one."
    )


@dataclass(frozen=True)
class SearchSettings(
    Operation, _Outputs, TrainedFilling, NetworkSize, _Search, _Training, ValidatedPatches, TrainedKerasModel
):
    """OTBTF has no such application."""

    TITLE = "Search training settings"
    GROUP = "training"
    DESCRIPTION = (
        "Trains a model several times with different settings, such as learning rate and batch size, and keeps the one with "
        "the best score on the validation data. The number of trials, their epochs, and the minutes are fixed before.\n\n"
        "Settings are drawn at random (J. Bergstra and Y. Bengio, Random Search for Hyper-Parameter Optimization, JMLR 13, "
        "2012); with METHOD=halving, trials with bad scores end early (K. Jamieson and A. Talwalkar, Non-stochastic Best Arm "
        "Identification and Hyperparameter Optimization, AISTATS 2016). A search that was stopped can be resumed.\n\n"
        "The other parameters are those of otbtf:trainmodel. Since the best of many trials is chosen by its score, this score "
        "is optimistic: assess the map on other reference data."
    )
    RESULTS = (
        NumberResult("trials_done", "Number of trials that are done"),
        NumberResult("trials_kept", "Number of trials among them that an earlier run has done"),
        NumberResult("trials_failed", "Number of trials that failed"),
        NumberResult("best_trial", "Number of the best trial"),
        NumberResult("best_score", "Score of the best trial"),
        TextResult("best_settings", "Settings of the best trial (JSON)"),
        *TRAINING_RESULTS,
        *CALIBRATION_RESULTS,
    )
    RUN = "search.searchrun:search_settings"
    CHECK = "search.searchchecks:check_search"
    NEEDS_ENGINE = True

    memory: int | None = patches_memory()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.validation_sources and not self.validation_share:
            raise ParameterError(
                "{il} and {validation_share} are missing: trials are compared by their scores on validation data, so give "
                "one of them.",
                il=field("il", of="validation_sources", number=1),
                validation_share=field("validation_share"),
            )
        if self.minutes is not None and not self.minutes > 0:
            raise ParameterError(
                "{minutes} is {minutes2:g}, but must be above 0; leave it out for no limit.",
                minutes=field("minutes"),
                minutes2=self.minutes,
            )
        if self.cluster_tls and not self.cluster:
            raise needs_cluster("cluster_tls")
