"""Bringing pixels to the range in which networks learn well: the numbers, and the layers that hold them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError


@dataclass(frozen=True)
class Scaling:
    """What makes of a pixel `(pixel - offset) / divisor`, per band."""

    offset: tuple[float, ...]
    divisor: tuple[float, ...]

    def apply(self, image: Any, name: str) -> Any:
        """Return a Keras tensor of pixels (..., bands), scaled by a layer called `name`."""
        return _layer(self, False, name)(image)

    def undo(self, image: Any, name: str) -> Any:
        """Return a Keras tensor of scaled values as pixels again, by a layer called `name`."""
        return _layer(self, True, name)(image)


def _layer(scaling: Scaling, invert: bool, name: str) -> Any:
    import keras

    variance = [divisor**2 for divisor in scaling.divisor]
    # float32 also under mixed precision: float16 ends at 65504, and holds whole numbers up to 2048 only.
    return keras.layers.Normalization(
        mean=list(scaling.offset), variance=variance, invert=invert, name=name, dtype="float32"
    )


def scaling_of(
    kind: str, factor: float, bands: int, statistics: Sequence[Mapping[str, float | None]], where: str
) -> Scaling | None:
    """Return the scaling that a word of NORMALIZATION stands for.

    Args:
        kind: one of `core.operations.createmodel.NORMALIZATIONS`.
        factor: of `scale`: pixels are multiplied by it.
        bands: number of bands.
        statistics: `max`, `mean` and `std` per band, as the JSON beside patches has them; used by `maximum` and
            `standard`.
        where: what the statistics are of, for messages.

    Raises:
        ParameterError: the statistics do not allow it.
    """
    if kind == "none":
        return None
    if kind == "scale":
        return Scaling((0.0,) * bands, (1.0 / factor,) * bands)
    names = ("max",) if kind == "maximum" else ("mean", "std")
    for number, row in enumerate(statistics, 1):
        if any(row.get(name) is None for name in names):
            raise ParameterError(
                "The normalization {kind} needs statistics, but band {number} of {where} holds no number: leave the "
                "band out, or choose another normalization.",
                kind=kind,
                number=number,
                where=where,
            )
    table = [[float(row[name] or 0.0) for name in names] for row in statistics]
    if kind == "standard":
        return Scaling(tuple(row[0] for row in table), tuple(_divisor(row[1]) for row in table))
    for number, (largest,) in enumerate(table, 1):
        if largest < 0:
            raise ParameterError(
                "The normalization maximum divides by the maximum, but that of band {number} of {where} is "
                "{largest:g}: choose the normalization standard.",
                number=number,
                where=where,
                largest=largest,
            )
    return Scaling((0.0,) * bands, tuple(_divisor(row[0]) for row in table))


def _divisor(value: float) -> float:
    """A band that has one value only stays as it is."""
    return value if value > 0 and math.isfinite(value) else 1.0
