"""Averages of what a model is asked several times, or of several models, and how far these agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from . import sections
from . import sharedkeys as shared
from . import vocabulary as voc
from .certaintyoutputs import SPREAD
from .operation import Group
from .traininggroups import AUGMENTATIONS


def positions(section: str) -> Any:
    """Declare `augment.serve`."""
    return voc.choice(
        "augment.serve",
        "Average over flips",
        "none, flips (left and right, top and bottom: 4 positions), or flips_turns (also quarter turns: 8 positions). The "
        "model is applied in each position, and the values are averaged; this takes 4 or 8 times as long.",
        AUGMENTATIONS,
        advanced=True,
        section=section,
    )


@dataclass(frozen=True)
class Averaging(Group):
    """Further models, and the positions of the image in which all are applied."""

    model_more: tuple[str, ...] = voc.files(
        "model.more",
        "Further models",
        "Models with the same inputs and classes as MODEL_DIR. The map is made of the mean of the values that all models "
        "return; of class numbers, of the mean class probabilities.",
        file_filter=shared.MODEL_FILES,
        advanced=True,
        section=sections.MODEL,
    )
    augment_serve: str = positions(sections.MODEL)
    out_agreement: str | None = voc.raster_out(
        "out.agreement",
        "Agreement",
        "Share of the models for which the class of the map is the most probable one in each pixel, from 0 to 1. NaN where "
        "there is no data.",
        required=False,
        advanced=True,
    )
    out_variance: str | None = voc.raster_out(
        "out.variance",
        "Variance",
        "Variance, among the models, of the probability of the class of the map in each pixel; if the map holds quantities, of "
        "each of them, in a band for each. Its square root is a standard deviation. NaN where there is no data.",
        required=False,
        advanced=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        asked = next((name for name in SPREAD if getattr(self, name)), "")
        if asked and not self.model_more:
            raise ParameterError(
                "{asked} compares several models, but there is one: add models to {model_more}, or leave {asked} out.",
                asked=field(asked),
                model_more=field("model_more"),
            )

    @property
    def averages(self) -> bool:
        """Whether there is more than one value to average."""
        return bool(self.model_more) or self.augment_serve != "none"
