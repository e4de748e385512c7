"""The output of a model that holds class probabilities: the one that is mapped, or the one behind class numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ModelError
from ..models.modelinterface import Model, is_real
from ..phrases import Phrase
from .probedoutputs import follow, tried_pixels
from .sizelaw import Probe

ROUNDING = 1e-3
"""By which probabilities may miss a sum of 1, or lie beyond 0 and 1."""

ProbeOf = Callable[[Sequence[str]], Probe]


@dataclass(frozen=True)
class ClassProbabilities:
    """An output of class probabilities.

    Attributes:
        output: its name.
        bands: their number; one alone is the probability of the second of two classes.
        quantities: whether they are none after all: each band is a quantity, in which several models may differ.
    """

    output: str
    bands: int
    quantities: bool = False

    @property
    def classes(self) -> int:
        """Number of classes."""
        return max(self.bands, 2)


def flaw(values: np.ndarray) -> str:
    """Return why values, the bands along the last axis, are no class probabilities; empty if they are. NaN does not count."""
    bands = values.shape[-1]
    rows = values.reshape(-1, bands)
    known = ~np.isnan(rows).any(axis=1)
    rows = (rows if known.all() else rows[known]).astype(np.result_type(values.dtype, np.float32), copy=False)
    if not rows.size:
        return ""
    low, high = float(rows.min()), float(rows.max())
    if low < -ROUNDING or high > 1 + ROUNDING:
        return Phrase("they range from {low:.4g} to {high:.4g}", low=low, high=high)
    if bands == 1:
        return ""
    sums = rows.sum(axis=1)
    worst = float(sums[np.abs(sums - 1).argmax()])
    return Phrase("those of a pixel sum to {worst:.4g}", worst=worst) if abs(worst - 1) > ROUNDING else ""


def find_class_probabilities(
    model: Model, output: str, alike: Iterable[str], probe_of: ProbeOf, wanted: str
) -> ClassProbabilities:
    """Return the class probabilities of an output, according to a trial on pixels of the sources.

    Args:
        model: the model.
        output: that is mapped: class probabilities, or the numbers of the most probable classes.
        alike: outputs that have the same classes, according to the model's sidecar.
        probe_of: returns what calls the model for some outputs.
        wanted: mention of what needs probabilities, for messages.

    Raises:
        ModelError: there are none.
    """
    pixels = tried_pixels(probe_of([output]))
    if is_real(model.output(output)) and not holds_labels(pixels):
        if why := flaw(pixels):
            raise not_probabilities(model, output, why, wanted)
        return ClassProbabilities(output, pixels.shape[1])
    told, refused = list(alike), None
    for other in dict.fromkeys([*told, *model.outputs, *model.values_behind(output)]):
        if other == output or not is_real(model.output(other)):
            continue
        try:
            pixels = tried_pixels(probe_of([output, other]))
        except ModelError:  # of another size
            continue
        if why := flaw(pixels[:, 1:]):
            refused = refused or (other, why)
        elif other in told or follow(pixels):
            return ClassProbabilities(other, pixels.shape[1] - 1)
    if refused:
        raise not_probabilities(model, *refused, wanted)
    raise ModelError(
        "{wanted} needs class probabilities, but the model {model} returns {output} without the probabilities that it is "
        "made of: save the model with them as another output, or leave {wanted} out.",
        wanted=wanted,
        model=model.path,
        output=output,
    )


def not_probabilities(model: Model, output: str, why: str, wanted: str) -> ModelError:
    """Return the error for values that are no probabilities."""
    return ModelError(
        "{wanted} needs class probabilities, but the values of the output {output} of the model {model} are none: {why}. If "
        "they are logits, end the model with a softmax (of one band: a sigmoid); if they are no classes, leave {wanted} out.",
        wanted=wanted,
        output=output,
        model=model.path,
        why=why,
    )


def holds_labels(pixels: np.ndarray) -> bool:
    """Return whether real numbers are labels, as some models return them: whole ones in a single band."""
    return pixels.shape[1] == 1 and bool((pixels == np.round(pixels)).all())
