"""The samples of trainings for people: patches images by source, and what is learned from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from . import sections
from . import sharedkeys as shared
from . import vocabulary as voc
from .operation import Group


@dataclass(frozen=True)
class TrainingPatches:
    """Patches images that feed one input of the model."""

    il: tuple[Any, ...] = voc.rasters(
        "il",
        "Patches images",
        "Patches images in the form that PatchesExtraction writes, for one input of the model. If there are several, the "
        "samples of one follow those of the other.",
        required=True,
        section=sections.SAMPLES,
    )
    placeholder: str = voc.text(
        "placeholder",
        "Model input",
        "Name of the model's input that this source feeds. Default: the inputs in alphabetical order.",
        section=sections.SAMPLES,
        advanced=True,
    )


@dataclass(frozen=True)
class ValidationPatches:
    """Patches images for validation, for one of the training sources."""

    il: tuple[Any, ...] = voc.rasters(
        "il",
        "Patches images",
        "Patches images of other samples than the training ones, for the same input of the model.",
        section=sections.VALIDATION,
    )


@dataclass(frozen=True)
class LearnedPatches(Group):
    """The samples that a model is trained on."""

    sources: tuple[TrainingPatches, ...] = voc.numbered(TrainingPatches, shared.LISTED_SOURCES, "training.source")
    target: tuple[Any, ...] = voc.rasters(
        "training.target.il",
        "Labels or values to learn",
        "What the model is to learn: the labels images that PatchesExtraction writes, or patches images of labels or "
        "values, in the order of the patches images.",
        required=True,
        section=sections.SAMPLES,
    )
    target_placeholder: str = voc.text(
        "training.target.placeholder",
        "Model output",
        "Name of the model's output that learns them. Default: predictions, otherwise the first in alphabetical order.",
        section=sections.SAMPLES,
        advanced=True,
    )


@dataclass(frozen=True)
class ValidatedPatches(LearnedPatches):
    """Samples to learn, and others for validation."""

    validation_sources: tuple[ValidationPatches, ...] = voc.numbered(
        ValidationPatches, shared.LISTED_SOURCES, "validation.source"
    )
    validation_target: tuple[Any, ...] = voc.rasters(
        "validation.target.il",
        "Validation: labels or values",
        "Labels or values of the validation samples.",
        section=sections.VALIDATION,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        lacking = next((number for number, source in enumerate(self.validation_sources, 1) if not source.il), 0)
        if not lacking and (self.validation_sources or self.validation_target):
            wanted, given = len(self.sources), len(self.validation_sources)
            lacking = given + 1 if given < wanted else 0
            if given > wanted:
                raise ParameterError(
                    "{il} is given, but the number of training sources is {wanted}: remove it.",
                    il=field("il", of="validation_sources", number=given),
                    wanted=wanted,
                )
        if lacking:
            raise ParameterError(
                "{il} is missing: validation needs patches images for each training source.",
                il=field("il", of="validation_sources", number=lacking),
            )
        if self.validation_sources and not self.validation_target:
            raise ParameterError(
                "{target} is missing: validation needs the labels or values of its patches.",
                target=field("validation_target"),
            )
