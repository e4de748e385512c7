"""The parameters of TensorflowModelTrain, by subject: model, data, validation, how it is trained, what is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import sharedkeys as shared
from . import vocabulary as voc
from .operation import Group

MOST_SOURCES = 9

LOSSES = (
    "auto",
    "categorical_crossentropy",
    "focal",
    "dice",
    "binary_crossentropy",
    "mse",
    "mae",
    "huber",
)
OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop", "nadam")
SCHEDULES = ("constant", "cosine", "exponential", "plateau")
METRICS = ("accuracy", "mean_iou", "mse", "mae", "rmse")
AUGMENTATIONS = ("none", "flips", "flips_turns")
STRATEGIES = ("none", "mirrored", "multiworker")
VALIDATION_MODES = ("none", "class", "rmse")

_TFRECORDS = (
    "A folder of TFRecords in place of patches images. Its tensors, in the order of output_types.json, are the sources: "
    "{key} of source 1 names what the first is for, and so on."
)


@dataclass(frozen=True)
class TrainingSource:
    """Patches images that feed one input of the model, or hold what one output shall be."""

    il: tuple[Any, ...] = voc.rasters(
        "il",
        "Patches images",
        "Patches one below the other, as PatchesExtraction writes them. Several hold the samples one after the other.",
    )
    patchsizex: int | None = voc.integer(
        "patchsizex",
        "Patch width",
        "In pixels; checked against the images. Not given: the width of the image.",
        minimum=1,
        advanced=True,
    )
    patchsizey: int | None = voc.integer(
        "patchsizey",
        "Patch height",
        "In pixels. Not given: what the JSON beside the patches image says, else the width.",
        minimum=1,
        advanced=True,
    )
    placeholder: str = voc.text(
        "placeholder",
        "Model input or output",
        "Name of the input that this source feeds, or of the output that it is the target of. Empty: the sources feed "
        "the inputs in alphabetical order, and the last is the target (labels, or values to learn).",
    )


@dataclass(frozen=True)
class ScoredSource:
    """Patches images for validation or test: for one of the sources of training."""

    il: tuple[Any, ...] = voc.rasters(
        "il", "Patches images", "As for training, of other samples; in the order of the sources of training."
    )
    name: str = voc.text(
        "name",
        "Model input or output",
        "Empty, or the placeholder of the source of training: what it is there. Another name is an output to score "
        "against these patches, such as prediction, where the graph is trained through a target node.",
        advanced=True,
    )


@dataclass(frozen=True)
class TrainedModel(Group):
    """The parameters that name the model."""

    model_dir: str = voc.file(
        "model.dir",
        "Model",
        "A .keras file, a SavedModel of this plugin or of TensorFlow 1 (its folder, or the saved_model.pb inside), or the "
        "name of a template of otbtf:createmodel, such as cnn16 or template:cnn16, that is made for the bands and classes of "
        "the sources. A file or folder called cnn16 comes first, with a warning; template:cnn16 is always the template.",
        file_filter=shared.MODEL_FILES,
    )
    model_restorefrom: str | None = voc.file(
        "model.restorefrom",
        "Restore from",
        "Variables to begin with: of a Keras model a .keras or .weights.h5 file of the same network; of a graph the prefix "
        "of its saved variables (DIR/variables/variables) or the folder of a SavedModel. Not given: those in the model.",
        required=False,
        advanced=True,
    )
    model_tagsets: str = shared.tag_sets()
    trust_model: bool = shared.trust_model()


@dataclass(frozen=True)
class TrainingData(Group):
    """The parameters that name the samples, and how they are fed."""

    sources: tuple[TrainingSource, ...] = voc.numbered(TrainingSource, MOST_SOURCES, "training.source")
    training_tfrecords: str | None = voc.folder(
        "training.tfrecords",
        "TFRecords for training",
        _TFRECORDS.format(key="TRAINING_SOURCE1_PLACEHOLDER"),
        required=False,
        advanced=True,
    )
    batchsize: int = voc.integer(
        "training.batchsize",
        "Batch size",
        "Samples in a step. The last batch of an epoch is smaller where they do not share out evenly.",
        default=100,
        minimum=1,
    )
    epochs: int = voc.integer("training.epochs", "Epochs", "How often each sample is used.", default=100, minimum=1)
    training_usestreaming: bool = voc.boolean(
        "training.usestreaming",
        "Read patches when they are used",
        "Off: patches for training are kept in memory. On: they are read again in each epoch, for more than fits there.",
        advanced=True,
    )
    augmentation: str = voc.choice(
        "augmentation",
        "Augmentation",
        "none, flips (left and right, top and bottom), or flips_turns (quarter turns too, for square patches), drawn anew "
        "for each sample in each epoch, the same for all its sources.",
        AUGMENTATIONS,
    )
    remap_labels: bool = voc.boolean(
        "remap_labels",
        "Renumber labels",
        "On: labels of any whole values are numbered from 0 in ascending order for training; the trained model returns "
        "them as they were in its output classes.",
    )
    ignored_label: int | None = voc.integer(
        "ignored_label",
        "Ignored label",
        "Pixels of label tiles with this value count neither for training nor in scores. Not given: none.",
        advanced=True,
    )
    class_weights: str = voc.choice(
        "class_weights",
        "Class weights",
        "balanced: samples (of label tiles: pixels) count in inverse proportion to how frequent their class is. none: all "
        "count the same.",
        ("none", "balanced"),
    )


@dataclass(frozen=True)
class Validation(Group):
    """The parameters of validation and test."""

    validation_mode: str = voc.choice(
        "validation.mode",
        "Validation",
        "class: scores of classes (precision, recall, F-score, kappa, confusion matrix). rmse: errors of values. none: only "
        "the loss, and scores at the end where the kind of output is plain.",
        VALIDATION_MODES,
    )
    validation_step: int = voc.integer(
        "validation.step",
        "Score every",
        "Epochs between two scorings of training and validation data; the last epoch is always scored.",
        default=10,
        minimum=1,
        advanced=True,
    )
    validation_sources: tuple[ScoredSource, ...] = voc.numbered(ScoredSource, MOST_SOURCES, "validation.source")
    validation_tfrecords: str | None = voc.folder(
        "validation.tfrecords",
        "TFRecords for validation",
        _TFRECORDS.format(key="VALIDATION_SOURCE1_NAME"),
        required=False,
        advanced=True,
    )
    validation_usestreaming: bool = voc.boolean(
        "validation.usestreaming",
        "Read validation patches when they are used",
        "Off: patches for validation and test are kept in memory.",
        advanced=True,
    )
    validation_share: float | None = voc.number(
        "validation.share",
        "Validation share",
        "Share of the training samples held back for validation, in whole groups, where there are no validation sources. "
        "Not given, or 0: none.",
        minimum=0,
        maximum=0.9,
        advanced=True,
    )
    validation_groups: tuple[Any, ...] = voc.rasters(
        "validation.groups",
        "Groups of samples",
        "Images of one value per patch, as PatchesExtraction writes them from a field such as a parcel's number: samples "
        "with the same value are held back together. Not given: neighbours are, where the JSON beside the patches tells "
        "them, else the samples of one patches image where there are several.",
        advanced=True,
    )
    test_sources: tuple[ScoredSource, ...] = voc.numbered(ScoredSource, MOST_SOURCES, "test.source")
    test_tfrecords: str | None = voc.folder(
        "test.tfrecords",
        "TFRecords for the test",
        _TFRECORDS.format(key="TEST_SOURCE1_NAME"),
        required=False,
        advanced=True,
    )


@dataclass(frozen=True)
class Fitting(Group):
    """The parameters of compiling and fitting a Keras model."""

    loss: str = voc.choice(
        "loss",
        "Loss",
        "auto: categorical_crossentropy for classes, binary_crossentropy for one probability, mse for values. focal gives "
        "weight to samples that are hard, dice to classes of few pixels; mae and huber mind outliers less than mse.",
        LOSSES,
    )
    optimizer: str = voc.choice("optimizer", "Optimizer", "How weights follow the gradients.", OPTIMIZERS)
    learning_rate: float | None = voc.number(
        "learning_rate", "Learning rate", "Not given: 0.001, for sgd 0.01.", minimum=1e-12
    )
    schedule: str = voc.choice(
        "schedule",
        "Schedule of the learning rate",
        "constant; cosine: down to 0 over all epochs; exponential: down to a hundredth over all epochs; plateau: halved "
        "where the loss has not become better for 5 epochs.",
        SCHEDULES,
        advanced=True,
    )
    metrics: str = voc.text(
        "metrics",
        "Metrics",
        f"What to follow beside the loss, separated by spaces: {', '.join(METRICS)}. Empty: accuracy for classes, mae for "
        "values.",
        advanced=True,
    )
    patience: int = voc.integer(
        "patience",
        "Patience",
        "Training ends early when the loss (of validation, where there is one) has not become better for so many epochs. "
        "0: never.",
        default=0,
        minimum=0,
    )
    freeze: str = voc.text(
        "freeze",
        "Freeze layers",
        "Names of layers that keep their weights, separated by spaces; * stands for anything, as in conv* block1_*.",
        advanced=True,
    )
    mixed_precision: bool = voc.boolean(
        "mixed_precision",
        "Mixed precision",
        "On: most is computed with 16 bits, faster and with less memory on recent GPUs; weights stay at 32 bits.",
        advanced=True,
    )
    strategy: str = voc.choice(
        "strategy",
        "Strategy",
        "none: one device. mirrored: all GPUs of this machine. multiworker: several machines, as TF_CONFIG or SLURM "
        "describes them. Each batch is shared out.",
        STRATEGIES,
        advanced=True,
    )
    seed: int = shared.seed(
        "initial weights, the order of samples, augmentation and draws",
        default=0,
        maximum=shared.LARGEST_SEED,
        advanced=True,
    )
    checkpoints: str | None = voc.folder_out(
        "checkpoints",
        "Checkpoints",
        "Folder for the state at the end of each epoch, and best.keras, the best model so far. Not given: beside "
        "the trained model while it is trained.",
        required=False,
        advanced=True,
    )
    resume: bool = voc.boolean(
        "resume",
        "Resume",
        "Go on from the last checkpoint of a run that was stopped, or that had fewer epochs. Where there is none, training "
        "begins anew.",
    )
    device: str = shared.device()


@dataclass(frozen=True)
class GraphTraining(Group):
    """The parameters of training a TensorFlow 1 graph through its target nodes."""

    training_userplaceholders: str = voc.text(
        "training.userplaceholders",
        "User placeholders for training",
        "Values for further inputs of a graph: name=value, several separated by spaces, such as lr=0.001 dropout=0.5. A "
        "value is a number, true or false, or a list such as (1, 2.5).",
        advanced=True,
    )
    training_targetnodes: str = voc.text(
        "training.targetnodes",
        "Target nodes",
        "Of a graph: operations to run for each batch, separated by spaces, such as optimizer.",
        advanced=True,
    )
    training_outputtensors: str = voc.text(
        "training.outputtensors",
        "Output tensors",
        "Of a graph: tensors whose values are logged, separated by spaces, such as loss.",
        advanced=True,
    )
    validation_userplaceholders: str = voc.text(
        "validation.userplaceholders",
        "User placeholders for validation",
        "Values for further inputs of a graph while it is scored, such as dropout=0.",
        advanced=True,
    )


@dataclass(frozen=True)
class TrainingOutputs(Group):
    """The parameters that name what is written."""

    model_saveto: str | None = voc.folder_out(
        "model.saveto",
        "Trained model",
        "Folder for the trained model as a SavedModel, ready to serve, with its sidecar. Of a graph also a prefix for its "
        "variables alone, DIR/variables/variables.",
        required=False,
        created=True,
    )
    out_keras: str | None = shared.keras_out()
    out_history: str | None = voc.file_out(
        "out.history",
        "History",
        "Table of loss, metrics, scores, learning rate and seconds, one row per epoch.",
        file_filter="CSV files (*.csv)",
    )
    out_report: str | None = shared.report(
        "A page with curves, confusion matrix, scores per class, times and the parameters used."
    )
    tensorboard_dir: str | None = voc.folder_out(
        "tensorboard_dir",
        "TensorBoard logs",
        "Folder that receives a log of each run, for otbtf:tensorboard.",
        required=False,
        advanced=True,
    )
