"""How large the tiles of a run are, and by how much they overlap."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..base.progress import Progress
from ..errors import ModelError
from ..geometry import tiling
from ..geometry.fields import ServingAxis
from ..geometry.grid import Box
from ..machine.memory import MB
from ..parameters.servedmodel import ServedModel
from ..probing.appliedgeometry import given_axes, given_offsets, serving_geometry
from ..probing.geometryresolver import GeometryResolver
from .job import Job, Rate

ENOUGH_OVERLAP = 0.045
"""Share of pixels that are computed twice where tiles meet, below which larger tiles bring nothing."""

MOST_OVERLAP = 0.05
"""The same, above which tiles are made larger although one takes long already."""

ENOUGH_BYTES, ENOUGH_SECONDS, LONG_SECONDS = 32 * MB, 0.25, 10.0
"""A tile's pixels and outputs, or the time it takes, from which handing it from thread to thread costs next to nothing:
larger ones would only keep the threads waiting for the first and the last; and the time from which a tile is long."""

LARGEST_UNIT = 4 * tiling.BLOCK
"""Tiles are made of whole blocks of output and input, and of whole strides, where these are no larger than so many."""


SMALL_BYTES, SMALL_SECONDS = 64 * MB, 1.0
"""An output is computed at once where it takes no more: that is sooner done than learning how far the model looks."""


def plan_tiles(
    parameters: ServedModel,
    job: Job,
    resolver: GeometryResolver,
    memory: int,
    bands: int,
    rate: Rate | None,
    progress: Progress,
) -> tuple[int, int]:
    """Return width and height of the tiles, once it is known how far the model looks where that matters.

    Args:
        parameters: where the user sets tiles.
        job: what is computed; its geometry learns by how much tiles overlap.
        resolver: probes the model.
        memory: budget in bytes.
        bands: of the output.
        rate: what computing takes; None for a model of one size.
        progress: told what was learned.

    Raises:
        ModelError: every output depends on the whole image, which does not fit the memory.
    """
    whole = job.box.width, job.box.height
    all_of_it = whole == (job.geometry.x.size, job.geometry.y.size)
    tile = _given_size(parameters, job, rate)
    if tile is None and rate is not None and all_of_it and _small(job, memory, bands, rate):
        return whole
    if job.geometry.fields.fullyconv and (tile != whole or not all_of_it):
        if _learn_context(parameters, job, resolver, memory, rate, progress):
            return whole
        tile = _given_size(parameters, job, rate)
    return tile or (whole if rate is None else planned_size(job, memory, bands, rate))


def _given_size(parameters: ServedModel, job: Job, rate: Rate | None) -> tuple[int, int] | None:
    """Return width and height of the tiles as they are asked for; None where they are not.

    A model of one size (no rate) has no tiles but its own regions.
    """
    width, height = job.box.width, job.box.height
    if rate is None:
        return min(job.geometry.fields.x.efield, width), min(job.geometry.fields.y.efield, height)
    if parameters.optim_disabletiling:
        return width, height
    if parameters.optim_tilesizex or parameters.optim_tilesizey:
        x = parameters.optim_tilesizex or parameters.optim_tilesizey or width
        y = parameters.optim_tilesizey or parameters.optim_tilesizex or height
        return min(x, width), min(y, height)
    return None


def _small(job: Job, memory: int, bands: int, rate: Rate) -> bool:
    outputs = job.computed(job.box)
    return (
        job.bytes_held(outputs, bands) + rate.memory(outputs.area) <= memory
        and job.bytes_moved(outputs, bands) <= SMALL_BYTES
        and rate.seconds * outputs.area <= SMALL_SECONDS
    )


def planned_size(job: Job, memory: float, bands: int, rate: Rate) -> tuple[int, int]:
    """Return width and height of the tiles for a budget in bytes.

    They are squares where they overlap, and strips where an output depends on one pixel, or where these overlap
    no more: for images that are not much wider than a tile, or that are stored line by line.
    """
    width, height = job.box.width, job.box.height

    def middle(across: int, down: int) -> Box:
        box = Box(job.box.x + (width - across) // 2, job.box.y + (height - down) // 2, across, down)
        return job.computed(box)

    def cost(across: int, down: int) -> float:
        outputs = middle(across, down)
        return job.bytes_held(outputs, bands) + rate.memory(outputs.area)

    def enough(across: int, down: int) -> bool:
        outputs = middle(across, down)
        seconds, share = rate.seconds * outputs.area, _borders(job, across, down)
        if share > ENOUGH_OVERLAP:
            return seconds >= LONG_SECONDS and share <= MOST_OVERLAP
        return seconds >= ENOUGH_SECONDS or job.bytes_moved(outputs, bands) >= ENOUGH_BYTES

    unit = _unit(job)
    strips = tiling.plan(width, height, cost, memory, True, enough, unit)
    if job.geometry.fields.pixelwise:
        return strips
    squares = tiling.plan(width, height, cost, memory, False, enough, unit)
    if job.stored_by_lines and overlap(job, *strips) <= MOST_OVERLAP:
        return strips
    return min((squares, strips), key=lambda tile: (max(overlap(job, *tile), MOST_OVERLAP), tile[0] * tile[1]))


def overlap(job: Job, width: int, height: int) -> float:
    """Return how much more pixels are computed in tiles of a size than at once, as a share of the latter."""
    if not job.shares:
        return 0.0
    box = job.box

    def pixels(across: int, down: int) -> float:
        columns = _total(box.width, across, lambda start, size: job.pixels(Box(box.x + start, box.y, size, 1)).width)
        rows = _total(box.height, down, lambda start, size: job.pixels(Box(box.x, box.y + start, 1, size)).height)
        return float(columns * rows)

    return pixels(width, height) / pixels(box.width, box.height) - 1


def _borders(job: Job, width: int, height: int) -> float:
    """Return `overlap` as it would be in an endless image: so tiles are as large in a small one."""
    if not job.shares:
        return 0.0

    def share(axis: ServingAxis, side: int, limit: int) -> float:
        fields = axis.fields
        outputs = sum(-(-margin // axis.step) * axis.step for margin in fields.margin)
        pixels = outputs * fields.scale + fields.rfields[0] - fields.efield * fields.scale
        return 1.0 + float(pixels / (side * fields.scale)) if side < limit else 1.0

    x, y = job.geometry.x, job.geometry.y
    return share(x, width, job.box.width) * share(y, height, job.box.height) - 1


def _total(limit: int, side: int, pixels: Callable[[int, int], int]) -> int:
    """Return the pixels of all tiles along one axis; those between the first two and the last two are alike."""
    starts = range(0, limit, side)
    alike = max(0, len(starts) - 4)
    few = [*starts[:2], *starts[2 + alike :]]
    total = sum(pixels(start, min(side, limit - start)) for start in few)
    return total + alike * pixels(starts[2], side) if alike else total


def _unit(job: Job) -> int:
    """Return of what multiples tiles are best made: of the output's blocks, the model's strides, the input's blocks."""
    unit = tiling.BLOCK
    first = job.sources[0].stack
    blocks = [size for size, limit in zip(first.block_size, (first.grid.width, first.grid.height)) if size < limit]
    for step in (job.geometry.x.step, job.geometry.y.step, *(blocks if job.geometry.fields.x.scale == 1 else ())):
        if math.lcm(unit, step) <= LARGEST_UNIT:
            unit = math.lcm(unit, step)
    return unit


def _learn_context(
    parameters: ServedModel,
    job: Job,
    resolver: GeometryResolver,
    memory: int,
    rate: Rate | None,
    progress: Progress,
) -> bool:
    """Learn how far the model looks, so that values do not depend on the tiles; return whether that is everywhere.

    Raises:
        ModelError: every output depends on the whole image, which does not fit the memory.
    """
    scale = float(job.geometry.fields.x.scale)

    def affordable(side: int) -> bool:
        return rate is None or rate.memory((side / scale) ** 2) <= memory

    offsets = given_offsets(given_axes(parameters), resolver.ratios)
    region = job.geometry.region(0, Box(0, 0, job.geometry.x.whole, job.geometry.y.whole))
    try:
        margins = resolver.tile_margins(affordable, (region.width, region.height), offsets)
    except ModelError as error:
        progress.warning(f"The model does not show how far it looks, so tiles may not meet exactly: {error}")
        return False
    fields = job.geometry.fields.within(margins)
    if fields.fixed:
        fitting = serving_geometry(job.sources, fields)
        if margins.whole or not (fitting.x.meets and fitting.y.meets):
            job.geometry = serving_geometry(job.sources, fields.side_by_side())
            progress.warning(
                f"The model takes {fields.x.rfields[0]} x {fields.y.rfields[0]} pixels only, and its outputs depend on more "
                "of their surroundings than that holds: the regions are computed side by side, and their edges may show."
            )
            return False
    job.geometry = serving_geometry(job.sources, fields)
    if margins.whole:
        needed = (rate.memory(job.geometry.x.whole * job.geometry.y.whole)) if rate else 0.0
        if needed > memory and not parameters.optim_disabletiling:
            raise ModelError(
                f"The model can only see the whole image at once ({margins.reason}), which takes about "
                f"{needed / MB:.0f} MB where {memory / MB:.0f} MB are allowed: raise MEMORY, use a smaller image, or a "
                "model whose outputs depend on their surroundings only."
            )
        progress.info(f"The whole image is computed at once: {margins.reason}.")
        return True
    progress.info(
        f"Tiles start at multiples of {margins.stride} pixels and overlap by {max(margins.margin_x)} x "
        f"{max(margins.margin_y)} outputs, which depend on what lies around."
    )
    return False
