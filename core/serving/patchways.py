"""How the outputs of patches are computed: one by one, or as whole regions if these give the same values.

Regions give the values of patches for networks of convolutions and pooling without padding. They do not where something
looks at the whole patch: padding, pooling over what there is, statistics. No rule on layers tells; so both ways are
tried on parts of the actual input, and on pixels of it put together so that the outputs vary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from ..base.progress import Progress
from ..errors import ModelError
from ..geometry.grid import Box
from ..phrases import Phrase
from ..probing.appliedgeometry import ServingGeometry
from ..probing.compute import Compute
from ..probing.geometryresolver import drawn_sample
from ..probing.shiftgraph import NoShiftGraph
from ..probing.sources import OpenSource
from ..probing.tilemargins import TOLERANCE, relative_difference
from ..probing.trialpixels import KINDS, part
from .patchwise import TRIAL_BATCH, TRIED, Patchwise, fitting_batch
from .shiftandstitch import Period, ShiftAndStitch, source_ratio
from .stitchedpatches import ENOUGH_OUTPUTS, StitchedPatches

COMPARED = 5
"""Most outputs of a region, along each side, that are compared with those of patches."""

ENOUGH = 2
"""Number of trials in which the outputs must vary."""

Read = Callable[[Box], "list[np.ndarray]"]
"""Reads, for outputs, the pixels of each source."""


@dataclass(frozen=True)
class PatchWay:
    """How the outputs of patches are computed.

    Attributes:
        batch: patches that are computed at a time, where they are computed one by one.
        period: by how much a region must grow for a further output, where regions are shifted and stitched; None for
            one by one.
        in_one_go: whether all shifted regions are computed in one call, by the model's shift graph.
    """

    batch: int = TRIAL_BATCH
    period: Period | None = None
    in_one_go: bool = False

    @property
    def largest_batch(self) -> float:
        """The most outputs that are computed at a time."""
        return math.inf if self.period else self.batch

    def bind(self, geometry: ServingGeometry, compute: Compute) -> Patchwise | ShiftAndStitch | StitchedPatches:
        """Return what computes outputs in this way."""
        if self.period is None:
            return Patchwise(geometry, compute, self.batch)
        if self.in_one_go:
            return StitchedPatches(geometry, compute, self.period.pixels)
        return ShiftAndStitch(geometry, compute, self.period)


class _Unproven(Exception):
    """Regions do not give the values of patches, or trials cannot prove it; the message gives the reason."""


@dataclass(frozen=True)
class PatchTrials:
    """Tries in which ways the outputs of patches can be computed.

    Attributes:
        geometry: of patches.
        compute: calls the model.
        probed: calls it for the values that numbers of classes are made of; `compute` where there are none.
        sources: for samples of their values.
        read: reads any part of the whole output.
        check: called between trials; raises to stop.
    """

    geometry: ServingGeometry
    compute: Compute
    probed: Compute
    sources: Sequence[OpenSource]
    read: Read
    check: Callable[[], None]

    def choose(self, memory: float, progress: Progress, rebuilding: bool = True) -> PatchWay:
        """Return how patches are computed: as whole regions if these give the same values in trials.

        Args:
            memory: bytes for images and computation.
            progress: told which way, and why.
            rebuilding: whether the model may be built anew to compute all regions in one go.
        """
        try:
            shifts = self._proven()
        except _Unproven as why:
            way = one_by_one(self.geometry, self.compute, self.read, memory)
            progress.info(
                Phrase("Patches are computed one by one, in batches of {batch}: {why}.", batch=way.batch, why=why)
            )
            return way
        large = self.geometry.x.size * self.geometry.y.size >= ENOUGH_OUTPUTS
        in_one_go = rebuilding and large and self._proven_in_one_go(shifts)
        progress.info(
            Phrase(
                "Patches are computed together, as whole regions from {shifts} x {shifts} origins{in_one_step}: "
                "trials on the images gave the same values.",
                shifts=shifts.shifts,
                in_one_step=Phrase(" in one step") if in_one_go else "",
            )
        )
        return PatchWay(period=shifts.period, in_one_go=in_one_go)

    def _samples(self) -> list[np.ndarray]:
        return [drawn_sample(source, source.dtype.name) for source in self.sources]

    def _calls(self) -> list[Compute]:
        """What calls the model, for all outputs that are compared; for those of the run last."""
        return list(dict.fromkeys((self.probed, self.compute)))

    def _proven_in_one_go(self, shifts: ShiftAndStitch) -> bool:
        """Return whether all shifted regions can be computed in one step with the values of patches, according to trials."""
        if shifts.pixels != shifts.shifts:  # outputs and pixels are not equally far apart
            return False
        samples = self._samples()
        try:
            ways = [
                (Patchwise(self.geometry, call), StitchedPatches(self.geometry, call, shifts.shifts))
                for call in self._calls()
            ]
            for box, images in _places(self.geometry, shifts, samples, self.read):
                self.check()
                for patches, stitched in ways:
                    found = stitched(box, images)
                    columns, rows = _spread(found.shape[1]), _spread(found.shape[0])
                    expected = patches.at([box.x + x for x in columns], [box.y + y for y in rows], box, images)
                    _check_equal(expected, found[np.ix_(rows, columns)])
        except (NoShiftGraph, _Unproven, ModelError, tf.errors.OpError):
            return False
        return True

    def _proven(self) -> ShiftAndStitch:
        """Return whole regions at shifted origins, once trials have shown that they give the values of patches.

        Raises:
            _Unproven: they do not.
        """
        if not self.compute.takes_regions:
            raise _Unproven(Phrase("the model fixes the size of its input"))
        samples = self._samples()
        period = _find_period(self.geometry, self.compute, samples)
        shifts = ShiftAndStitch(self.geometry, self.compute, period)
        if shifts.pixels**2 > math.prod(self.geometry.fields.rfield(0)):
            raise _Unproven(Phrase("they hardly overlap"))
        if not shifts.even():
            raise _Unproven(Phrase("the pixel grids of the sources are not aligned"))
        ways = [(Patchwise(self.geometry, call), ShiftAndStitch(self.geometry, call, period)) for call in self._calls()]
        varied = 0
        for box, images in _places(self.geometry, shifts, samples, self.read):
            self.check()
            try:
                varied += sum(_compared(*way, box, images) for way in ways)
            except ModelError as error:
                raise _Unproven(
                    Phrase("the model does not accept regions in place of patches ({reason})", reason=error.message)
                ) from error
        if varied < ENOUGH:
            raise _Unproven(Phrase("the outputs hardly vary in trials, so the trials are not conclusive"))
        return shifts


def one_by_one(geometry: ServingGeometry, compute: Compute, read: Read, memory: float) -> PatchWay:
    """Return the way of single patches, in batches as large as the memory allows.

    Args:
        geometry: of patches.
        compute: calls the model.
        read: reads any part of the whole output.
        memory: bytes for images and computation.
    """
    width, height = min(TRIED, geometry.x.size), min(TRIED, geometry.y.size)
    box = Box((geometry.x.size - width) // 2, (geometry.y.size - height) // 2, width, height)
    return PatchWay(fitting_batch(geometry, compute, memory, box, read(box)))


def _find_period(geometry: ServingGeometry, compute: Compute, samples: Sequence[np.ndarray]) -> Period:
    """Return by how much regions must grow, from what the model returns for larger and larger ones."""
    sources = range(len(samples))
    ratios = [(source_ratio(geometry.x, number), source_ratio(geometry.y, number)) for number in sources]
    unit = math.lcm(*(ratio.denominator for pair in ratios for ratio in pair))
    largest = math.isqrt(math.prod(geometry.fields.rfield(0)))  # further apart, patches do not overlap

    def outputs(more: int) -> int:
        """Return the outputs along each side for a region that is so much larger than a patch; 0 where it is refused."""
        images = []
        for number, sample in enumerate(samples):
            size = [int(f + more * r) for f, r in zip(geometry.fields.rfield(number), ratios[number])]
            images.append(part(sample, 0, *size))
        try:
            sides = {_side(array) for array in compute.one([image[None] for image in images])}
        except ModelError:
            return 0
        return sides.pop() if len(sides) == 1 else 0

    most = outputs(2 * unit * largest)
    if most < 2:
        raise _Unproven(
            Phrase("the model returns one output for an image of any size")
            if most
            else Phrase("the model accepts no larger images")
        )
    steps: list[tuple[int, int]] = []  # sizes from which on there are more outputs
    before = 1
    for pixels in range(unit, 2 * largest + 1, unit):
        found = outputs(pixels)
        if found > before:
            steps.append((pixels, found))
            before = found
        if len(steps) == 2:
            period = Period(steps[1][0] - steps[0][0], steps[1][1] - steps[0][1])
            if outputs(steps[1][0] + period.pixels) == found + period.outputs:
                return period
            break
    raise _Unproven(Phrase("the output size is not proportional to the image size"))


def _side(array: np.ndarray) -> int:
    """Return the outputs along each side of a square region's; 0 where it gave no square."""
    if array.ndim >= 3:
        return array.shape[1] if array.shape[1] == array.shape[2] else 0
    side = math.isqrt(len(array))
    return side if side * side == len(array) else 0


def _places(
    geometry: ServingGeometry, shifts: ShiftAndStitch, samples: Sequence[np.ndarray], read: Read
) -> Iterator[tuple[Box, list[np.ndarray]]]:
    """Yield outputs and pixels of each source for them: made of the sources' values, then parts of the sources.

    Parts are the same for each part of a run (OUT_BOX), so that all parts are computed the same way.
    """
    field = max(geometry.fields.rfield(0))
    count = math.ceil(2 * field / shifts.pixels) + 2
    side = (count - 1) * shifts.shifts + 1
    for place, make in enumerate(KINDS.values()):
        box = Box(place % shifts.shifts, place // 2 % shifts.shifts, side, side + shifts.shifts)
        regions = [geometry.region(number, box) for number in range(len(samples))]
        yield box, [part(make(sample), 7 * place, r.width, r.height) for sample, r in zip(samples, regions)]
    width, height = (
        (min(count, (size - 1) // shifts.shifts + 1) - 1) * shifts.shifts + 1
        for size in (geometry.x.size, geometry.y.size)
    )
    for across, down in ((2, 2), (0, 0), (4, 0), (0, 4), (4, 4), (1, 3), (3, 1)):
        box = Box((geometry.x.size - width) * across // 4, (geometry.y.size - height) * down // 4, width, height)
        yield box, read(box)


def _compared(patches: Patchwise, shifts: ShiftAndStitch, box: Box, images: Sequence[np.ndarray]) -> bool:
    """Compare one region's outputs with those of patches; return whether they vary, so that they can prove anything.

    Raises:
        _Unproven: they differ.
    """
    columns, rows = range(box.x, box.right, shifts.shifts), range(box.y, box.bottom, shifts.shifts)
    across, down = _spread(len(columns)), _spread(len(rows))
    expected = patches.at([columns[i] for i in across], [rows[i] for i in down], box, images)
    found = shifts.at(columns, rows, box, images)[np.ix_(down, across)]
    _check_equal(expected, found)
    with np.errstate(invalid="ignore"):
        return bool((np.isfinite(expected) & (expected != expected[:1, :1])).any())


def _spread(count: int) -> np.ndarray:
    """Return the numbers of a few of `count` outputs, from the first to the last."""
    return np.unique(np.linspace(0, count - 1, COMPARED).round().astype(int))


def _check_equal(expected: np.ndarray, found: np.ndarray) -> None:
    difference = relative_difference(expected, found)
    if difference > (0.0 if expected.dtype.kind in "iub" else TOLERANCE):
        raise _Unproven(
            Phrase("whole regions give other values (they differ by {difference:.2g})", difference=difference)
        )
