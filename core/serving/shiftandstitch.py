"""Patches without recomputation: a model that takes larger images is applied to whole regions.

For a region of r + (n-1)*s pixels, a model of patches of r pixels and of total stride s returns n outputs: those of
the patches that start s pixels apart. So the outputs at every pixel are those of s x s regions, each one pixel further,
interleaved. What neighbouring patches share is computed once for each region, not once for each patch.

That holds for networks of convolutions and pooling without padding. It does not where something looks at the whole
patch: padding, pooling over what there is, statistics. No rule on layers tells; so both ways are tried on parts of the
actual input, and on pixels of it put together so that the outputs vary.
"""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import tensorflow as tf

from ..base.progress import Progress
from ..errors import ModelError
from ..geometry.fields import LARGEST_DENOMINATOR, ServingAxis
from ..geometry.grid import Box
from ..probing.appliedgeometry import ServingGeometry
from ..probing.compute import Compute
from ..probing.geometryresolver import drawn_sample
from ..probing.shiftgraph import NoShiftGraph
from ..probing.sources import OpenSource
from ..probing.tilemargins import TOLERANCE, relative_difference
from ..probing.trialpixels import KINDS, part
from .patchwise import TRIED, Patchwise
from .stitchedpatches import ENOUGH_OUTPUTS, StitchedPatches

COMPARED = 5
"""Most outputs of a region, along each side, that are compared with those of patches."""

UNDER_WAY = 2
"""How many regions are cut, computed and interleaved at a time."""

ENOUGH = 2
"""In how many trials the outputs must vary."""

Read = Callable[[Box], "list[np.ndarray]"]
"""Reads, for outputs, the pixels of each source."""


@dataclass(frozen=True)
class Period:
    """By how much a region must grow for the model to return the output of a further patch.

    Attributes:
        pixels: of the first source.
        outputs: that the model returns more; those between are of no patch where the second of these is above 1.
    """

    pixels: int
    outputs: int = 1


class ShiftAndStitch:
    """The outputs of patches, computed as whole regions at shifted origins.

    Attributes:
        shifts: origins along each axis.
        batch: how many outputs are computed at a time: all of a tile.
    """

    batch = math.inf

    def __init__(self, geometry: ServingGeometry, compute: Compute, period: Period) -> None:
        self._geometry, self._compute = geometry, compute
        self._starts = Patchwise(geometry, compute).starts
        apart = period.pixels / geometry.fields.x.scale
        self.shifts = apart.numerator
        self._take = period.outputs * apart.denominator

    @property
    def pixels(self) -> Fraction:
        """Pixels of the first source between two outputs of one region."""
        return self.shifts * self._geometry.fields.x.scale

    def by(self, compute: Compute) -> ShiftAndStitch:
        """Return the same, computed by another call of the model."""
        other = copy.copy(self)
        other._compute = compute
        return other

    def __call__(self, box: Box, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return the values of the outputs in `box`; see `Patchwise`.

        Two regions are under way at a time: one is cut out, and what it gives interleaved, while the other is computed.
        """
        values: np.ndarray | None = None
        making = threading.Lock()

        def shifted(top: int, left: int) -> None:
            nonlocal values
            columns = range(box.x + left, box.right, self.shifts)
            rows = range(box.y + top, box.bottom, self.shifts)
            found = self.at(columns, rows, box, images)
            with making:
                if values is None:
                    values = np.empty((box.height, box.width, found.shape[-1]), found.dtype)
            values[top :: self.shifts, left :: self.shifts] = found

        tops, lefts = range(min(self.shifts, box.height)), range(min(self.shifts, box.width))
        with ThreadPoolExecutor(UNDER_WAY) as pool:
            try:
                for one in [pool.submit(shifted, top, left) for top in tops for left in lefts]:
                    one.result()
            finally:
                pool.shutdown(cancel_futures=True)
        assert values is not None  # nosec B101 (tells mypy)
        return values

    def at(self, columns: range, rows: range, box: Box, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return the values of the outputs where columns and rows of `box` cross, each of them `shifts` apart."""
        regions = []
        for number, image in enumerate(images):
            width, height = self._geometry.fields.rfield(number)
            xs, ys = self._starts(number, [columns[0], columns[-1]], [rows[0], rows[-1]], box)
            regions.append(image[ys[0] : ys[1] + height, xs[0] : xs[1] + width])
        outputs = ((len(line) - 1) * self._take + 1 for line in (columns, rows))
        return self._compute.region(regions, *outputs)[:: self._take, :: self._take]

    def even(self) -> bool:
        """Return whether the patches of each source lie evenly apart, as a region has them."""
        for axis in (self._geometry.x, self._geometry.y):
            for source in range(len(axis.axes)):
                starts = np.array([axis.patch_start(source, index) for index in range(axis.size)])
                apart = self.pixels * _ratio(axis, source)
                if apart.denominator > 1 or (starts[self.shifts :] - starts[: -self.shifts] != int(apart)).any():
                    return False
        return True


class _Unproven(Exception):
    """Regions do not give the values of patches, or that cannot be shown; the message says why."""


def choose_way(
    geometry: ServingGeometry,
    compute: Compute,
    probed: Compute,
    sources: Sequence[OpenSource],
    read: Read,
    memory: float,
    progress: Progress,
    rebuilding: bool = True,
) -> Patchwise | ShiftAndStitch | StitchedPatches:
    """Return how patches are computed: as whole regions where trials show that they give the same values.

    Args:
        geometry: the geometry, of patches.
        compute: calls the model.
        probed: calls it for the values that numbers of classes are made of; `compute` where there are none.
        sources: for samples of their values.
        read: reads any part of the whole output.
        memory: bytes for images and computation.
        progress: told which way, and why.
        rebuilding: whether the model may be built anew to compute all regions in one go.
    """
    try:
        shifts = _proven(geometry, compute, probed, sources, read, progress)
    except _Unproven as why:
        patches = Patchwise(geometry, compute)
        width, height = min(TRIED, geometry.x.size), min(TRIED, geometry.y.size)
        box = Box((geometry.x.size - width) // 2, (geometry.y.size - height) // 2, width, height)
        patches.fit(memory, box, read(box))
        progress.info(f"Patches are computed one by one, in batches of {patches.batch}: {why}.")
        return patches
    origins = f"whole regions from {shifts.shifts} x {shifts.shifts} origins"
    if rebuilding and geometry.x.size * geometry.y.size >= ENOUGH_OUTPUTS:
        try:
            stitched = _in_one_go(geometry, compute, probed, shifts, sources, read, progress)
        except (NoShiftGraph, _Unproven):
            pass
        else:
            progress.info(
                f"Patches are computed together, as {origins} in one go: that gives the same values, as trials on the "
                "images show."
            )
            return stitched
    progress.info(
        f"Patches are computed together, as {origins}: that gives the same values, as trials on the images show."
    )
    return shifts


def _in_one_go(
    geometry: ServingGeometry,
    compute: Compute,
    probed: Compute,
    shifts: ShiftAndStitch,
    sources: Sequence[OpenSource],
    read: Read,
    progress: Progress,
) -> StitchedPatches:
    """Return all shifted regions computed in one go, once trials have shown that this gives the values of patches."""
    if shifts.pixels != shifts.shifts:
        raise NoShiftGraph("outputs and pixels are not equally far apart")
    samples = [drawn_sample(source, source.stack.dtype.name) for source in sources]
    ways = [
        (Patchwise(geometry, each), StitchedPatches(geometry, each, shifts.shifts))
        for each in dict.fromkeys((probed, compute))
    ]
    for box, images in _places(geometry, shifts, samples, read):
        progress.check()
        try:
            for patches, stitched in ways:
                found = stitched(box, images)
                columns, rows = _spread(found.shape[1]), _spread(found.shape[0])
                expected = patches.at([box.x + x for x in columns], [box.y + y for y in rows], box, images)
                _check_equal(expected, found[np.ix_(rows, columns)])
        except (ModelError, tf.errors.OpError) as error:
            raise _Unproven(str(error)) from error
    return ways[-1][1]


def _proven(
    geometry: ServingGeometry,
    compute: Compute,
    probed: Compute,
    sources: Sequence[OpenSource],
    read: Read,
    progress: Progress,
) -> ShiftAndStitch:
    if not compute.takes_regions:
        raise _Unproven("the model fixes the size of its input")
    samples = [drawn_sample(source, source.stack.dtype.name) for source in sources]
    period = _find_period(geometry, compute, samples)
    shifts = ShiftAndStitch(geometry, compute, period)
    if shifts.pixels**2 > math.prod(geometry.fields.rfield(0)):
        raise _Unproven("they hardly overlap")
    if not shifts.even():
        raise _Unproven("the pixels of the sources do not lie evenly to each other")
    ways = [
        (Patchwise(geometry, each), ShiftAndStitch(geometry, each, period)) for each in dict.fromkeys((probed, compute))
    ]
    varied = 0
    for box, images in _places(geometry, shifts, samples, read):
        progress.check()
        try:
            varied += sum(_compared(*way, box, images) for way in ways)
        except ModelError as error:
            raise _Unproven(f"the model does not take regions as it takes patches ({error})") from error
    if varied < ENOUGH:
        raise _Unproven("the outputs hardly vary in trials, so these show nothing")
    return shifts


def _ratio(axis: ServingAxis, source: int) -> Fraction:
    """Return the pixels of a source per pixel of the first."""
    return Fraction(axis.axes[0].spacing / axis.axes[source].spacing).limit_denominator(LARGEST_DENOMINATOR)


def _find_period(geometry: ServingGeometry, compute: Compute, samples: Sequence[np.ndarray]) -> Period:
    """Return by how much regions must grow, from what the model returns for larger and larger ones."""
    sources = range(len(samples))
    ratios = [(_ratio(geometry.x, number), _ratio(geometry.y, number)) for number in sources]
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
            "the model returns one output for an image of any size" if most else "the model takes no larger images"
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
    raise _Unproven("the model's outputs do not grow evenly with the image")


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
    """Compare one region's outputs with those of patches; return whether they vary, so that a difference would show.

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
    """Return the numbers of a few of so many outputs, from the first to the last."""
    return np.unique(np.linspace(0, count - 1, COMPARED).round().astype(int))


def _check_equal(expected: np.ndarray, found: np.ndarray) -> None:
    difference = relative_difference(expected, found)
    if difference > (0.0 if expected.dtype.kind in "iub" else TOLERANCE):
        raise _Unproven(f"whole regions give other values (they differ by {difference:.2g})")
