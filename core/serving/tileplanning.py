"""Size and margins of the tiles of a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from ..base.progress import Progress
from ..errors import ModelError, field
from ..geometry import tiling
from ..geometry.fields import ServingAxis
from ..geometry.grid import Box
from ..machine.memory import MB
from ..phrases import Phrase
from ..probing.appliedgeometry import Fields, ServingGeometry, serving_geometry
from .openmodel import OpenModel
from .servesettings import TilingSettings
from .tilecosts import Rate, TileCosts

ENOUGH_OVERLAP = 0.045
"""Share of pixels computed twice because tiles overlap, below which larger tiles save nothing."""

MOST_OVERLAP = 0.05
"""The same, above which tiles are made larger although one takes long already."""

ENOUGH_BYTES, ENOUGH_SECONDS, LONG_SECONDS = 32 * MB, 0.25, 10.0
"""A tile's pixels and outputs, or the time it takes, from which handing it from thread to thread costs next to nothing:
larger ones would only keep the threads waiting for the first and the last; and the time from which a tile is long."""

LARGEST_UNIT = 4 * tiling.BLOCK
"""Tiles are made of whole blocks of output and input, and of whole strides, unless these are larger."""


SMALL_BYTES, SMALL_SECONDS = 64 * MB, 1.0
"""Cost below which an output is computed without tiles: this is faster than finding the tile margins."""


def plan_tiles(
    opened: OpenModel,
    costs: TileCosts,
    given: TilingSettings,
    memory: int,
    rate: Rate | None,
    progress: Progress,
) -> tuple[ServingGeometry, tuple[int, int]]:
    """Return the geometry with the tile margins, and width and height of the tiles.

    The margins are found only if there are several tiles.

    Args:
        opened: the model and its sources.
        costs: of tiles without margins.
        given: what the user sets.
        memory: budget in bytes.
        rate: what computing takes; None for a model of one size.
        progress: told what was found.

    Raises:
        ModelError: every output depends on the whole image, which does not fit the memory.
    """
    geometry, box = costs.geometry, costs.box
    whole = box.width, box.height
    all_of_it = whole == (geometry.x.size, geometry.y.size)
    tile = _given_size(given, costs, rate)
    if tile is None and rate is not None and all_of_it and _small(costs, memory, rate):
        return geometry, whole
    if geometry.fields.fullyconv and not geometry.fields.windowed and (tile != whole or not all_of_it):
        geometry, at_once = _with_margins(opened, geometry, given, memory, rate, progress)
        if at_once:
            return geometry, whole
    if tile is None and rate is not None:
        tile = planned_size(replace(costs, geometry=geometry), memory, rate)
    return geometry, tile or whole


def _given_size(given: TilingSettings, costs: TileCosts, rate: Rate | None) -> tuple[int, int] | None:
    """Return width and height of the tiles that the user sets; None if there are none.

    A model of one size (no rate) has no tiles but its own regions.
    """
    width, height = costs.box.width, costs.box.height
    if rate is None:
        fields = costs.geometry.fields
        return min(fields.x.efield, width), min(fields.y.efield, height)
    if given.at_once:
        return width, height
    if given.width or given.height:
        return min(given.width or given.height or width, width), min(given.height or given.width or height, height)
    return None


def _small(costs: TileCosts, memory: int, rate: Rate) -> bool:
    outputs = costs.computed(costs.box)
    return (
        costs.bytes_held(outputs) + rate.memory(outputs.area) <= memory
        and costs.bytes_moved(outputs) <= SMALL_BYTES
        and rate.seconds * outputs.area <= SMALL_SECONDS
    )


def planned_size(costs: TileCosts, memory: float, rate: Rate) -> tuple[int, int]:
    """Return width and height of the tiles for a budget in bytes.

    They are squares where they overlap, and strips where an output depends on one pixel, or where these overlap
    no more: for images that are not much wider than a tile, or that are stored line by line.
    """
    width, height = costs.box.width, costs.box.height

    def middle(across: int, down: int) -> Box:
        box = Box(costs.box.x + (width - across) // 2, costs.box.y + (height - down) // 2, across, down)
        return costs.computed(box)

    def cost(across: int, down: int) -> float:
        outputs = middle(across, down)
        return costs.bytes_held(outputs) + rate.memory(outputs.area)

    def enough(across: int, down: int) -> bool:
        outputs = middle(across, down)
        seconds, share = rate.seconds * outputs.area, _borders(costs, across, down)
        if share > ENOUGH_OVERLAP:
            return seconds >= LONG_SECONDS and share <= MOST_OVERLAP
        return seconds >= ENOUGH_SECONDS or costs.bytes_moved(outputs) >= ENOUGH_BYTES

    unit = _unit(costs)
    strips = tiling.plan(width, height, cost, memory, True, enough, unit)
    if costs.geometry.fields.pixelwise:
        return strips
    squares = tiling.plan(width, height, cost, memory, False, enough, unit)
    if costs.stored_by_lines and overlap(costs, *strips) <= MOST_OVERLAP:
        return strips
    return min((squares, strips), key=lambda tile: (max(overlap(costs, *tile), MOST_OVERLAP), tile[0] * tile[1]))


def overlap(costs: TileCosts, width: int, height: int) -> float:
    """Return the share of pixels that tiles of a size add to those of computing the whole output at once."""
    if not costs.shares:
        return 0.0
    box = costs.box

    def pixels(across: int, down: int) -> float:
        columns = _total(box.width, across, lambda start, size: costs.pixels(Box(box.x + start, box.y, size, 1)).width)
        rows = _total(box.height, down, lambda start, size: costs.pixels(Box(box.x, box.y + start, 1, size)).height)
        return float(columns * rows)

    return pixels(width, height) / pixels(box.width, box.height) - 1


def _borders(costs: TileCosts, width: int, height: int) -> float:
    """Return `overlap` as it would be in an endless image: so tiles are as large in a small one."""
    if not costs.shares:
        return 0.0

    def share(axis: ServingAxis, side: int, limit: int) -> float:
        fields = axis.fields
        outputs = sum(-(-margin // axis.step) * axis.step for margin in fields.margin)
        pixels = outputs * fields.scale + fields.rfields[0] - fields.efield * fields.scale
        return 1.0 + float(pixels / (side * fields.scale)) if side < limit else 1.0

    x, y = costs.geometry.x, costs.geometry.y
    return share(x, width, costs.box.width) * share(y, height, costs.box.height) - 1


def _total(limit: int, side: int, pixels: Callable[[int, int], int]) -> int:
    """Return the pixels of all tiles along one axis; those between the first two and the last two are alike."""
    starts = range(0, limit, side)
    alike = max(0, len(starts) - 4)
    few = [*starts[:2], *starts[2 + alike :]]
    total = sum(pixels(start, min(side, limit - start)) for start in few)
    return total + alike * pixels(starts[2], side) if alike else total


def _unit(costs: TileCosts) -> int:
    """Return the unit of tile sizes: a multiple of the output's blocks, the model's strides and the input's blocks."""
    unit = tiling.BLOCK
    first = costs.sources[0].stack
    blocks = [size for size, limit in zip(first.block_size, (first.grid.width, first.grid.height)) if size < limit]
    for step in (costs.geometry.x.step, costs.geometry.y.step, *(blocks if costs.geometry.fields.x.scale == 1 else ())):
        if math.lcm(unit, step) <= LARGEST_UNIT:
            unit = math.lcm(unit, step)
    return unit


def _blending(fields: Fields) -> str:
    """Return how the regions of a model of one size can be blended; empty for one that is no square."""
    if fields.x.rfields[0] != fields.y.rfields[0]:
        return ""
    size, context = fields.x.rfields[0], field("model_context")
    return Phrase(" To blend overlapping regions, set {context}={size}.", context=context, size=size)


def _with_margins(
    opened: OpenModel,
    geometry: ServingGeometry,
    given: TilingSettings,
    memory: int,
    rate: Rate | None,
    progress: Progress,
) -> tuple[ServingGeometry, bool]:
    """Return the geometry with tile margins, so that values do not depend on the tiles; and whether one tile is enough.

    Raises:
        ModelError: every output depends on the whole image, which does not fit the memory.
    """
    scale = float(geometry.fields.x.scale)

    def affordable(side: int) -> bool:
        return rate is None or rate.memory((side / scale) ** 2) <= memory

    region = geometry.region(0, Box(0, 0, geometry.x.whole, geometry.y.whole))
    try:
        margins = opened.resolver.tile_margins(affordable, (region.width, region.height), opened.offsets)
    except ModelError as error:
        progress.warning(
            Phrase("The receptive field could not be determined; seams may be visible: {reason}", reason=error.message)
        )
        return geometry, False
    fields = geometry.fields.within(margins)
    overlapping = serving_geometry(opened.sources, fields)
    if fields.fixed and (margins.whole or not (overlapping.x.meets and overlapping.y.meets)):
        progress.warning(
            Phrase(
                "The model accepts only {rfield} x {y_rfields} pixels, but its outputs depend on more pixels around "
                "them: the regions are computed side by side, and seams may be visible.{cure}",
                rfield=fields.x.rfields[0],
                y_rfields=fields.y.rfields[0],
                cure=_blending(fields),
            )
        )
        return serving_geometry(opened.sources, fields.side_by_side()), False
    if margins.whole:
        needed = (rate.memory(overlapping.x.whole * overlapping.y.whole)) if rate else 0.0
        if needed > memory and not given.at_once:
            raise ModelError(
                "The outputs of the model depend on the whole image ({reason}). This needs about {needed:.0f} MB, "
                "but {memory:.0f} MB are allowed: set {context} to the size of the patches that the model was trained on "
                "(it is computed in overlapping windows of this size), raise {memory_key}, use a smaller image, or use a "
                "model with a limited receptive field.",
                reason=margins.reason,
                needed=needed / MB,
                memory=memory / MB,
                memory_key=field("memory"),
                context=field("model_context"),
            )
        progress.info(Phrase("The whole image is computed at once: {reason}.", reason=margins.reason))
        return overlapping, True
    progress.info(
        Phrase(
            "Tiles start at multiples of {stride} pixels; the tile margins are {margin_x} x {margin_y} outputs.",
            stride=margins.stride,
            margin_x=max(margins.margin_x),
            margin_y=max(margins.margin_y),
        )
    )
    return overlapping, False
