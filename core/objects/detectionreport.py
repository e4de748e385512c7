"""The report on detected objects: how many of each class, and how sure the model is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..accuracy.figures import histogram_figure
from ..accuracy.report import Report
from ..classes.legend import Legend
from ..operations.detectobjects import DetectObjects
from ..phrases import Phrase

_STEPS = 20


def detection_report(parameters: DetectObjects, boxes: np.ndarray, legend: Legend, told: Sequence[str]) -> str:
    """Return the page.

    Args:
        parameters: of the run.
        boxes: that were found, of `boxes.BOX`.
        legend: of the classes.
        told: sentences on how they were found.
    """
    report = Report(Phrase("Detected objects"))
    for sentence in told:
        report.text(sentence)
    values, counts = np.unique(boxes["class"], return_counts=True)
    rows = []
    for value, count in zip(values.tolist(), counts.tolist()):
        scores = boxes["score"][boxes["class"] == value].astype("float64")
        rows.append((value, legend[value].name if value in legend else "", count, scores.mean(), np.median(scores)))
    rows.append(("", Phrase("All"), len(boxes), _mean(boxes), _median(boxes)))
    header = (Phrase("Class"), Phrase("Name"), Phrase("Objects"), Phrase("Mean score"), Phrase("Median score"))
    report.table(Phrase("Objects of each class"), header, rows)
    if len(boxes):
        scores = boxes["score"].astype("float64")
        edges = np.linspace(min(parameters.score, float(scores.min())), 1.0, _STEPS + 1)
        alt = Phrase(
            "Histogram of the scores of {count} {count:object|objects}, from {least:.3f} to {most:.3f}",
            count=len(boxes),
            least=float(scores.min()),
            most=float(scores.max()),
        )
        picture = histogram_figure(scores, edges, Phrase("score"), Phrase("objects"))
        report.figure(Phrase("Scores"), picture, alt)
    report.parameters(parameters)
    return report.html()


def _mean(boxes: np.ndarray) -> float:
    return float(boxes["score"].mean(dtype="float64")) if len(boxes) else float("nan")


def _median(boxes: np.ndarray) -> float:
    return float(np.median(boxes["score"])) if len(boxes) else float("nan")
