"""Probed outputs: for class numbers, the real values that they are computed from.

The number of the most probable class is the same for most inputs. What a shift or a far pixel changes rarely shows in
it, but does in the probabilities, and the number looks no further than these do. A model often offers them as another
output, or a layer.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..errors import ModelError
from ..models.modelinterface import Model, is_real
from .sizelaw import SIZES, Probe, take_fixed_size
from .trialpixels import KINDS


def probed_outputs(model: Model, outputs: Sequence[str], probe_of: Callable[[Sequence[str]], Probe]) -> list[str]:
    """Return the outputs to probe: those given, for one of whole numbers the real values behind it where these are found.

    Args:
        model: the model.
        outputs: names of outputs.
        probe_of: returns what calls the model for some outputs.
    """
    found = [name if is_real(model.output(name)) else _behind(model, name, probe_of) or name for name in outputs]
    return list(dict.fromkeys(found))


def _behind(model: Model, name: str, probe_of: Callable[[Sequence[str]], Probe]) -> str | None:
    for other in model.values_behind(name):
        try:
            if follow(tried_pixels(probe_of([name, other]))):
                return other
        except ModelError:  # of another size
            continue
    return None


def tried_pixels(probe: Probe) -> np.ndarray:
    """Return outputs of a model for trial pixels, one row for each: shape (n, bands).

    Where each pixel may take much memory, they are as few as are needed for values of the first band to differ.

    Raises:
        ModelError: the model accepts none of the sizes that were tried, or its outputs differ in size.
    """
    pixels = np.empty((0, 0))
    for size in _accepted(probe):
        images = [probe.images(size, kind=kind) for kind in KINDS]
        pixels = np.concatenate([array.reshape(-1, array.shape[-1]) for array in map(probe.outputs, images)])
        if (pixels[:, 0] != pixels[0, 0]).any():
            break
    if not pixels.size:
        raise ModelError("The model accepts none of the sizes that were tried.")
    return pixels


def _accepted(probe: Probe) -> Iterator[tuple[int, int]]:
    """Yield the small sizes that are tried before others, or the first of the others, as far as the model accepts them."""
    if any(size is not None for fixed in probe.fixed for size in fixed):
        yield take_fixed_size(probe)
        return
    small, others = ((side * probe.unit for side in sides) for sides in (probe.small_sides, SIZES[:4]))
    found = False
    for side in filter(probe.size, small):
        found = True
        yield side, side
    if not found:
        yield from ((side, side) for side in itertools.islice(filter(probe.size, others), 1))


def follow(pixels: np.ndarray) -> bool:
    """Return whether the numbers in the first band are a function of the values in the others, pixel by pixel."""
    numbers, values = pixels[:, 0], pixels[:, 1:]
    if len(np.unique(numbers)) < 2 or not np.isfinite(values).all():
        return False
    if values.shape[1] == 1:  # above a threshold or not, or rounded
        steps = np.diff(numbers[np.argsort(values[:, 0], kind="stable")])
        return bool((steps >= 0).all() or (steps <= 0).all())
    largest = values.argmax(axis=1)
    return len(np.unique(largest)) == len(np.unique(np.stack([largest, numbers]), axis=1).T)
