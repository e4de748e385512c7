"""Where the samples of TensorflowModelTrain come from: patches images or TFRecords, by their role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import sections
from . import sharedkeys as shared
from . import vocabulary as voc
from .operation import Group

_LISTED_SOURCES = shared.LISTED_SOURCES + 1
"""One more for the target, which is a source like the images."""

_TFRECORDS = (
    "Folder of TFRecords, used instead of patches images. Its tensors are the sources, in the order of "
    "output_types.json: {key} of source 1 gives the input or output for the first, and so on."
)


@dataclass(frozen=True)
class TrainingSource:
    """Patches images that feed one input of the model, or hold the target of one output."""

    il: tuple[Any, ...] = voc.rasters(
        "il",
        "Patches images",
        "Patches images in the form that PatchesExtraction writes. If there are several, the samples of one follow "
        "those of the other.",
        section=sections.SAMPLES,
    )
    patchsizex: int | None = voc.integer(
        "patchsizex",
        "Patch width",
        "Width of the patches, in pixels; it must fit the images. Default: the width of the image.",
        minimum=1,
        advanced=True,
        section=sections.SAMPLES,
    )
    patchsizey: int | None = voc.integer(
        "patchsizey",
        "Patch height",
        "Height of the patches, in pixels. Default: the height in the JSON beside the patches image, otherwise the "
        "width.",
        minimum=1,
        advanced=True,
        section=sections.SAMPLES,
    )
    placeholder: str = voc.text(
        "placeholder",
        "Model input or output",
        "Name of the input that this source feeds, or of the output whose target it holds. Default: the sources feed "
        "the inputs in alphabetical order, and the last source is the target (labels, or values to learn).",
        section=sections.SAMPLES,
        advanced=True,
    )


@dataclass(frozen=True)
class ScoredSource:
    """Patches images for validation or test: for one of the training sources."""

    il: tuple[Any, ...] = voc.rasters(
        "il",
        "Patches images",
        "Patches images of other samples than the training ones, in the order of the training sources.",
        section=sections.VALIDATION,
    )
    name: str = voc.text(
        "name",
        "Model input or output",
        "Placeholder of the training source, with the same use. Another name is an output to score against these "
        "patches, such as prediction, if the graph is trained through a target node. Default: as for the training "
        "source.",
        advanced=True,
        section=sections.VALIDATION,
    )


@dataclass(frozen=True)
class SampleSources(Group):
    """The samples: those of training, validation and test."""

    sources: tuple[TrainingSource, ...] = voc.numbered(TrainingSource, _LISTED_SOURCES, "training.source")
    training_tfrecords: str | None = voc.folder(
        "training.tfrecords",
        "TFRecords for training",
        _TFRECORDS.format(key="TRAINING_SOURCE1_PLACEHOLDER"),
        required=False,
        advanced=True,
        section=sections.SAMPLES,
    )
    validation_sources: tuple[ScoredSource, ...] = voc.numbered(ScoredSource, _LISTED_SOURCES, "validation.source")
    validation_tfrecords: str | None = voc.folder(
        "validation.tfrecords",
        "TFRecords for validation",
        _TFRECORDS.format(key="VALIDATION_SOURCE1_NAME"),
        required=False,
        advanced=True,
        section=sections.VALIDATION,
    )
    test_sources: tuple[ScoredSource, ...] = voc.numbered(ScoredSource, _LISTED_SOURCES, "test.source", advanced=True)
    test_tfrecords: str | None = voc.folder(
        "test.tfrecords",
        "TFRecords for the test",
        _TFRECORDS.format(key="TEST_SOURCE1_NAME"),
        required=False,
        advanced=True,
        section=sections.VALIDATION,
    )
