"""Training report: the history as a table (CSV), and the report as a page (HTML)."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..accuracy.figures import curves_figure
from ..accuracy.report import Report
from ..accuracy.scores import ClassScores
from ..parameters.sampleroles import SampleRole
from ..phrases import Phrase
from .calibrating import FittedTemperature
from .calibrationreport import add_calibration
from .scoring import Scores

_NOT_DRAWN = ("epoch", "seconds", "seconds_waited")
_HEADINGS = {
    SampleRole.VALIDATION: Phrase("Scores on validation data"),
    SampleRole.TRAINING: Phrase("Scores on training data"),
    SampleRole.TEST: Phrase("Scores on test data"),
}

Rows = Sequence[Mapping[str, float]]


def history_csv(rows: Rows) -> str:
    """Return the history as CSV: one row per epoch, empty where a number does not exist."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(names)
    for row in rows:
        table.writerow([_number(row.get(name)) for name in names])
    return text.getvalue()


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.9g}"


def report_html(
    parameters: Any,
    rows: Rows,
    scores: Mapping[SampleRole, Scores],
    counts: Mapping[SampleRole, int],
    facts: Mapping[str, str],
    calibrated: FittedTemperature | None = None,
) -> str:
    """Return the report.

    Args:
        parameters: of the operation.
        rows: the history.
        scores: by role, in the order of the page.
        counts: number of samples by role.
        facts: further names and values for the first table.
        calibrated: what came of calibrating the probabilities; None where that was not asked for.
    """
    report = Report(Phrase("Training report"))
    seconds = [row["seconds"] for row in rows if "seconds" in row]
    waited = sum(row.get("seconds_waited", 0.0) for row in rows)
    summary: list[tuple[str, Any]] = [*facts.items()]
    summary += [(Phrase("Samples for {role}", role=role), count) for role, count in counts.items()]
    if seconds:
        summary += [
            (Phrase("Seconds per epoch"), sum(seconds) / len(seconds)),
            (Phrase("Seconds altogether"), sum(seconds)),
            (Phrase("Seconds waited for patches"), waited),
        ]
    report.table("", (), summary)
    curves = _curves(rows)
    if curves:
        words = Phrase("Curves of loss and metrics over the epochs")
        report.figure(Phrase("Course of the training"), curves_figure(curves, ""), words)
    for role, found in scores.items():
        if isinstance(found, ClassScores):
            report.class_scores(_HEADINGS[role], found)
        else:
            report.regression_scores(_HEADINGS[role], found)
    if calibrated is not None:
        add_calibration(report, calibrated)
    report.parameters(parameters)
    return report.html()


def _curves(rows: Rows) -> dict[str, list[float]]:
    """The numbers of each quantity that changes, NaN for epochs without one."""
    names = dict.fromkeys(name for row in rows for name in row if name not in _NOT_DRAWN)
    found = {name: [row.get(name, math.nan) for row in rows] for name in names}
    return {name: values for name, values in found.items() if len({v for v in values if math.isfinite(v)}) > 1}
