"""Check that the values of a model are reproducible and do not depend on the other images of the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..errors import ModelError, field
from ..phrases import Phrase
from .tilemargins import TOLERANCE, relative_difference

CALLS = 3
"""Number of calls with the same images."""

PATCHES = 8
"""How many images a batch has where any number is taken: an output that is random by a few values differs in one of them."""

COMPANY_TOLERANCE = 1e-3
"""Relative difference up to which values are equal in batches of several kinds, which are computed by other sums."""

Call = Callable[[Sequence[np.ndarray]], "list[np.ndarray]"]


def check_repeatable(call: Call, images: Sequence[np.ndarray], path: str, switches: Sequence[str]) -> None:
    """Raise ModelError where a model returns other values when it is called again with the same images.

    Args:
        call: the model, on images of shape (batch, rows, columns, bands).
        images: of each source.
        path: of the model.
        switches: names of its inputs that may switch off what is random.
    """
    first = call(images)
    for _ in range(CALLS - 1):
        difference = max((relative_difference(one, two) for one, two in zip(first, call(images))), default=0.0)
        if difference > TOLERANCE:
            cure = (
                Phrase(
                    "set {model_userplaceholders} to {switche}=false, or ",
                    model_userplaceholders=field("model_userplaceholders"),
                    switche=switches[0],
                )
                if switches
                else ""
            )
            raise ModelError(
                "The model {path} is random: two calls with the same pixels gave values that differ by "
                "{difference:.2g} (relative). Dropout or noise is active, as in training: {cure}save the model for "
                "inference (with training=False, or model.export() of Keras).",
                path=path,
                difference=difference,
                cure=cure,
            )


def depends_on_batch(call: Call, images: Sequence[np.ndarray], any_number: bool) -> bool:
    """Return whether a model returns other values for an image in another place of a batch, or beside other images.

    Args:
        call: the model, on images of shape (batch, rows, columns, bands).
        images: of each source; a batch of one depends on nothing else.
        any_number: whether it takes batches of another number, too.
    """
    count = len(images[0])
    if count < 2:
        return False
    alike = call([np.repeat(image[:1], count, axis=0) for image in images])
    first = [_part(array, 0, count) for array in alike]
    found = [[_part(array, place, count) for array in alike] for place in range(1, count)]
    for others in (images, *([_company(image, most) for image in images] for most in (False, True))):
        found.append([_part(array, 0, count) for array in call(others)])
    if any_number:
        found.append(call([image[:1] for image in images]))
    pairs = [pair for each in found for pair in zip(first, each)]
    return any(relative_difference(one, two) > COMPANY_TOLERANCE for one, two in pairs)


def _part(array: np.ndarray, place: int, count: int) -> np.ndarray:
    """Return the output of a batch of `count` images for the one at a place."""
    size = len(array) // count
    return array[place * size : (place + 1) * size]


def _company(image: np.ndarray, most: bool) -> np.ndarray:
    """Return a batch whose first image is unchanged; the others are 0, or the largest value of each band."""
    batch = np.zeros_like(image)
    if most:
        batch[:] = image.max(axis=(0, 1, 2))
    batch[0] = image[0]
    return batch
