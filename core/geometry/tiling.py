"""Cutting an output into tiles that fit a budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .grid import Box

BLOCK = 256
"""Side of the blocks of a tiled output; tiles are made of whole blocks where memory allows."""

Enough = Callable[[int, int], bool]


def plan(
    width: int,
    height: int,
    cost: Callable[[int, int], float],
    budget: float,
    strips: bool,
    enough: Enough = lambda width, height: False,
    unit: int = BLOCK,
) -> tuple[int, int]:
    """Return width and height of a tile: the largest whose `cost(width, height)` is within `budget`.

    Args:
        width, height: of the output, in pixels.
        cost: bytes (or whatever `budget` counts) that a tile of that size takes; grows with both.
        budget: the limit; a tile of 1 x 1 is returned where even that is above it.
        strips: True for tiles as wide as the output, so that rows are read and written whole, where
            they are at least a block high. Else squares, which overlap their neighbours least.
        enough: whether a tile is so large that a larger one brings nothing; then it is no larger.
        unit: a multiple of which the sides are made where that fits: a multiple of `BLOCK`.
    """
    if strips:
        fit = _largest(height, lambda rows: cost(width, rows) <= budget)
        if fit >= min(BLOCK, height) and cost(width, fit) <= budget:
            return width, _side(height, fit, _smallest(height, unit, lambda rows: enough(width, rows)), unit)
    longest = max(width, height)
    fit = _largest(longest, lambda side: cost(min(side, width), min(side, height)) <= budget)
    wanted = _smallest(longest, unit, lambda side: enough(min(side, width), min(side, height)))
    return _side(width, fit, wanted, unit), _side(height, fit, wanted, unit)


def _largest(limit: int, fits: Callable[[int], bool]) -> int:
    low, high = 1, limit
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low


def _smallest(limit: int, unit: int, suffices: Callable[[int], bool]) -> int:
    """Return the smallest multiple of `unit` that suffices; the first that is not below `limit` where none does."""
    low, high = 1, -(-limit // unit)
    while low < high:
        middle = (low + high) // 2
        if suffices(min(middle * unit, limit)):
            high = middle
        else:
            low = middle + 1
    return low * unit


def _side(limit: int, fit: int, wanted: int, unit: int) -> int:
    """Return one side of the tiles of an output that is `limit` long: at most `fit`, and no longer than `wanted` asks."""
    if min(fit, wanted) >= limit:
        return limit
    side = wanted if wanted <= fit else _whole_blocks(fit, unit)
    if side < BLOCK:
        return min(side, limit)
    if 2 * side >= limit:  # two even ones, so that one is read while the other is computed
        unit = unit if side % unit == 0 else BLOCK
        side = -(-limit // (2 * unit)) * unit
    return min(side, limit)


def _whole_blocks(side: int, unit: int) -> int:
    """Return the largest multiple of `unit`, else of a block, else part of a block, that is not above `side`."""
    for step in (unit, BLOCK):
        if side >= step:
            return side // step * step
    block = BLOCK
    while block > side:
        block //= 2
    return block


def tiles(width: int, height: int, tile_width: int, tile_height: int) -> Iterator[Box]:
    """Yield the tiles of an output row by row; those at the right and bottom are smaller."""
    for y in range(0, height, tile_height):
        for x in range(0, width, tile_width):
            yield Box(x, y, min(tile_width, width - x), min(tile_height, height - y))
