"""FindLearningRate: a learning rate for a training, from a short test."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import ParameterError, field
from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.fillings import TrainedFilling
from ..parameters.operation import Group, NumberResult, Operation
from ..parameters.traininggroups import Fitting, NetworkSize, SampleUse, TrainedKerasModel, patches_memory
from ..parameters.trainingpatches import LearnedPatches


@dataclass(frozen=True)
class _Training(Group):
    batchsize: int = voc.picked(SampleUse, "batchsize")
    training_usestreaming: bool = voc.picked(SampleUse, "training_usestreaming")
    augmentation: str = voc.folded(SampleUse, "augmentation")
    remap_labels: bool = voc.picked(SampleUse, "remap_labels")
    extend_classes: bool = voc.picked(SampleUse, "extend_classes")
    ignored_label: int | None = voc.picked(SampleUse, "ignored_label")
    class_weights: str = voc.picked(SampleUse, "class_weights")
    loss: str = voc.picked(Fitting, "loss")
    optimizer: str = voc.picked(Fitting, "optimizer")
    freeze: str = voc.picked(Fitting, "freeze")
    seed: int = voc.picked(Fitting, "seed")
    device: str = voc.picked(Fitting, "device")


@dataclass(frozen=True)
class _Test(Group):
    rate_start: float = voc.number(
        "rate.start",
        "First learning rate",
        "Learning rate of the first batch.",
        default=1e-6,
        minimum=1e-12,
        section=sections.SETTINGS,
        advanced=True,
    )
    rate_end: float = voc.number(
        "rate.end",
        "Last learning rate",
        "Learning rate of the last batch; the test ends earlier if the loss increases to four times its minimum.",
        default=1.0,
        minimum=1e-12,
        section=sections.SETTINGS,
        advanced=True,
    )
    batches: int = voc.integer(
        "batches",
        "Number of batches",
        "Number of batches to train on, each with a higher learning rate than the one before.",
        default=100,
        minimum=20,
        maximum=10_000,
        section=sections.SETTINGS,
    )


@dataclass(frozen=True)
class _Outputs(Group):
    out_report: str | None = shared.report("HTML page with the curve of the loss over the learning rate.")
    out_curve: str | None = voc.file_out(
        "out.curve",
        "Curve",
        "Table with the learning rate, the loss and the smoothed loss of each batch.",
        file_filter="CSV files (*.csv)",
    )


@dataclass(frozen=True)
class FindLearningRate(
    Operation, _Outputs, TrainedFilling, NetworkSize, _Test, _Training, LearnedPatches, TrainedKerasModel
):
    """OTBTF has no such application."""

    TITLE = "Find a learning rate"
    GROUP = "training"
    DESCRIPTION = (
        "Suggests a learning rate for otbtf:trainmodel: trains the model on some batches with a rate that rises "
        "exponentially, and draws the loss over the rate (L. N. Smith, Cyclical Learning Rates for Training Neural Networks, "
        "WACV 2017). The suggestion is a tenth of the rate at which the smoothed loss is smallest.\n\n"
        "Give the patches, model, batch size, loss and optimizer of the training: another rate suits other ones. Nothing of "
        "this test is kept in the model."
    )
    RESULTS = (
        NumberResult("learning_rate", "Suggested learning rate"),
        NumberResult("rate_smallest", "Learning rate at the smallest loss"),
        NumberResult("rate_steepest", "Learning rate at the steepest descent"),
        NumberResult("batches_run", "Number of batches trained"),
    )
    RUN = "workflows.ratefinding:find_learning_rate"
    CHECK = "workflows.ratefinding:check_finder"
    NEEDS_ENGINE = True

    memory: int | None = patches_memory()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.rate_start < self.rate_end < math.inf:
            raise ParameterError(
                "{rate_start} is {rate_start2:g} and {rate_end} is {rate_end2:g}, but the rate must rise from the first to "
                "the last: exchange them.",
                rate_start=field("rate_start"),
                rate_start2=self.rate_start,
                rate_end=field("rate_end"),
                rate_end2=self.rate_end,
            )
