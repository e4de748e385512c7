"""The plan of a run: all that decides its values and its tiles, made once and never changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..base.progress import Progress
from ..errors import ModelError
from ..geometry import tiling
from ..geometry.fields import Span
from ..geometry.grid import Box, Grid
from ..machine.devices import computing, on_gpu
from ..machine.memory import MB, release
from ..phrases import Phrase
from ..probing.appliedgeometry import ServingGeometry
from .calibration import TRIALS, measured_rate, piece_size, trial_values
from .memorybudget import MemoryBudget
from .openmodel import OpenModel
from .patchways import PatchTrials, PatchWay, one_by_one
from .servesettings import TilingSettings
from .tilecomputer import TileComputer, TileOutput
from .tilecosts import Rate, TileCosts, computed_with
from .tileplanning import overlap, plan_tiles

FREEZING_PAYS, FREEZING_PAYS_PER_MB = 0.5, 0.5
"""Seconds of computing, and more for each MB of the model's file, from which making its weights constants pays: ten times
what that takes, since computing then takes up to a tenth less."""

LARGEST_REBUILT = 16 * MB
"""The largest file of a model of patches that is built anew, which takes a second then."""

LARGEST_FROZEN = 256 * MB
"""The largest file of a model whose weights are made constants: they are held twice then."""


@dataclass(frozen=True)
class RunPlan:
    """What a run computes, and in which pieces: plain values, which any process that opens the same model can follow.

    Attributes:
        geometry: of the whole output, with the tile margins where tiles meet.
        box: the part of it that is computed.
        bands: that the model returns.
        way: how patches are computed; None where regions are.
        tile: width and height in outputs.
    """

    geometry: ServingGeometry
    box: Box
    bands: int
    way: PatchWay | None
    tile: tuple[int, int]

    @property
    def grid(self) -> Grid:
        """The pixels of the box."""
        return self.geometry.grid.part(self.box)

    @property
    def whole(self) -> bool:
        """Whether one tile is the whole output."""
        return self.tile == (self.geometry.x.size, self.geometry.y.size)

    def tiles(self) -> Iterator[Box]:
        """Yield the tiles in order, counted from the corner of the box.

        Those of a model of one size are what it computes in one go.
        """
        if not self.geometry.fields.fixed:
            yield from tiling.tiles(self.box.width, self.box.height, *self.tile)
            return
        for y in self.geometry.y.cells(Span(self.box.y, self.box.height)):
            for x in self.geometry.x.cells(Span(self.box.x, self.box.width)):
                yield Box(x.start - self.box.x, y.start - self.box.y, x.size, y.size)

    def computer(self, opened: OpenModel, output: TileOutput) -> TileComputer:
        """Return what reads and computes any outputs as planned."""
        bands = output.finish.bands if output.finish else self.bands
        return TileComputer(
            opened.sources, opened.compute, self.geometry, opened.padding, self.way, output, bands, opened.mask
        )


def plan_run(
    opened: OpenModel,
    box: Box,
    output: TileOutput,
    tiles: TilingSettings,
    memory: MemoryBudget,
    progress: Progress,
    accept: Callable[[int], None] = lambda bands: None,
) -> RunPlan:
    """Return the plan of a run that writes all outputs in a box.

    The model is tried: on one small piece, so that one that does not fit fails now; in which way it computes patches; on
    growing pieces, to see what these take; and on how far it looks, where tiles meet.

    Args:
        opened: the model and its sources.
        box: the outputs.
        output: what is made of values.
        tiles: what the user sets of them.
        memory: that may be taken.
        progress: told what was chosen, and why.
        accept: called with the number of bands that the model returns; raises where they are of no use.

    Raises:
        ModelError: the model does not take the sources, or every output depends on the whole image, which does not fit the
            memory.
        Cancelled: `progress` asked to stop.
    """
    memory = replace(memory, devices=1 + len(opened.beside))
    plan = _first_plan(opened, box, output, accept)
    if plan.way is not None:
        plan = replace(
            plan, way=_chosen_way(opened, plan.computer(opened, replace(output, finish=None)), memory, progress)
        )
    if output.finish is not None:
        plan.computer(opened, output).first_piece(box)  # what comes after the model warms up, too
    plan = _tiled(opened, plan, output, tiles, memory, progress)
    if not plan.geometry.fields.fixed:
        progress.info(
            Phrase(
                "Tiles of {tile} x {plan_tile} outputs, {memory} MB.",
                tile=plan.tile[0],
                plan_tile=plan.tile[1],
                memory=memory.memory // MB,
            )
        )
    release()
    return plan


def plan_points(
    opened: OpenModel,
    output: TileOutput,
    tiles: TilingSettings,
    memory: MemoryBudget,
    progress: Progress,
    accept: Callable[[int], None] = lambda bands: None,
) -> RunPlan:
    """Return the plan by which single outputs are computed as a run over all of them would; see `plan_run`.

    Patches are computed one by one, since those between are not wanted.
    """
    plan = _first_plan(opened, opened.geometry.grid.box, output, accept)
    if plan.way is None:
        return _tiled(opened, plan, output, tiles, memory, progress)
    computer = plan.computer(opened, output)
    way = one_by_one(
        plan.geometry, opened.compute, lambda part: computer.read(part, masked=False).images, memory.planned
    )
    return replace(plan, way=way)


def _first_plan(opened: OpenModel, box: Box, output: TileOutput, accept: Callable[[int], None]) -> RunPlan:
    """Return a plan of one tile, once the model has computed a small piece."""
    way = None if opened.geometry.fields.fullyconv else PatchWay()
    plan = RunPlan(opened.geometry, box, 0, way, (box.width, box.height))
    bands = plan.computer(opened, replace(output, finish=None)).first_piece(box).shape[-1]
    accept(bands)
    return replace(plan, bands=bands)


def _chosen_way(opened: OpenModel, computer: TileComputer, memory: MemoryBudget, progress: Progress) -> PatchWay:
    def read(box: Box) -> list[np.ndarray]:
        return computer.read(box, masked=False).images

    trials = PatchTrials(opened.geometry, opened.compute, opened.probed_compute(), opened.sources, read, progress.check)
    return trials.choose(memory.planned, progress, opened.loaded.bytes <= LARGEST_REBUILT)


def _tiled(
    opened: OpenModel,
    plan: RunPlan,
    output: TileOutput,
    given: TilingSettings,
    memory: MemoryBudget,
    progress: Progress,
) -> RunPlan:
    """Return the plan with its tiles and their margins, after measuring what computing takes."""
    costs = TileCosts(
        opened.sources,
        plan.geometry,
        plan.box,
        max(plan.bands, output.finish.bands if output.finish else 0),
        opened.compute.dtype_name,
        output.dtype,
        plan.way is None or plan.way.period is not None,
    )
    rate = None if plan.geometry.fields.fixed else _rate(opened, plan, output, memory.planned)
    geometry, tile = plan_tiles(opened, costs, given, memory.planned, rate, progress)
    plan = replace(plan, geometry=geometry, tile=tile)
    weights = Phrase(", weights as constants") if rate and _frozen(opened, plan, output, rate) else ""
    ways = dict.fromkeys(source.stack.way for source in opened.sources)
    share = overlap(replace(costs, geometry=geometry), *tile)
    progress.info(
        Phrase(
            "Chosen: read {ways}; computed on {computing}{weights}; {share:.1%} more pixels computed because tiles "
            "overlap.",
            ways=Phrase(" and ").join(ways),
            computing=opened.loaded.model.computed_by or computing(opened.device),
            weights=weights,
            share=share,
        )
    )
    return plan


def _rate(opened: OpenModel, plan: RunPlan, output: TileOutput, memory: int) -> Rate:
    """Return what computing takes, measured now or by an earlier run."""

    def measured() -> Rate:
        return measured_rate(plan.computer(opened, output), plan.way, plan.box, memory)

    if output.finish is not None:  # what comes after the model is not the model's
        return measured()
    largest = piece_size(plan.geometry, TRIALS[-1], plan.box.width, plan.box.height)
    return opened.loaded.once((opened.key, plan.geometry.fields, largest, plan.way, memory), measured)


def _frozen(opened: OpenModel, plan: RunPlan, output: TileOutput, rate: Rate) -> bool:
    """Make the model's weights constants if this saves time and changes no bit of the output; return whether they are."""
    if plan.way is not None and plan.way.in_one_go:
        return True
    loaded, computer = opened.loaded, plan.computer(opened, output)
    loaded.seconds += rate.seconds * computed_with(plan.geometry, plan.box).area
    pays = loaded.seconds >= FREEZING_PAYS + loaded.bytes / MB * FREEZING_PAYS_PER_MB
    if not pays or loaded.bytes > LARGEST_FROZEN or on_gpu(opened.device):
        return False
    trial = partial(trial_values, computer, plan.way, rate.side)
    try:
        return opened.probed_compute().freeze(trial) and opened.compute.freeze(trial)
    except ModelError:  # what numbers of classes are made of may have another size
        return False
