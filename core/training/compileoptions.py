"""Compile options: loss, metrics, optimizer and learning rate by name, checked against the model and its target."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from ..errors import ParameterError, field
from ..parameters import detectionmaps
from ..parameters.templatenames import TANIMOTO
from ..parameters.traininggroups import METRICS
from ..phrases import Phrase
from . import losses
from .detectionloss import DetectionLoss

CLASSES, VALUES = "class", "rmse"
"""The kinds of targets, in the words of VALIDATION_MODE."""

DETECTION = "detection"
"""The kind of target of a detector: maps of the objects in a patch."""

_OF_CLASSES = ("categorical_crossentropy", "focal", "dice", "binary_crossentropy")
_OF_VALUES: Mapping[str, Any] = {
    "mse": keras.losses.MeanSquaredError,
    "mae": keras.losses.MeanAbsoluteError,
    "huber": keras.losses.Huber,
    TANIMOTO: losses.TanimotoLoss,
}
_RATES = {"sgd": 0.01}
_RATE = 0.001
_FALL = 0.01  # of the rate at the end of the exponential schedule
_ROUNDING = 1e-3  # by which probabilities may miss a sum of 1


@dataclass(frozen=True)
class TrainedOutput:
    """The output that is trained, as a trial on some samples shows it.

    Attributes:
        name: of the output.
        shape: of the output for a sample: (bands,), (rows, columns, bands), ...
        probabilities: whether it is probabilities of classes along the last axis, or (of one band) a sigmoid's.
    """

    name: str
    shape: tuple[int, ...]
    probabilities: bool

    @property
    def bands(self) -> int:
        """Number of classes, or of values."""
        return self.shape[-1]

    def describe(self) -> str:
        """Return name and shape for a message."""
        return Phrase("{name} ({shape} for each sample)", name=self.name, shape=" x ".join(map(str, self.shape)))


def are_probabilities(values: Any, activation: str) -> bool:
    """Return whether an output is probabilities of classes, or of one class.

    Args:
        values: what the model returned for some samples, a NumPy array of shape (samples, ..., bands).
        activation: that made them, as far as the layers tell.
    """
    if values.shape[-1] == 1:
        return activation == "sigmoid"
    return activation == "softmax" or bool((values >= 0).all() and abs(values.sum(axis=-1) - 1.0).max() < _ROUNDING)


def kind_of_target(mode: str, loss: str, output: TrainedOutput, target: tuple[int, ...], two_values: bool) -> str:
    """Return what the target is: `class`, `rmse` (values) or `detection`.

    Args:
        mode: VALIDATION_MODE, which decides where it is not `none`.
        loss: LOSS, which decides next.
        output: the model's.
        target: shape of a sample's target.
        two_values: whether it holds nothing but the whole numbers 0 and 1.

    Raises:
        ParameterError: VALIDATION_MODE does not fit the model.
    """
    if output.name == detectionmaps.OUTPUT:
        if mode == CLASSES:
            raise ParameterError(
                "{validation_mode} is {mode}, but the model is a detector, whose maps hold no class for each cell: set it to "
                "none, and assess what the trained model finds with otbtf:assessdetections.",
                validation_mode=field("validation_mode"),
                mode=mode,
            )
        return DETECTION
    if mode != "none":
        return mode
    if loss != "auto":
        return CLASSES if loss in _OF_CLASSES else VALUES
    if output.bands > 1:
        return VALUES if target[2:] == (output.bands,) else CLASSES
    return CLASSES if output.probabilities and two_values else VALUES


def loss_name(name: str, kind: str, output: TrainedOutput, suited: str = "") -> str:
    """Return the name of the loss, where LOSS is auto too; see `choose_loss`."""
    if name != "auto":
        return name
    if kind != CLASSES:
        return suited if suited in _OF_VALUES else "mse"
    usual = "binary_crossentropy" if output.bands == 1 else "categorical_crossentropy"
    fits = suited in _OF_CLASSES and (suited == "binary_crossentropy") == (output.bands == 1)
    return suited if fits else usual


def choose_loss(
    name: str,
    kind: str,
    output: TrainedOutput,
    target: tuple[int, ...],
    suited: str = "",
    deviation: Sequence[float] | None = None,
) -> tuple[str, keras.losses.Loss]:
    """Return the name of the loss, and the loss.

    Args:
        name: LOSS.
        kind: what the target is.
        output: the model's.
        target: shape of a sample's target.
        suited: what LOSS=auto stands for if it fits the target: the loss that the model was made for, or was trained by before;
            empty where that is not known.
        deviation: standard deviation of each band of a target of values, in which the loss counts; None for its own unit.

    Raises:
        ParameterError: the loss does not fit the output or the target.
    """
    if kind == DETECTION:
        return _detection_loss(name, output, target)
    name = loss_name(name, kind, output, suited)
    if (name in _OF_CLASSES) != (kind == CLASSES) or name == DetectionLoss().name:
        fitting = ", ".join(_OF_CLASSES) if kind == CLASSES else ", ".join(_OF_VALUES)
        what = Phrase("classes") if kind == CLASSES else Phrase("values")
        raise ParameterError(
            "{loss} is {name}, but the target holds {what} ({validation_mode}={kind}): choose one of {fitting}, or "
            "auto.",
            loss=field("loss"),
            name=name,
            what=what,
            validation_mode=field("validation_mode"),
            kind=kind,
            fitting=fitting,
        )
    if kind == CLASSES:
        _check_classes(name, output, target)
        logits = not output.probabilities
        makers: Mapping[str, Any] = {
            "categorical_crossentropy": losses.categorical_crossentropy,
            "focal": losses.focal,
            "dice": losses.DiceLoss,
            "binary_crossentropy": losses.binary_crossentropy,
        }
        return name, makers[name](logits)
    if math.prod(output.shape) != math.prod(target) or output.bands != (target[-1] if target else 1):
        raise ParameterError(
            "{loss} is {name}, but the model's output {output} and the target of shape {target} differ: "
            "{size_advice} or choose another model.",
            loss=field("loss"),
            name=name,
            output=output.describe(),
            target=" x ".join(map(str, target)),
            size_advice=_size_advice(output),
        )
    loss = _OF_VALUES[name]()
    return name, loss if deviation is None else losses.StandardizedLoss(loss, deviation)


def _detection_loss(name: str, output: TrainedOutput, target: tuple[int, ...]) -> tuple[str, keras.losses.Loss]:
    """Return name and loss of a detector."""
    loss = DetectionLoss()
    if name not in ("auto", loss.name):
        raise ParameterError(
            "{loss} is {name}, but the model is a detector, which learns by the loss {own}: choose that, or auto.",
            loss=field("loss"),
            name=name,
            own=loss.name,
        )
    if len(target) != 3 or target[:2] != output.shape[:2] or target[2] != output.bands + 1:
        raise ParameterError(
            "The model's output {output} and the detection maps of shape {target} do not fit: the maps need one band more, "
            "the mask, and as many rows and columns. Extract them for the classes and with the cell size of the model.",
            output=output.describe(),
            target=" x ".join(map(str, target)),
        )
    return loss.name, loss


def _check_classes(name: str, output: TrainedOutput, target: tuple[int, ...]) -> None:
    if (output.bands == 1) != (name == "binary_crossentropy"):
        fitting = "binary_crossentropy" if output.bands == 1 else Phrase("categorical_crossentropy, focal or dice")
        raise ParameterError(
            "{loss} is {name}, but the model's output {output} has {bands} band{s_one_for_each_class}: choose "
            "{fitting}, or auto.",
            loss=field("loss"),
            name=name,
            output=output.describe(),
            bands=output.bands,
            s_one_for_each_class=Phrase("s, one for each class") if output.bands > 1 else "",
            fitting=fitting,
        )
    if math.prod(output.shape[:-1]) != math.prod(target):
        raise ParameterError(
            "The model's output {output} does not have the size of a sample's labels, which is {target}: "
            "{size_advice} or choose another model.",
            output=output.describe(),
            target=" x ".join(map(str, target)),
            size_advice=_size_advice(output),
        )


def _size_advice(output: TrainedOutput) -> str:
    rows, columns = output.shape[:2] if len(output.shape) == 3 else (1, 1)
    return Phrase("extract targets of {columns} x {rows} pixels,", columns=columns, rows=rows)


def choose_metrics(names: str, kind: str, output: TrainedOutput) -> list[keras.metrics.Metric]:
    """Return the metrics.

    Args:
        names: METRICS.
        kind: what the target is.
        output: the model's.

    Raises:
        ParameterError: there is no such metric, or it does not fit.
    """
    of_classes: Mapping[str, Any] = {
        "accuracy": lambda: losses.Accuracy(not output.probabilities),
        "mean_iou": lambda: losses.MeanIou(output.bands),
    }
    of_values: Mapping[str, Any] = {
        "mse": lambda: keras.metrics.MeanSquaredError(name="mse"),
        "mae": lambda: keras.metrics.MeanAbsoluteError(name="mae"),
        "rmse": lambda: keras.metrics.RootMeanSquaredError(name="rmse"),
    }
    if kind == DETECTION and not names.split():
        return []
    fitting: Mapping[str, Any] = {} if kind == DETECTION else of_classes if kind == CLASSES else of_values
    if kind == CLASSES and output.bands == 1:
        fitting = {"accuracy": of_classes["accuracy"]}
    words = list(dict.fromkeys(names.split())) or (["accuracy"] if kind == CLASSES else ["mae"])
    wrong = [word for word in words if word not in fitting]
    if wrong:
        why = Phrase("does not fit this target") if wrong[0] in METRICS else Phrase("is not known")
        raise ParameterError(
            "{metrics} names {wrong}, which {why}: choose from {fitting}.",
            metrics=field("metrics"),
            wrong=wrong[0],
            why=why,
            fitting=", ".join(fitting) or Phrase("none, since detectors have no metrics beside the loss"),
        )
    return [fitting[word]() for word in words]


def make_optimizer(name: str, rate: float | None, schedule: str, steps: int, epochs: int) -> keras.optimizers.Optimizer:
    """Return the optimizer with its learning rate.

    Args:
        name: OPTIMIZER.
        rate: LEARNING_RATE; None for the optimizer's own.
        schedule: SCHEDULE; `plateau` is applied by `TrainingCallback`.
        steps: batches in an epoch.
        epochs: altogether.
    """
    start = _RATES.get(name, _RATE) if rate is None else rate
    rates: Any = start
    if schedule == "cosine":
        rates = keras.optimizers.schedules.CosineDecay(start, steps * epochs)
    elif schedule == "exponential":
        rates = keras.optimizers.schedules.ExponentialDecay(start, steps * epochs, _FALL)
    makers: Mapping[str, Any] = {
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
        "sgd": lambda learning_rate: keras.optimizers.SGD(learning_rate, momentum=0.9, nesterov=True),
        "rmsprop": keras.optimizers.RMSprop,
        "nadam": keras.optimizers.Nadam,
    }
    return makers[name](learning_rate=rates)


def freeze(model: keras.Model, patterns: Sequence[str]) -> list[str]:
    """Let the layers whose names match keep their weights, and return their names.

    Args:
        model: the model; layers of models inside it count too.
        patterns: names, in which * stands for anything.

    Raises:
        ParameterError: a pattern matches nothing, or nothing is left to train.
    """
    import fnmatch

    layers = [layer for layer in model._flatten_layers(include_self=False) if layer.weights]
    names = [layer.name for layer in layers]
    frozen: list[str] = []
    for pattern in patterns:
        found = [layer for layer in layers if fnmatch.fnmatchcase(layer.name, pattern)]
        if not found:
            raise ParameterError(
                "{freeze} names {pattern}, but no layer with weights has this name. The layers with weights are: "
                "{names}.",
                freeze=field("freeze"),
                pattern=pattern,
                names=", ".join(names),
            )
        for layer in found:
            layer.trainable = False
            frozen.append(layer.name)
    if not model.trainable_weights:
        raise ParameterError(
            Phrase("{freeze} leaves no weights to train: name fewer layers.", freeze=field("freeze"))
            if patterns
            else Phrase(
                "The model {model} has no weights to train: it computes a formula. Serve it as it is.", model=model.name
            )
        )
    return sorted(set(frozen))
