"""AssessDetections: how many of the objects a detector finds, and how many of those it finds are there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.operation import NumberResult, Operation, TextResult
from ..parameters.vectorsource import LayerSource


@dataclass(frozen=True)
class AssessDetections(Operation):
    """A layer of detections against reference boxes, polygons or points, as COCO compares them."""

    TITLE = "Assess detected objects"
    GROUP = "accuracy"
    DESCRIPTION = (
        "Compares detected objects with reference boxes, polygons or points, and writes precision, recall and F-score of "
        "each class for each smallest score, the average precision, and a layer of hits, misses and false alarms.\n\n"
        "Detections are matched with the reference one to one, those of the highest score first. The average precision is "
        "that of COCO, without its limit of 100 detections; all of the scene is one image."
    )
    RESULTS = (
        NumberResult("precision", "Precision"),
        NumberResult("recall", "Recall"),
        NumberResult("f1", "F-score"),
        NumberResult("ap", "Average precision: mean over overlaps from 0.5 to 0.95"),
        NumberResult("ap50", "Average precision at an overlap of 0.5"),
        NumberResult("best.score", "Smallest score with the highest F-score"),
        NumberResult("best.f1", "Highest F-score"),
        NumberResult("hits", "Number of hits"),
        NumberResult("misses", "Number of misses"),
        NumberResult("falsealarms", "Number of false alarms"),
        TextResult("classes", "Scores of each class, as JSON"),
    )
    RUN = "objects.assessment:assess_detections"
    NEEDS_ENGINE = True  # matplotlib is there; TensorFlow takes no part
    OPENS_FIRST = True

    detections: LayerSource = voc.vector(
        "in",
        "Detected objects",
        "Polygons or points with a class and a score, as otbtf:detectobjects writes them. Points need a reference of "
        "polygons.",
    )
    in_field: str = voc.attribute(
        "in.field",
        "Class field of the detected objects",
        "Field with the class, by number or name as in the reference. Default: class.",
        of="in",
        default="class",
        required=False,
    )
    in_score: str = voc.attribute(
        "in.score", "Score field", "Field with the score. Default: score.", of="in", default="score", required=False
    )
    ref: LayerSource = voc.vector(
        "ref",
        "Reference",
        "All objects that are there: boxes or other polygons, or points. They are transformed to the coordinate system of "
        "the detected objects.",
    )
    ref_field: str | None = voc.attribute(
        "ref.field",
        "Class field of the reference",
        "Field with the class, by number or name as in the detected objects. Empty: classes are not compared.",
        of="ref",
        required=False,
    )
    image: Any = voc.raster(
        "image",
        "Image",
        "Raster in which the objects were detected. Objects of the reference with their centre outside of it are left out, "
        "and counted. Default: all take part.",
        required=False,
        section=sections.LABELS,
    )
    score: float = voc.number(
        "score",
        "Smallest score",
        "Score of the detections that make hits and false alarms. The table has other scores too, and the average precision "
        "is of all detections.",
        default=0.5,
        minimum=0.0,
        maximum=1.0,
        section=sections.SETTINGS,
    )
    iou: float = voc.number(
        "iou",
        "Smallest overlap of a hit",
        "Share by which a detection and an object of the reference overlap at least (area of intersection divided by that of "
        "union). For points, of the detections or of the reference, a hit is a point in a polygon, without this share.",
        default=0.5,
        minimum=0.01,
        maximum=1.0,
        section=sections.SETTINGS,
    )
    out: str = voc.vector_out(
        "out",
        "Scores",
        "Table (.csv, .gpkg, ...) with hits, misses, false alarms, precision, recall and F-score of each class, for smallest "
        "scores from 0 to 0.95.",
    )
    out_errors: str | None = voc.vector_out(
        "out.errors",
        "Hits, misses and false alarms",
        "Layer of the detections that are hits or false alarms, and of the objects of the reference that are missed. A "
        "point is a square as large as most polygons.",
        required=False,
        geometry="polygon",
    )
    out_report: str | None = shared.report(
        "HTML page with the scores of each class and the curve of precision over recall."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.in_field or not self.in_score:
            lacking = "in_field" if not self.in_field else "in_score"
            raise ParameterError(
                "{lacking} is missing: choose a field of the detected objects.", lacking=field(lacking)
            )
