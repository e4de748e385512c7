"""The smallest crop of a network's outputs behind which none depends on pixels outside a tile."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from ..errors import ModelError
from .sizelaw import Call, Probe, find_size_law
from .tilemargins import SIDES, find_tile_margins

_SIDE = 320  # of the sample, in pixels of the first input
_AMPLITUDES = (1.0, 100.0, 10000.0)
_TYPICAL = 512  # a tile, in pixels of the first input


def exact_crop(
    call: Call, shapes: Mapping[str, Sequence[int]], images: Mapping[str, np.ndarray] | None, seed: int = 0
) -> int:
    """Return the smallest crop, in output pixels, behind which no output depends on pixels outside the region.

    Args:
        call: the network: arrays of shape (1, rows, columns, bands), float32, in the order of `shapes`, to outputs.
        shapes: by input, rows, columns and bands of a patch; they tell the inputs' resolutions.
        images: by input, an image of shape (rows, columns, bands) with the values that the network is
            made for; None tries random values of several magnitudes, and takes the largest crop.
        seed: of the random values.

    Raises:
        ModelError: the outputs depend on the whole image, or the network takes none of the sizes tried.
    """
    first = next(iter(shapes.values()))
    ratios = [Fraction(shape[1], first[1]) for shape in shapes.values()]
    if images is not None:
        return _crop(call, [np.asarray(images[key], "float32") for key in shapes], ratios)
    generator = np.random.default_rng(seed)
    sizes = [max(1, int(_SIDE * ratio)) for ratio in ratios]
    noise = [generator.random((side, side, shape[2])) for side, shape in zip(sizes, shapes.values())]
    return max(_crop(call, [(array * most).astype("float32") for array in noise], ratios) for most in _AMPLITUDES)


def _crop(call: Call, samples: Sequence[np.ndarray], ratios: Sequence[Fraction]) -> int:
    probe = Probe(call, samples, ratios, [(None, None)] * len(samples))
    law = find_size_law(probe)
    if law.x is None or law.y is None:
        return 0  # one output for a patch: nothing to crop
    margins = find_tile_margins(probe, law, lambda side: side <= SIDES[-1], (_TYPICAL, _TYPICAL))
    if margins.whole:
        raise ModelError(
            "No crop is exact for this network, because its outputs depend on the whole image: {reason}. Serve it "
            "untiled, or replace the layers with a global receptive field (global pooling, instance normalisation, "
            "attention).",
            reason=margins.reason,
        )
    return math.ceil(max(*margins.margin_x, *margins.margin_y))
