"""How large the parts of an output are."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..geometry import tiling
from ..parameters.partshare import SMALLEST_PART

SIDE = 4096
"""Width and height of a part in outputs, where there are enough of them: opening and trying a model is little beside it."""

SMALL = 1024
"""The smallest side for the sake of `EACH`."""

EACH = 4
"""Parts for each run, so that all have about as much to do, where that leaves them no smaller than `SMALL`."""


@dataclass(frozen=True)
class PartSides:
    """How long the sides of parts may be, in what a plan counts: outputs, or tiles.

    Attributes:
        usual: where there are enough of them.
        small: down to which there are several parts for each run.
        smallest: down to which there is one part for each run.
        unit: of which sides are multiples where they are not small.
    """

    usual: int
    small: int
    smallest: int
    unit: int

    @classmethod
    def of_steps(cls, step: int) -> PartSides:
        """Return the sides in steps of so many pixels."""
        return cls(max(1, SIDE // step), max(1, SMALL // step), 1, 1)


OUTPUTS = PartSides(SIDE, SMALL, SMALLEST_PART, tiling.BLOCK)
"""Sides in pixels of an output."""


def part_size(
    width: int, height: int, runs: int, side: int | None = None, sides: PartSides = OUTPUTS
) -> tuple[int, int]:
    """Return width and height of the parts of an output, of which there are at least as many as runs if it is large enough.

    Args:
        width, height: of the output.
        runs: how many processes share it.
        side: that the user sets; None where it is chosen.
        sides: how long they may be.
    """
    if side is not None:
        return min(side, width), min(side, height)
    columns, rows = math.ceil(width / sides.usual), math.ceil(height / sides.usual)
    while True:
        size = _side(width, columns, sides), _side(height, rows, sides)
        parts = math.ceil(width / size[0]) * math.ceil(height / size[1])
        if parts >= (runs if max(size) <= sides.small else EACH * runs) or max(size) <= sides.smallest:
            return size
        if size[0] > size[1]:
            columns += 1
        else:
            rows += 1


def _side(size: int, count: int, sides: PartSides) -> int:
    """Return the side of so many parts: whole blocks of the output, where that leaves them of about one size."""
    unit = sides.unit if size >= 4 * sides.unit * count else sides.smallest
    return min(size, math.ceil(size / count / unit) * unit)
