"""ComputeConfusionMatrix: the accuracy of a map of classes, against reference data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.operation import NumberResult, Operation, TextResult
from ..parameters.vectorsource import LayerSource
from ..phrases import Phrase

FORMATS = ("confusionmatrix", "contingencytable")


@dataclass(frozen=True)
class ComputeConfusionMatrix(Operation):
    """The keys are those of OTB's application of the same name."""

    TITLE = "Assess the accuracy of a map"
    GROUP = "accuracy"
    DESCRIPTION = (
        "Compares a map of classes with reference data (a raster, points, lines or polygons) and writes the "
        "confusion matrix and a report: precision, recall and F-score of each class, kappa, overall accuracy, and "
        "accuracies and areas adjusted for the area of each class, with 95 % confidence intervals (Olofsson et al., "
        "2014).\n\n"
        "The parameters and the matrix are those of OTB's ComputeConfusionMatrix, with one difference: a class that "
        "occurs only in the map is included in the scores."
    )
    RESULTS = (
        NumberResult("kappa", "Kappa"),
        NumberResult("overall_accuracy", "Overall accuracy"),
        NumberResult("f1_macro", "Mean F-score of the classes"),
        NumberResult("overall_accuracy_adjusted", "Overall accuracy, adjusted for area"),
        NumberResult(
            "overall_accuracy_adjusted_ci", "Half of the 95 % confidence interval of the adjusted overall accuracy"
        ),
        NumberResult("samples", "Number of pixels or points compared"),
        TextResult("classes", "Scores and areas of each class, as JSON"),
    )
    RUN = "accuracy.mapaccuracy:assess_map"
    NEEDS_ENGINE = True  # scikit-learn and matplotlib are there; TensorFlow takes no part
    OPENS_FIRST = True

    image: Any = voc.raster("in", "Map", "Map of classes: one band of whole numbers.")
    ref: str = voc.choice(
        "ref",
        "Kind of reference data",
        "Reference data to compare the map with: a raster of labels, or a vector layer.",
        ("raster", "vector"),
        section=sections.LABELS,
    )
    ref_raster_in: Any = voc.raster(
        "ref.raster.in",
        "Reference raster",
        "Labels, one band of whole numbers. If it has another grid or coordinate system, each pixel of the map is "
        "compared with the reference pixel that contains its centre.",
        required=False,
        section=sections.LABELS,
    )
    ref_raster_nodata: float | None = voc.number(
        "ref.raster.nodata",
        "No-data value of the reference raster",
        "Ignore reference pixels with this value. Default: the raster's own no-data value, if NODATA_FROM_LAYER is on.",
        advanced=True,
        section=sections.NODATA,
    )
    ref_vector_in: LayerSource | None = voc.vector(
        "ref.vector.in",
        "Reference layer",
        "Points, lines or polygons with a class. Each point counts; each pixel that polygons (centre inside) or "
        "lines (touched) cover counts once, for the last feature that covers it.",
        required=False,
    )
    ref_vector_field: str | None = voc.attribute(
        "ref.vector.field",
        "Class field",
        "Field with the class: whole numbers as in the map, or texts. A text is matched with the names of the map's "
        "classes first, then read as a number.",
        of="ref.vector.in",
        required=False,
    )
    ref_vector_nodata: int | None = voc.integer(
        "ref.vector.nodata",
        "No-data value of the reference layer",
        "Ignore features of this class.",
        advanced=True,
        section=sections.NODATA,
    )
    nodatalabel: float | None = voc.number(
        "nodatalabel",
        "No-data value of the map",
        "Ignore map pixels with this value. Default: the map's own no-data value, if NODATA_FROM_LAYER is on.",
        advanced=True,
        section=sections.NODATA,
    )
    nodata_from_layer: bool = shared.nodata_from_layer()
    alpha: str = shared.alpha()
    class_names: str = voc.text(
        "class.names",
        "Class names",
        'Class names for the report, as JSON: {"1": "water", "2": "forest"}. Default: the names in the rasters '
        "(attribute table, category names) and, in QGIS, in the layers' styles.",
        advanced=True,
        section=sections.OUTPUT,
    )
    format: str = voc.choice(
        "format",
        "Matrix format",
        "confusionmatrix: numbers, with the classes in comment lines. contingencytable: a table with the classes in "
        "its first row and column.",
        FORMATS,
        advanced=True,
        section=sections.OUTPUT,
    )
    ram: int = shared.ram()
    out: str | None = shared.confusion_matrix("out", required=True)
    out_report: str | None = shared.report(
        "HTML page with the matrix, the scores, and accuracies and areas adjusted for the area of each class."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        given = {"raster": self.ref_raster_in, "vector": self.ref_vector_in}
        if not given[self.ref]:
            other = "vector" if self.ref == "raster" else "raster"
            missing = field(f"ref_{self.ref}_in")
            way = Phrase(
                ", or set {ref} to {other} to use {key}", ref=field("ref"), other=other, key=field(f"ref_{other}_in")
            )
            cure = way if given[other] else ""
            raise ParameterError(
                "{missing} is missing, but {ref} is {ref2}: choose a layer{cure}.",
                missing=missing,
                ref=field("ref"),
                ref2=self.ref,
                cure=cure,
            )
        if self.ref == "vector" and not self.ref_vector_field:
            raise ParameterError(
                "{ref_vector_field} is missing: choose the field with the class.",
                ref_vector_field=field("ref_vector_field"),
            )
