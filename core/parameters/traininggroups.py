"""The parameters of TensorflowModelTrain, by subject: model, data, validation, how it is trained, what is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import sections
from . import sharedkeys as shared
from . import vocabulary as voc
from .operation import Group, NumberResult

FOR_KERAS_ONLY = (
    "loss",
    "optimizer",
    "learning_rate",
    "schedule",
    "metrics",
    "patience",
    "freeze",
    "mixed_precision",
    "strategy",
    "class_weights",
    "remap_labels",
    "extend_classes",
    "calibrate",
    "width",
    "depth",
)
"""Fields that a TensorFlow 1 graph, which holds its own loss and optimizer, has no use for."""

LOSSES = (
    "auto",
    "categorical_crossentropy",
    "focal",
    "dice",
    "binary_crossentropy",
    "mse",
    "mae",
    "huber",
    "tanimoto",
    "centernet",
)
OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop", "nadam")
SCHEDULES = ("constant", "cosine", "exponential", "plateau")
OVER_ALL_EPOCHS = ("cosine", "exponential")
"""The schedules that depend on the number of epochs."""

METRICS = ("accuracy", "mean_iou", "mse", "mae", "rmse")
AUGMENTATIONS = ("none", "flips", "flips_turns")
STRATEGIES = ("none", "mirrored", "multiworker")
VALIDATION_MODES = ("none", "class", "rmse")

CALIBRATION_RESULTS = (
    NumberResult("temperature", "Temperature of the calibration"),
    NumberResult("calibration_error", "Expected calibration error of the calibrated probabilities"),
)
"""The results of calibrating the class probabilities."""

TRAINING_RESULTS = (
    NumberResult("kappa", "Kappa of the last validation"),
    NumberResult("overall_accuracy", "Overall accuracy of the last validation"),
    NumberResult("f1_macro", "Mean F-score of the classes in the last validation"),
    NumberResult("rmse", "Root mean square error of the last validation"),
    NumberResult("mae", "Mean absolute error of the last validation"),
    NumberResult("r2", "Coefficient of determination of the last validation"),
    NumberResult("epochs_run", "Number of epochs trained"),
    NumberResult("samples_per_epoch", "Number of samples per epoch"),
)
"""The results of a training."""


def patches_memory() -> Any:
    """The memory budget of a training."""
    return shared.memory("patches that are kept or shuffled", more="; further patches are read when they are used")


@dataclass(frozen=True)
class TrainedModel(Group):
    """The model."""

    model_dir: str = voc.file(
        "model.dir",
        "Model",
        "A .keras file, a SavedModel of this plugin or of TensorFlow 1 (its folder, or the saved_model.pb in it), or "
        "a template of otbtf:createmodel, such as cnn16 or template:cnn16, which is created for the bands and "
        "classes of the sources. If a file or folder named cnn16 exists, cnn16 selects it, with a warning; "
        "template:cnn16 always selects the template.",
        file_filter=shared.TRAINABLE_FILES,
        section=sections.MODEL,
    )
    model_restorefrom: str | None = voc.file(
        "model.restorefrom",
        "Initial weights",
        "Initial weights. For a Keras model: a .keras or .weights.h5 file of the same network. For a TensorFlow 1 "
        "graph: the prefix of its saved variables (DIR/variables/variables) or the folder of a SavedModel. Default: "
        "those in the model.",
        required=False,
        advanced=True,
        section=sections.MODEL,
    )
    model_tagsets: str = shared.tag_sets()
    trust_model: bool = shared.trust_model()


@dataclass(frozen=True)
class TrainedKerasModel(Group):
    """The model, where TensorFlow 1 graphs are not trained."""

    model_dir: str = voc.picked(
        TrainedModel,
        "model_dir",
        help="A .keras file, a SavedModel of this plugin (its folder, or the saved_model.pb in it), or a template of "
        "otbtf:createmodel, such as cnn16 or template:cnn16, which is created for the bands and classes of the sources. If a "
        "file or folder named cnn16 exists, cnn16 selects it, with a warning; template:cnn16 always selects the template.",
    )
    model_restorefrom: str | None = voc.picked(
        TrainedModel,
        "model_restorefrom",
        help="Initial weights: a .keras or .weights.h5 file of the same network. Default: those in the model.",
    )
    trust_model: bool = voc.picked(TrainedModel, "trust_model")


@dataclass(frozen=True)
class NetworkSize(Group):
    """The size of a template, which is made for the samples."""

    width: int | None = shared.network_width()
    depth: int | None = shared.network_depth()


@dataclass(frozen=True)
class SampleUse(Group):
    """The use of the samples in training."""

    epochs: int = voc.integer(
        "training.epochs",
        "Epochs",
        "Number of times that each sample is used.",
        default=100,
        minimum=1,
        section=sections.TRAINING,
    )
    batchsize: int = voc.integer(
        "training.batchsize",
        "Batch size",
        "Number of samples per step. The last batch of an epoch can be smaller.",
        default=100,
        minimum=1,
        section=sections.TRAINING,
    )
    training_usestreaming: bool = voc.boolean(
        "training.usestreaming",
        "Read patches when they are used",
        "Off: keep the training patches in memory. On: read them again in each epoch, if they do not fit in memory.",
        advanced=True,
        section=sections.SPEED,
    )
    augmentation: str = voc.choice(
        "augmentation",
        "Augmentation",
        "none, flips (left and right, top and bottom), or flips_turns (also quarter turns, for square patches). "
        "Chosen at random for each sample in each epoch, the same for all its sources.",
        AUGMENTATIONS,
        section=sections.TRAINING,
    )
    remap_labels: bool = voc.boolean(
        "remap_labels",
        "Renumber labels",
        "On: number the labels (any whole numbers) from 0 in ascending order for training. The trained model returns "
        "the original labels in its output named classes.",
        section=sections.SAMPLES,
    )
    extend_classes: bool = voc.boolean(
        "extend_classes",
        "Add classes to the model",
        "On: add the classes of the samples that the trained model does not have to its last layer. Its own classes keep "
        "their labels and weights.",
        section=sections.SAMPLES,
        advanced=True,
    )
    ignored_label: int | None = voc.integer(
        "ignored_label",
        "Ignored label",
        "Ignore pixels of label tiles with this value, in training and in scores. Default: none.",
        advanced=True,
        section=sections.SAMPLES,
    )
    class_weights: str = voc.choice(
        "class_weights",
        "Class weights",
        "balanced: weight samples (for label tiles: pixels) in inverse proportion to the frequency of their class. "
        "none: the same weight for all.",
        ("none", "balanced"),
        section=sections.TRAINING,
        advanced=True,
    )


@dataclass(frozen=True)
class Scoring(Group):
    """What is scored, and on which samples if none are given for it."""

    validation_mode: str = voc.choice(
        "validation.mode",
        "Validation",
        "class: scores of the classes (precision, recall, F-score, kappa, confusion matrix). rmse: errors of values. "
        "none: only the loss, and scores at the end if the kind of output is clear.",
        VALIDATION_MODES,
        section=sections.VALIDATION,
        advanced=True,
    )
    validation_step: int = voc.integer(
        "validation.step",
        "Epochs between scorings",
        "Number of epochs between two scorings of training and validation data; the last epoch is always scored.",
        default=10,
        minimum=1,
        advanced=True,
        section=sections.VALIDATION,
    )
    validation_usestreaming: bool = voc.boolean(
        "validation.usestreaming",
        "Read validation patches when they are used",
        "Off: keep the validation and test patches in memory. On: read them again for each scoring.",
        advanced=True,
        section=sections.SPEED,
    )
    validation_share: float | None = voc.number(
        "validation.share",
        "Validation share",
        "Share of the training samples held back for validation, in whole groups, if there are no validation "
        "sources. Default or 0: none.",
        minimum=0,
        maximum=0.9,
        section=sections.VALIDATION,
    )
    validation_groups: tuple[Any, ...] = voc.rasters(
        "validation.groups",
        "Groups of samples",
        "Images with one value per patch, as PatchesExtraction writes them from a field such as a parcel number: "
        "samples with the same value are held back together. Default: neighbouring patches, if the JSON beside the "
        "patches lists them, otherwise whole patches images if there are several.",
        advanced=True,
        section=sections.VALIDATION,
    )
    calibrate: bool = shared.calibrate()


@dataclass(frozen=True)
class Fitting(Group):
    """Compiling and fitting a Keras model."""

    loss: str = voc.choice(
        "loss",
        "Loss",
        "auto: the loss that the model was trained by before, or that suits the template; otherwise categorical_crossentropy for "
        "classes, binary_crossentropy for one probability, mse for values. A detector has centernet. tanimoto is for shares "
        "between 0 and 1, as of the template field_boundaries. focal emphasizes samples that are difficult to classify, dice "
        "classes with few pixels; mae and huber are less sensitive to outliers than mse.",
        LOSSES,
        section=sections.TRAINING,
        advanced=True,
    )
    optimizer: str = voc.choice(
        "optimizer",
        "Optimizer",
        "Algorithm that updates the weights.",
        OPTIMIZERS,
        section=sections.TRAINING,
        advanced=True,
    )
    learning_rate: float | None = voc.number(
        "learning_rate",
        "Learning rate",
        "Step size of the optimizer. Default: 0.001, or 0.01 for sgd.",
        minimum=1e-12,
        section=sections.TRAINING,
        advanced=True,
    )
    schedule: str = voc.choice(
        "schedule",
        "Learning rate schedule",
        "constant: no change. cosine: decrease to 0 over all epochs. exponential: decrease to a hundredth over all "
        "epochs. plateau: halve the rate if the loss has not improved for 5 epochs.",
        SCHEDULES,
        advanced=True,
        section=sections.TRAINING,
    )
    metrics: str = voc.text(
        "metrics",
        "Metrics",
        f"Metrics to compute in addition to the loss, separated by spaces: {', '.join(METRICS)}. Default: accuracy "
        "for classes, mae for values.",
        advanced=True,
        section=sections.TRAINING,
    )
    patience: int = voc.integer(
        "patience",
        "Patience",
        "Number of epochs without improvement of the loss (the validation loss, if there is one) after which "
        "training ends early. 0: never.",
        default=0,
        minimum=0,
        section=sections.TRAINING,
        advanced=True,
    )
    freeze: str = voc.text(
        "freeze",
        "Frozen layers",
        "Names of the layers whose weights do not change, separated by spaces; * matches any characters, as in conv* "
        "block1_*.",
        advanced=True,
        section=sections.TRAINING,
    )
    mixed_precision: bool = voc.boolean(
        "mixed_precision",
        "Mixed precision",
        "On: compute mostly with 16 bits, which is faster and needs less memory on recent GPUs; weights keep 32 bits.",
        advanced=True,
        section=sections.SPEED,
    )
    strategy: str = voc.choice(
        "strategy",
        "Strategy",
        "none: one device. mirrored: all GPUs of this machine. multiworker: several machines, described by TF_CONFIG "
        "or SLURM. The devices share each batch.",
        STRATEGIES,
        advanced=True,
        section=sections.SPEED,
    )
    seed: int = shared.seed(
        "initial weights, sample order, augmentation and selections",
        default=0,
        maximum=shared.LARGEST_SEED,
        advanced=True,
        section=sections.TRAINING,
    )
    resume: bool = voc.boolean(
        "resume",
        "Resume",
        "On: resume from the last checkpoint of a run that was stopped or had fewer epochs. Without a checkpoint, "
        "training starts from the beginning.",
        section=sections.TRAINING,
        advanced=True,
    )
    device: str = shared.device()


@dataclass(frozen=True)
class GraphTraining(Group):
    """Training a TensorFlow 1 graph through its target nodes."""

    training_userplaceholders: str = voc.text(
        "training.userplaceholders",
        "User placeholders for training",
        "For a TensorFlow 1 graph: values of further inputs in training: name=value, separated by spaces, such as "
        "lr=0.001 dropout=0.5. A value is a number, true or false, or a list such as (1, 2.5).",
        advanced=True,
        section=sections.TRAINING,
    )
    training_targetnodes: str = voc.text(
        "training.targetnodes",
        "Target nodes",
        "For a TensorFlow 1 graph: operations to run for each batch, separated by spaces, such as optimizer.",
        advanced=True,
        section=sections.TRAINING,
    )
    training_outputtensors: str = voc.text(
        "training.outputtensors",
        "Output tensors",
        "For a TensorFlow 1 graph: tensors whose values are logged, separated by spaces, such as loss.",
        advanced=True,
        section=sections.TRAINING,
    )
    validation_userplaceholders: str = voc.text(
        "validation.userplaceholders",
        "User placeholders for validation",
        "For a TensorFlow 1 graph: values of further inputs in scoring, such as dropout=0.",
        advanced=True,
        section=sections.VALIDATION,
    )


@dataclass(frozen=True)
class TrainingFiles(Group):
    """What training writes beside the trained model and its report."""

    checkpoints: str | None = voc.folder_out(
        "checkpoints",
        "Checkpoints",
        "Folder for the state at the end of each epoch, and for best.keras, the best model so far. Default: a folder "
        "beside the trained model, removed after training.",
        required=False,
        advanced=True,
    )
    out_keras: str | None = shared.keras_out()
    out_history: str | None = voc.file_out(
        "out.history",
        "History",
        "Table with loss, metrics, scores, learning rate and seconds; one row per epoch.",
        file_filter="CSV files (*.csv)",
    )
    tensorboard_dir: str | None = voc.folder_out(
        "tensorboard_dir",
        "TensorBoard logs",
        "Folder for a log of each run, for otbtf:tensorboard.",
        required=False,
        advanced=True,
    )


@dataclass(frozen=True)
class TrainingOutputs(Group):
    """The outputs of training."""

    model_saveto: str | None = voc.folder_out(
        "model.saveto",
        "Trained model",
        "Folder for the trained model as a SavedModel, ready to serve, with its sidecar. For a TensorFlow 1 graph "
        "also a prefix for its variables alone, DIR/variables/variables.",
        required=False,
        created=True,
        kept_as="trained_model",
    )
    out_report: str | None = shared.report(
        "HTML page with curves, confusion matrix, scores per class, times and the parameters used."
    )
