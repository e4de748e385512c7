"""Groups of keys of the classifiers: the maps that are written, and how samples are chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import sharedkeys as shared
from . import vocabulary as voc
from .classifierchoices import FILE_FILTER
from .operation import Group, NumberResult
from .sharedgroups import PartialOutput, RasterFormat
from .vectorsource import LayerSource

TRAINING_RESULTS = (
    NumberResult("kappa", "Kappa"),
    NumberResult("overall_accuracy", "Overall accuracy"),
    NumberResult("f1_macro", "Mean F-score of the classes"),
    NumberResult("classes", "Number of classes"),
    NumberResult("training.samples", "Samples for training"),
    NumberResult("validation.samples", "Samples for validation"),
)
"""What training a classifier finds."""


def legend() -> Any:
    """The names and colours of the classes."""
    return voc.text(
        "legend",
        "Names and colours of the classes",
        "As the output LEGEND of other algorithms tells them, in JSON. Empty: those of the training layer's categories, or "
        "those kept beside it.",
        advanced=True,
    )


def statistics(name: str, otherwise: str) -> Any:
    """Means and standard deviations by which features are standardised; `otherwise` says which are taken without it."""
    return voc.file(
        name,
        "Statistics",
        f"XML file of OTB's ComputeImagesStatistics: means and standard deviations by which features are standardised. "
        f"Not given: {otherwise}.",
        required=False,
        file_filter="XML files (*.xml)",
        advanced=True,
    )


def deep_features() -> Any:
    """The outputs of a network that are the features."""
    return voc.text(
        "output.names",
        "Features",
        "Names of the model's outputs that are the features, separated by spaces; of a .keras file, layers too. Empty: "
        "features, where the model has an output or layer of this name, else the first output in alphabetical order.",
    )


def trained_classifier(name: str) -> Any:
    """The classifier to write."""
    return voc.file_out(name, "Classifier", "What was learned.", required=True, file_filter=FILE_FILTER)


def training_report() -> Any:
    """The page about a training."""
    return shared.report("A page with confusion matrix, scores per class, numbers of samples and the parameters used.")


@dataclass(frozen=True)
class _NoDataLabel(Group):
    nodatalabel: int = voc.integer(
        "nodatalabel",
        "No-data label",
        "Value of the map where the input is no-data or masked, or holds NaN. Choose one that is no class.",
        default=0,
    )


@dataclass(frozen=True)
class _ConfidenceMap(Group):
    confmap: str | None = voc.raster_out(
        "confmap",
        "Confidence map",
        "The probability of the class of each pixel, from 0 to 1. An SVM (libsvm) has one only if it was trained with "
        "CLASSIFIER_LIBSVM_PROB.",
        required=False,
    )
    confmap_pixeltype: str = shared.pixel_type("confmap.pixeltype", "Confidence map")


@dataclass(frozen=True)
class MapOutputs(_ConfidenceMap, RasterFormat, PartialOutput, _NoDataLabel):
    """The parameters that name the maps."""

    extent: str = shared.extent("Map")
    out: str = voc.raster_out("out", "Map", "The class of each pixel, in any format that GDAL can create.")
    out_pixeltype: str = shared.pixel_type("out.pixeltype", "Map")
    out_box: str = shared.box("out.box", "Map")
    out_co: str = shared.creation_options("out.co", "Map", "For the confidence map, too.")
    out_format: str = shared.driver("out.format", "Map", "For both maps.")


@dataclass(frozen=True)
class SampleChoice(Group):
    """The parameters that say where samples come from, and how many are taken."""

    vd: tuple[LayerSource, ...] = voc.vectors(
        "vd",
        "Training layers",
        "Polygons, lines or points that have a class, in any coordinate systems: samples are the output pixels whose centre "
        "lies in a polygon, that a line touches, or in which a point lies. They are chosen among those of all layers "
        "together.",
    )
    valid: tuple[LayerSource, ...] = voc.vectors(
        "valid",
        "Validation layers",
        "Features with a class on which the classifier is tested. Not given: a part of the training samples is held back "
        "(SAMPLE_VTR), which lies among them and so flatters the scores.",
        required=False,
    )
    sample_vfn: str = voc.attribute(
        "sample.vfn",
        "Class field",
        "Field that holds the class: whole numbers, as texts too, or names, which are numbered from 0 in alphabetical "
        "order.",
        of="vd",
    )
    sample_mt: int = voc.integer(
        "sample.mt",
        "Training samples per class",
        "The most samples of a class for training; -1: no limit.",
        default=1000,
        minimum=-1,
        advanced=True,
    )
    sample_mv: int = voc.integer(
        "sample.mv",
        "Validation samples per class",
        "The most samples of a class for validation; -1: no limit.",
        default=1000,
        minimum=-1,
        advanced=True,
    )
    sample_bm: int = voc.integer(
        "sample.bm",
        "As many as the smallest class",
        "1: each class gets as many samples as the one with the fewest pixels can give. 0: as many as it has itself.",
        default=1,
        minimum=0,
        maximum=1,
        advanced=True,
    )
    sample_vtr: float = voc.number(
        "sample.vtr",
        "Share for validation",
        "Share of the samples that is held back, from 0 to 1, where there is no validation layer.",
        default=0.5,
        minimum=0,
        maximum=1,
        advanced=True,
    )
    legend: str = legend()
