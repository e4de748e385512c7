"""The further outputs of a map: how sure the model is of the class of each pixel."""

from __future__ import annotations

from dataclasses import dataclass

from . import vocabulary as voc
from .operation import Group

SPREAD = ("out_agreement", "out_variance")
"""Fields of those that compare models."""

CERTAINTY = ("out_confidence", "out_entropy", "out_margin", "out_probabilities", *SPREAD)
"""Fields of the outputs, in the order in which they are told."""


@dataclass(frozen=True)
class CertaintyOutputs(Group):
    """Outputs made of the class probabilities of the same run."""

    out_confidence: str | None = voc.raster_out(
        "out.confidence",
        "Confidence",
        "Probability of the most probable class of each pixel, up to 1 (sure). NaN where there is no data.",
        required=False,
        advanced=True,
    )
    out_entropy: str | None = voc.raster_out(
        "out.entropy",
        "Entropy",
        "Shannon entropy of the class probabilities of each pixel, divided by its largest possible value: 0 if one class is "
        "sure, 1 if all classes are equally probable. NaN where there is no data.",
        required=False,
        advanced=True,
    )
    out_margin: str | None = voc.raster_out(
        "out.margin",
        "Margin",
        "Difference between the largest and the second largest class probability of each pixel: 0 if two classes are equally "
        "probable, 1 if one is sure. NaN where there is no data.",
        required=False,
        advanced=True,
    )
    out_probabilities: str | None = voc.raster_out(
        "out.probabilities",
        "Class probabilities",
        "Probability of each class, one band for each, in the order of the classes. NaN where there is no data.",
        required=False,
        advanced=True,
    )


def asked_certainty(parameters: object) -> tuple[str, ...]:
    """Return the fields of the outputs of certainty that the parameters of an operation ask for."""
    return tuple(name for name in CERTAINTY if getattr(parameters, name, None))
