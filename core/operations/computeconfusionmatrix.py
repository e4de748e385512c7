"""ComputeConfusionMatrix: how good a map of classes is, against a reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.operation import NumberResult, Operation, TextResult
from ..parameters.vectorsource import LayerSource

FORMATS = ("confusionmatrix", "contingencytable")


@dataclass(frozen=True)
class ComputeConfusionMatrix(Operation):
    """The keys are those of OTB's application of the same name."""

    TITLE = "Assess the accuracy of a map"
    GROUP = "inference"
    DESCRIPTION = (
        "Compares a map of classes with a reference (a raster, points, lines or polygons) and writes the confusion "
        "matrix and a report: precision, recall and F-score of each class, kappa, overall accuracy, and accuracies "
        "and areas adjusted for what each class covers, with 95 % confidence intervals (Olofsson et al., 2014).\n\n"
        "Parameters and the matrix are those of OTB's ComputeConfusionMatrix. Unlike there, a class that occurs in "
        "the map alone counts in the scores too."
    )
    RESULTS = (
        NumberResult("kappa", "Kappa"),
        NumberResult("overall_accuracy", "Overall accuracy"),
        NumberResult("f1_macro", "Mean F-score of the classes"),
        NumberResult("overall_accuracy_adjusted", "Overall accuracy, adjusted for area"),
        NumberResult("overall_accuracy_adjusted_ci", "Half of its 95 % confidence interval"),
        NumberResult("samples", "Number of pixels or points compared"),
        TextResult("classes", "Scores and areas of each class, as JSON"),
    )
    RUN = "accuracy.mapaccuracy:assess_map"
    NEEDS_ENGINE = True  # scikit-learn and matplotlib are there; TensorFlow takes no part
    OPENS_FIRST = True

    image: Any = voc.raster("in", "Map", "The map of classes: one band of whole numbers.")
    ref: str = voc.choice(
        "ref",
        "Kind of reference",
        "What the map is compared with: a raster of labels, or a vector layer.",
        ("raster", "vector"),
    )
    ref_raster_in: Any = voc.raster(
        "ref.raster.in",
        "Reference raster",
        "Labels, one band of whole numbers. On another grid or in another coordinate system, each pixel of the map is "
        "compared with the pixel that holds its centre.",
        required=False,
    )
    ref_raster_nodata: float | None = voc.number(
        "ref.raster.nodata",
        "No-data value of the reference raster",
        "Pixels with this value are no reference. Not given: the raster's own, where NODATA_FROM_LAYER is on.",
        advanced=True,
    )
    ref_vector_in: LayerSource | None = voc.vector(
        "ref.vector.in",
        "Reference layer",
        "Points, lines or polygons with a class. Each point counts; under polygons (pixels whose centre lies inside) "
        "and lines (pixels that they touch) each pixel counts once, for the last feature that covers it.",
        required=False,
    )
    ref_vector_field: str | None = voc.attribute(
        "ref.vector.field",
        "Class field",
        "The field of the reference layer that holds the class: whole numbers as in the map, or texts, which are looked up "
        "among the names of the map's classes first, then as numbers.",
        of="ref.vector.in",
        required=False,
    )
    ref_vector_nodata: int | None = voc.integer(
        "ref.vector.nodata",
        "No-data value of the reference layer",
        "Features of this class are no reference.",
        advanced=True,
    )
    nodatalabel: float | None = voc.number(
        "nodatalabel",
        "No-data value of the map",
        "Pixels of the map with this value do not count. Not given: the map's own, where NODATA_FROM_LAYER is on.",
        advanced=True,
    )
    nodata_from_layer: bool = shared.nodata_from_layer()
    alpha: str = shared.alpha()
    class_names: str = voc.text(
        "class.names",
        "Class names",
        'Names for the report, as JSON: {"1": "water", "2": "forest"}. Those not given are taken from the rasters '
        "(attribute table, category names) and, in QGIS, from the layers' styles.",
        advanced=True,
    )
    format: str = voc.choice(
        "format",
        "Format of the matrix",
        "confusionmatrix: numbers, with the classes in lines of comment; contingencytable: a table with the classes in "
        "its first row and column.",
        FORMATS,
        advanced=True,
    )
    ram: int = shared.ram()
    out: str | None = shared.confusion_matrix("out", required=True)
    out_report: str | None = shared.report(
        "Matrix, scores, and accuracies and areas adjusted for what each class covers, as a page to read."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        given = {"raster": self.ref_raster_in, "vector": self.ref_vector_in}
        if not given[self.ref]:
            other = "vector" if self.ref == "raster" else "raster"
            key = f"REF_{self.ref.upper()}_IN"
            cure = f"; for REF_{other.upper()}_IN, which is given, set REF to {other}" if given[other] else ""
            raise ParameterError(f"{key} (the reference) is missing, and REF is {self.ref}: name a layer{cure}.")
        if self.ref == "vector" and not self.ref_vector_field:
            raise ParameterError("REF_VECTOR_FIELD is missing: name the field that holds the class.")
