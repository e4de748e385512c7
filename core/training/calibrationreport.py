"""The part of a training report about calibrated probabilities."""

from __future__ import annotations

from ..accuracy.figures import reliability_figure
from ..accuracy.reliability import BINS
from ..accuracy.report import Report
from ..parameters.sampleroles import SampleRole
from ..phrases import Phrase
from .calibrating import FittedTemperature


def add_calibration(report: Report, found: FittedTemperature) -> None:
    """Add temperature, errors and reliability diagrams."""
    report.heading(Phrase("Calibration of the class probabilities"))
    if found.why_none:
        report.text(Phrase("The probabilities are not calibrated: {why}.", why=found.why_none))
    else:
        low, high = found.interval
        rows = [
            (Phrase("Temperature"), found.temperature),
            (Phrase("Interval of 95 % confidence"), Phrase("{low:.3g} to {high:.3g}", low=low, high=high)),
            (Phrase("Fitted to validation labels"), found.samples),
        ]
        report.table("", (), rows)
        for doubt in found.doubts:
            report.text(doubt)
    header = (
        Phrase("Data"),
        Phrase("Labels"),
        Phrase("Expected calibration error, before"),
        Phrase("Expected calibration error, after"),
        Phrase("Negative log-likelihood, before"),
        Phrase("Negative log-likelihood, after"),
    )
    if found.measured:
        report.table("", header, [_row(role, found) for role in found.measured])
        measured = found.measured[found.measured_on]
        alt = Phrase(
            "Reliability diagrams: share of right classes by probability, before and after; expected calibration error "
            "{before:.3f} and {after:.3f}",
            before=measured.before.error,
            after=measured.after.error,
        )
        report.figure("", reliability_figure(measured.before, measured.after), alt)
    if not found.why_none:
        report.text(_independence(found))
    report.text(
        Phrase(
            "The temperature T makes softmax(logits / T) fit the labels best: it has the least negative log-likelihood, which "
            "counts each label once, without class weights. The expected calibration error is the sum over {bins} bins of equal "
            "width of (labels in the bin / all labels) x |accuracy - confidence|: confidence is the mean probability of the "
            "most probable class, accuracy the share of the labels that it is right for. Both after C. Guo, G. Pleiss, Y. Sun "
            "and K. Q. Weinberger, On Calibration of Modern Neural Networks, ICML 2017.",
            bins=BINS,
        )
    )


def _row(role: SampleRole, found: FittedTemperature) -> tuple[str, int, float, float, float, float]:
    measured = found.measured[role]
    errors = (measured.before.error, measured.after.error)
    return (str(role), measured.before.samples, *errors, measured.loss_before, measured.loss_after)


def _independence(found: FittedTemperature) -> str:
    """Return what the errors prove."""
    if found.measured_on is SampleRole.TEST:
        return Phrase(
            "The diagrams show the test data, which had no part in the fit. The errors on validation data are those of the "
            "data to which the temperature was fitted."
        )
    return Phrase(
        "The diagrams and errors are those of the validation data, to which the temperature was fitted: they are no independent "
        "evidence, and the error after tends to be too small. Other data show how well the probabilities are calibrated."
    )
