"""Trials before a run: time and memory of the model, and its outputs for pixels like those of the sources."""

from __future__ import annotations

import math
import time

import numpy as np

from ..geometry.grid import Box
from ..machine.memory import peak_growth
from ..probing.appliedgeometry import ServingGeometry
from ..probing.compute import Compute
from ..probing.geometryresolver import drawn_sample
from ..probing.trialpixels import KINDS, part
from .patchways import PatchWay
from .tilecomputer import Tile, TileComputer
from .tilecosts import Rate, computed_with

TRIALS = (16, 32, 64, 128, 256)
"""Sides in pixels of the pieces on which time and memory are measured: even the smallest may take much of the budget, where an
image is a series of many dates."""

_OF_PATCHES = 64
"""Side in pixels of the pieces whose patches are tried one by one."""


def piece_size(geometry: ServingGeometry, side: int, width: int, height: int) -> tuple[int, int]:
    """Return width and height, in outputs, of a square piece of `side` pixels, or of the image if this is smaller."""
    scale = float(geometry.fields.x.scale)
    return max(1, min(int(side / scale), width)), max(1, min(int(side / scale), height))


def measured_rate(computer: TileComputer, way: PatchWay | None, box: Box, memory: int) -> Rate:
    """Measure time and memory of the model on growing pieces of the input, as far as the memory allows.

    Args:
        computer: of the run.
        way: how it computes patches; None for regions.
        box: the outputs to write.
        memory: bytes for images and computation.
    """
    batch = way.largest_batch if way else computer.compute.at_a_time
    rate = Rate(0.0, 0.0, batch)
    for side in TRIALS:
        width, height = piece_size(computer.geometry, side, box.width, box.height)
        piece = Box(box.x + (box.width - width) // 2, box.y + (box.height - height) // 2, width, height)
        tile, seconds = computer.read(piece, masked=False), 0.0

        def work(piece: Box = piece, tile: Tile = tile) -> None:
            nonlocal seconds
            start = time.perf_counter()
            computer.values(piece, tile)
            seconds = time.perf_counter() - start

        growth = peak_growth(work)
        area = computed_with(computer.geometry, piece).area
        # Of a narrow output a piece is no square; other trials are squares of as many pixels.
        square = round(math.sqrt(width * height) * float(computer.geometry.fields.x.scale))
        rate = Rate(seconds / area, max(1.25 * growth / min(area, batch), 1.0), batch, min(side, square))
        if computer.geometry.fields.windowed:  # of one size, whatever the piece
            break
        if 16 * growth > memory or piece == box:  # attention takes sixteen times as much for twice the side
            break
    return rate


def trial_values(computer: TileComputer, way: PatchWay | None, side: int, compute: Compute) -> np.ndarray:
    """Return outputs of the model for trial pixels with the values of the sources.

    They are put together so that the outputs vary, and are the same for each part of a run.

    Args:
        computer: of the run.
        way: how patches are computed; None for regions.
        side: of what may be computed at once, in pixels of the first source.
        compute: calls the model.
    """
    if way is not None and way.period is None:
        side = min(side, _OF_PATCHES)
    geometry, sources = computer.geometry, computer.sources
    box = Box(0, 0, *piece_size(geometry, side, geometry.x.size, geometry.y.size))
    outputs = computed_with(geometry, box)
    regions = [geometry.region(number, outputs) for number in range(len(sources))]
    samples = [drawn_sample(source, source.dtype.name) for source in sources]
    patches = way.bind(geometry, compute) if way else None
    found = []
    for make in KINDS.values():
        images = [make(part(sample, 0, r.width, r.height)) for sample, r in zip(samples, regions)]
        found.append(patches(box, images) if patches else compute.region(images, outputs.width, outputs.height))
    return np.concatenate(found)
