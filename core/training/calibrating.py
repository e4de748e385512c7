"""Calibrating a trained classifier: a temperature fitted to its validation samples, and what it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import keras
import numpy as np

from ..accuracy.reliability import Reliability
from ..base.progress import Progress
from ..errors import ParameterError, field
from ..models.modelcalibration import Calibration
from ..models.temperaturelayer import TemperatureScaling, is_single, logits_of
from ..parameters.sampleroles import SampleRole
from ..phrases import Phrase
from .network import Network, activation_of, maker_of
from .temperaturefit import LabelledLogits, fit_temperature, why_no_temperature
from .trainingtask import Task

_WIDE = 2.0
"""Factor between the ends of an interval from which a temperature is doubtful."""

_OF_95_PERCENT = 1.96
"""Standard errors on each side of an estimate."""


class Measured(NamedTuple):
    """Probabilities of the samples of a role, without and with the temperature.

    Attributes:
        before, after: reliabilities.
        loss_before, loss_after: mean negative log-likelihoods.
    """

    before: Reliability
    after: Reliability
    loss_before: float
    loss_after: float


@dataclass(frozen=True)
class FittedTemperature:
    """What came of calibrating an output.

    Attributes:
        output: its name.
        temperature: 1 where none is the best, for the reason `why_none`.
        samples: number of validation samples to which it was fitted.
        measured: by role; validation, and test where there are such samples.
        why_none: empty where there is a best temperature.
        interval: from and to which temperature it may be, with a confidence of 95 %, by the number of samples.
        lacking: names of the classes that no sample of the fit has.
    """

    output: str
    temperature: float
    samples: int
    measured: Mapping[SampleRole, Measured]
    why_none: str = ""
    interval: tuple[float, float] = (1.0, 1.0)
    lacking: tuple[str, ...] = ()

    @property
    def doubts(self) -> list[Phrase]:
        """What speaks against the temperature, as sentences."""
        found, (low, high) = [], self.interval
        if self.lacking:
            lacking = ", ".join(self.lacking)
            found.append(Phrase("No validation label is of {lacking}: the temperature ignores them.", lacking=lacking))
        if not high < _WIDE * low:
            found.append(
                Phrase(
                    "The validation labels are too few for a sure temperature: it may as well be {low:.3g} or {high:.3g} (95 % "
                    "confidence). Give more of them.",
                    low=low,
                    high=high,
                )
            )
        return found

    @property
    def measured_on(self) -> SampleRole:
        """The role whose errors count: test, else validation, to which the temperature was fitted."""
        return SampleRole.TEST if SampleRole.TEST in self.measured else SampleRole.VALIDATION

    @property
    def calibration(self) -> Calibration | None:
        """What the sidecar tells; None where there is no best temperature."""
        if self.why_none:
            return None
        found = self.measured[self.measured_on]
        role = str(self.measured_on)
        return Calibration(self.output, self.temperature, self.samples, role, found.before.error, found.after.error)

    def results(self) -> dict[str, float]:
        """Return the results of the operation."""
        told = self.calibration
        return {"temperature": told.temperature, "calibration_error": told.error_after} if told else {}


def check_calibration(task: Task) -> None:
    """Raise ParameterError where there are no probabilities to calibrate."""
    if task.table is None:
        raise ParameterError(
            "{calibrate} is on, but the target holds values, and only class probabilities can be calibrated: switch "
            "{calibrate} off.",
            calibrate=field("calibrate"),
        )
    if not task.output.probabilities:
        raise ParameterError(
            "{calibrate} is on, but the output {output} of the model returns no class probabilities: end the model with a "
            "softmax (of one band: a sigmoid), or switch {calibrate} off.",
            calibrate=field("calibrate"),
            output=task.output.name,
        )


def without_validation_labels() -> ParameterError:
    """Return the error for validation samples without any label that counts."""
    return ParameterError(
        "{calibrate} is on, but no validation sample has a label that counts: give validation samples with labels, or switch "
        "{calibrate} off.",
        calibrate=field("calibrate"),
    )


def calibrate(network: Network, task: Task, data: Mapping[SampleRole, Any], progress: Progress) -> FittedTemperature:
    """Fit the temperature of the trained output to its validation samples.

    Each labelled sample counts the same, of label tiles each labelled pixel, whatever weight its class has in training.

    Args:
        network: with the weights that were trained; a sigmoid in its last layer becomes a layer of its own.
        task: that was learned, of classes.
        data: by role, batches (inputs, class numbers): validation, and test where there is such data.
        progress: receives the result, and may cancel.

    Raises:
        Cancelled: it did.
    """
    network.separate_sigmoid()
    logits = {role: _logits(network, task, batches, progress) for role, batches in data.items()}
    fitted = logits[SampleRole.VALIDATION]
    why = why_no_temperature(fitted)
    temperature = 1.0 if why else fit_temperature(fitted)
    measured = {role: _measured(samples, temperature) for role, samples in logits.items() if samples.kept}
    found = FittedTemperature(task.output.name, temperature, fitted.kept, measured, why)
    if not why:
        lacking = tuple(name for name, count in zip(_names(task), fitted.counts()) if not count)
        found = replace(found, interval=_interval(fitted, temperature), lacking=lacking)
    _log(found, fitted, progress)
    return found


def _interval(samples: LabelledLogits, temperature: float) -> tuple[float, float]:
    factor = float(np.exp(_OF_95_PERCENT * samples.uncertainty(temperature)))
    return temperature / factor, temperature * factor


def _names(task: Task) -> tuple[str, ...]:
    return task.table.names if task.table else ()


def _logits(network: Network, task: Task, batches: Any, progress: Progress) -> LabelledLogits:
    """Return the logits of labelled samples."""
    import tensorflow as tf

    tensor, are_logits = logits_behind(network.output)
    model = keras.Model({tensor.name: tensor for tensor in network.input_tensors}, tensor)

    def predict(inputs: Any) -> Any:
        values = tf.cast(model(inputs, training=False), tf.float32)
        return values if are_logits else logits_of(values)

    traced = tf.function(predict, input_signature=[batches.element_spec[0]])
    found = LabelledLogits(max(task.output.bands, 2))
    for inputs, labels in batches:
        progress.check()
        found.add(np.asarray(labels), np.asarray(traced(inputs)))
    return found


def logits_behind(probabilities: Any) -> tuple[Any, bool]:
    """Return the Keras tensor of the logits behind probabilities, and True; the probabilities and False where none is known.

    Args:
        probabilities: Keras tensor of the probabilities.
    """
    maker = maker_of(probabilities)
    if isinstance(maker, keras.layers.Softmax):
        found = maker.axis in (-1, len(probabilities.shape) - 1) and not is_single(probabilities.shape)
    else:
        wanted = "sigmoid" if is_single(probabilities.shape) else "softmax"
        found = isinstance(maker, keras.layers.Activation) and activation_of(maker) == wanted
    found = found and len(maker._inbound_nodes) == 1 and not isinstance(maker.input, (list, dict))
    return (maker.input, True) if found else (probabilities, False)


def calibrated_tensor(network: Network, temperature: float) -> Any:
    """Return the Keras tensor of the trained output's probabilities at a temperature.

    Its layer gets the name of the layer of the uncalibrated ones, which is that of the output in a file.
    """
    maker = maker_of(network.output)
    tensor, are_logits = logits_behind(network.output)
    name, maker.name = maker.name, network.new_name(f"{maker.name}_uncalibrated")
    return TemperatureScaling(temperature, maker.name, logits=are_logits, name=name)(tensor)


def _measured(samples: LabelledLogits, temperature: float) -> Measured:
    return Measured(
        samples.reliability(1.0),
        samples.reliability(temperature),
        samples.negative_log_likelihood(1.0),
        samples.negative_log_likelihood(temperature),
    )


def _log(found: FittedTemperature, fitted: LabelledLogits, progress: Progress) -> None:
    if fitted.kept < fitted.seen:
        progress.info(
            Phrase(
                "Of {seen} validation labels, {kept} at equal distances are used for the temperature.",
                seen=fitted.seen,
                kept=fitted.kept,
            )
        )
    if found.why_none:
        progress.warning(
            Phrase(
                "The probabilities are not calibrated: {why}. They stay as the network returns them. To calibrate them, give "
                "other or more validation samples.",
                why=found.why_none,
            )
        )
        return
    measured = found.measured[found.measured_on]
    progress.info(
        Phrase(
            "Temperature {temperature:.4g}, fitted to {samples} validation {samples:label|labels}. Expected calibration error "
            "on data for {role}: {before:.4g} before, {after:.4g} after.",
            temperature=found.temperature,
            samples=found.samples,
            role=found.measured_on,
            before=measured.before.error,
            after=measured.after.error,
        )
    )
    for doubt in found.doubts:
        progress.warning(doubt)
