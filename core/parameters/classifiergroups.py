"""Groups of keys of the classifiers: the maps, and the selection of samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import sections
from . import sharedkeys as shared
from . import vocabulary as voc
from .classifierchoices import FILE_FILTER
from .operation import Group, NumberResult
from .sharedgroups import PartialOutput, Parts, RasterFormat
from .vectorsource import LayerSource

TRAINING_RESULTS = (
    NumberResult("kappa", "Kappa"),
    NumberResult("overall_accuracy", "Overall accuracy"),
    NumberResult("f1_macro", "Mean F-score of the classes"),
    NumberResult("classes", "Number of classes"),
    NumberResult("training.samples", "Samples for training"),
    NumberResult("validation.samples", "Samples for validation"),
)
"""The results of training a classifier."""


def legend() -> Any:
    """The names and colours of the classes."""
    return voc.text(
        "legend",
        "Class names and colours",
        "Class names and colours in JSON, in the form of the output LEGEND of other algorithms. Default: those of "
        "the training layer's categories, or of the file beside it.",
        advanced=True,
        section=sections.LABELS,
    )


def statistics(name: str, otherwise: str) -> Any:
    """Means and standard deviations that standardise the features; `otherwise` says which are used by default."""
    return voc.file(
        name,
        "Statistics",
        "XML file of OTB's ComputeImagesStatistics, with the means and standard deviations that standardise the "
        f"features. Default: {otherwise}.",
        required=False,
        file_filter="XML files (*.xml)",
        advanced=True,
        section=sections.CLASSIFIER,
    )


def deep_features() -> Any:
    """The outputs of a network that are the features."""
    return voc.text(
        "output.names",
        "Features",
        "Names of the model's outputs that are the features, separated by spaces; for a .keras file also names of "
        "layers, for an .onnx file names of tensors in its graph. Default: features, if the model has an output, layer or "
        "tensor of this name, otherwise the first output in alphabetical order.",
        section=sections.MODEL,
    )


def trained_classifier(name: str) -> Any:
    """The classifier to write."""
    return voc.file_out(
        name,
        "Trained classifier",
        "The classifier as a .skops file.",
        required=True,
        file_filter=FILE_FILTER,
        kept_as="classifier.skops",
    )


def training_report() -> Any:
    """The page about a training."""
    return shared.report(
        "HTML page with confusion matrix, scores per class, numbers of samples and the parameters used."
    )


@dataclass(frozen=True)
class _NoDataLabel(Group):
    nodatalabel: int = voc.integer(
        "nodatalabel",
        "No-data label",
        "Value of the map where the input is no-data, masked or NaN. Choose a value that is not a class.",
        default=0,
        section=sections.NODATA,
    )


@dataclass(frozen=True)
class _ConfidenceMap(Group):
    confmap: str | None = voc.raster_out(
        "confmap",
        "Confidence map",
        "Probability of the class of each pixel, from 0 to 1. An SVM (libsvm) provides it only if it was trained "
        "with CLASSIFIER_LIBSVM_PROB.",
        required=False,
    )
    confmap_pixeltype: str = shared.pixel_type("confmap.pixeltype", "Confidence map")


@dataclass(frozen=True)
class MapOutputs(_ConfidenceMap, RasterFormat, Parts, PartialOutput, _NoDataLabel):
    """The maps."""

    extent: str = shared.extent("Map")
    out: str = voc.raster_out("out", "Map", "The class of each pixel, in any format that GDAL can create.")
    out_pixeltype: str = shared.pixel_type("out.pixeltype", "Map")
    out_box: str = shared.box("out.box", "Map")
    out_co: str = shared.creation_options("out.co", "Map", "They also apply to the confidence map.")
    out_format: str = shared.driver("out.format", "Map", "It also applies to the confidence map.")


@dataclass(frozen=True)
class SampleChoice(Group):
    """The origin of the samples, and their numbers."""

    vd: tuple[LayerSource, ...] = voc.vectors(
        "vd",
        "Training layers",
        "Polygons, lines or points with a class, in any coordinate systems. The samples are the output pixels whose "
        "centre is inside a polygon, that a line touches, or that contain a point. They are selected from all layers "
        "together.",
    )
    valid: tuple[LayerSource, ...] = voc.vectors(
        "valid",
        "Validation layers",
        "Features with a class, to test the classifier. Default: a part of the training samples (SAMPLE_VTR); they "
        "are close to the others, so the scores are too optimistic.",
        required=False,
        section=sections.VALIDATION,
    )
    sample_vfn: str = shared.class_field("sample.vfn", of="vd")
    sample_mt: int = voc.integer(
        "sample.mt",
        "Training samples per class",
        "Maximum number of training samples per class; -1: no limit.",
        default=1000,
        minimum=-1,
        advanced=True,
        section=sections.SAMPLES,
    )
    sample_mv: int = voc.integer(
        "sample.mv",
        "Validation samples per class",
        "Maximum number of validation samples per class; -1: no limit.",
        default=1000,
        minimum=-1,
        advanced=True,
        section=sections.SAMPLES,
    )
    sample_bm: int = voc.integer(
        "sample.bm",
        "Equal numbers per class",
        "1: for each class, the number of samples of the class with the fewest pixels. 0: for each class, its own "
        "number.",
        default=1,
        minimum=0,
        maximum=1,
        advanced=True,
        section=sections.SAMPLES,
    )
    sample_vtr: float = voc.number(
        "sample.vtr",
        "Validation share",
        "Share of the samples held back for validation, from 0 to 1, if there is no validation layer.",
        default=0.5,
        minimum=0,
        maximum=1,
        advanced=True,
        section=sections.VALIDATION,
    )
    legend: str = legend()
