"""What the parameters and the labels of a workflow decide for its training."""

from __future__ import annotations

from dataclasses import dataclass

from .missingdata import MissingData


@dataclass(frozen=True)
class TrainingPlan:
    """The plan.

    Attributes:
        model: a template's name, or a path.
        dense: whether labels are learned tile by tile.
        pixelwise: whether the network sees each pixel alone, so that patches are one pixel.
        size: side of patches or tiles in pixels.
        batch: samples in a step.
        missing: what becomes of missing values.
    """

    model: str
    dense: bool
    pixelwise: bool
    size: int
    batch: int
    missing: MissingData
