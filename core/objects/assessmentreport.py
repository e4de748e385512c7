"""The report on assessed detections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..accuracy.figures import precision_figure
from ..accuracy.report import Report
from ..operations.assessdetections import AssessDetections
from ..phrases import Phrase
from .classresults import ClassResult
from .matching import curve

_MOST_CURVES = 10


def assessment_report(
    parameters: AssessDetections, results: Sequence[ClassResult], every: ClassResult, points: bool
) -> str:
    """Return the page.

    Args:
        parameters: of the run.
        results: of each class.
        every: of all together.
        points: whether the detections or the reference are points.
    """
    report = Report(Phrase("Assessment of detected objects"))
    if points:
        report.text(Phrase("A hit is a point in a polygon. Each object takes part in one hit at most."))
    else:
        report.text(
            Phrase(
                "A detection is a hit if it overlaps an object of the reference that no other has taken by {iou:g} or more.",
                iou=parameters.iou,
            )
        )
    rows = [_row(parameters, result) for result in results]
    if len(results) > 1:
        rows.append(_row(parameters, every, Phrase("All")))
    header = (
        *(Phrase("Class"), Phrase("Reference"), Phrase("Hits"), Phrase("Misses"), Phrase("False alarms")),
        *(Phrase("Precision"), Phrase("Recall"), Phrase("F-score")),
        *((Phrase("Average precision"),) if points else ("AP", "AP50", "AP75")),
    )
    title = Phrase("Scores of detections of {least:g} or more", least=parameters.score)
    report.table(title, header, [row[:9] if points else row for row in rows])
    curves = {}
    for result in results[:_MOST_CURVES]:
        if result.objects and len(result.scores):
            precision, recall = curve(result.hit, result.scores, result.objects)
            curves[result.name] = recall, precision
    if curves:
        alt = Phrase("Curves of precision over recall of {count} {count:class|classes}", count=len(curves))
        report.figure(Phrase("Precision and recall"), precision_figure(curves), alt)
    report.parameters(parameters)
    return report.html()


def _row(parameters: AssessDetections, result: ClassResult, name: str = "") -> tuple[Any, ...]:
    counts = result.counts(parameters.score)
    return (
        *(name or result.name, result.objects, counts.hits, counts.misses, counts.alarms),
        *(counts.precision, counts.recall, counts.fscore, result.ap, result.precisions[0], result.precisions[5]),
    )
