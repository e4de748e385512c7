"""Cutting an output into tiles that fit a budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..geometry.grid import Box

BLOCK = 256
"""Side of the blocks of a tiled output; tiles are made of whole blocks where memory allows."""


def plan(width: int, height: int, cost: Callable[[int, int], float], budget: float, strips: bool) -> tuple[int, int]:
    """Return width and height of the largest tile whose `cost(width, height)` is within `budget`.

    Args:
        width, height: of the output, in pixels.
        cost: bytes (or whatever `budget` counts) that a tile of that size takes; grows with both.
        budget: the limit; a tile of 1 x 1 is returned where even that is above it.
        strips: True for models that see one pixel at a time: tiles as wide as the output, so that
            rows are read and written whole. Else squares, which overlap their neighbours least.
    """
    if strips:
        rows = _largest(height, lambda rows: cost(width, rows) <= budget)
        if rows >= min(BLOCK, height) and cost(width, rows) <= budget:
            return width, _whole_blocks(rows, height)
    side = _largest(max(width, height), lambda side: cost(min(side, width), min(side, height)) <= budget)
    return _whole_blocks(side, width), _whole_blocks(side, height)


def _largest(limit: int, fits: Callable[[int], bool]) -> int:
    low, high = 1, limit
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low


def _whole_blocks(side: int, limit: int) -> int:
    if side >= limit:
        return limit
    if side >= BLOCK:
        return side // BLOCK * BLOCK
    block = BLOCK
    while block > side:
        block //= 2
    return block


def tiles(width: int, height: int, tile_width: int, tile_height: int) -> Iterator[Box]:
    """Yield the tiles of an output row by row; those at the right and bottom are smaller."""
    for y in range(0, height, tile_height):
        for x in range(0, width, tile_width):
            yield Box(x, y, min(tile_width, width - x), min(tile_height, height - y))
