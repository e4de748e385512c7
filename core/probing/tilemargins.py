"""The tile margins of a model, found by probing: its stride, and the outputs at an edge that depend on pixels outside.

One square block of the input is replaced by NaN and by very large values; the outputs that change are
those that see it. A model that is shifted by its stride returns shifted outputs. It is evidence from
values of the actual input, not proof, so `find_tile_margins` ends by comparing a region alone with the same
region inside a larger one.

"same" padding of an even number of pixels falls elsewhere than that of an odd number. Regions that are
served differ in size by multiples of the stride, so margins are measured on such sizes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..errors import ModelError
from ..models import wholereasons
from .sizelaw import STEPS, AxisSizeLaw, Probe, SizeLaw

AMPLITUDES = (1e3, 1e9, 1e18)
"""How large the planted values are, in deviations of the sample: one of them survives many small weights
without being lost among the others, or in a saturated activation. NaN passes all weights, but not every pooling."""

TOLERANCE = 1e-5
"""Relative difference up to which values are equal."""

SIDES = (64, 128, 256, 512, 1024)
"""Sides of the squares, in pixels of the first source, on which a model is probed until one is large enough."""

BLIND_STRIDE = 32
"""The stride of a model whose outputs do not vary, which hides it: that of most encoders, or a multiple."""


Size = tuple[int, int]
"""Width and height in pixels of the first source."""


@dataclass(frozen=True)
class TileMargins:
    """Stride and tile margins of a model.

    Attributes:
        whole: True where every output depends on the whole image, as far as could be seen.
        stride: pixels of the first source by which regions must be moved for values to stay the same.
        margin_x, margin_y: outputs at the start and end of a region that depend on what lies outside.
        reason: for `whole`, why.
    """

    whole: bool
    stride: int = 1
    margin_x: tuple[int, int] = (0, 0)
    margin_y: tuple[int, int] = (0, 0)
    reason: str = ""


def find_tile_margins(
    probe: Probe, law: SizeLaw, affordable: Callable[[int], bool], whole: tuple[int, int] | None = None
) -> TileMargins:
    """Return the tile margins of a model.

    Args:
        probe: calls the model.
        law: what it does to sizes; not of patches.
        affordable: whether a square of so many pixels fits the memory.
        whole: width and height, in pixels of the first source, of the region that holds the whole image;
            margins are right for regions that differ from it by multiples of the stride.
    """
    x, y = law.x, law.y
    assert x is not None and y is not None  # nosec B101 (tells mypy)
    stride, reason, sides = None, "", probed_sides(probe)
    for side in sides:
        if x.fixed or y.fixed:
            size = x.rfield, y.rfield
            if side > max(sides[0], *size):
                break
        else:
            pixels = accepted_size(probe, x, side)
            if pixels is None or not affordable(pixels):
                reason = reason or wholereasons.too_large(side)
                break
            size = pixels, pixels
        if _spreads(probe, size):
            reason = wholereasons.beyond(side // 2)
            continue
        stride = stride or _stride(probe, x, size)
        if stride is None:
            reason = wholereasons.no_stride(min(STEPS[-1], min(size) // 4))
            continue
        if not x.fixed and whole:
            size = _congruent(probe, x, size[0], whole[0], stride), _congruent(probe, y, size[1], whole[1], stride)
        margins = _margins(probe, x, y, size, stride)
        if margins is None:
            reason = wholereasons.beyond(side // 2)
            continue
        found = TileMargins(False, stride, *margins)
        difference = _difference(probe, x, y, size, found)
        if difference <= TOLERANCE:
            return found
        if difference < math.inf:
            reason, stride = wholereasons.differing(difference), None
        else:
            reason = wholereasons.wide_edge(max(*found.margin_x, *found.margin_y))
    return TileMargins(True, reason=reason)


def probed_sides(probe: Probe) -> tuple[int, ...]:
    """Return the sides of the squares on which a model is probed, in pixels of the first source."""
    return (*probe.small_sides, *SIDES)


def accepted_size(probe: Probe, law: AxisSizeLaw, side: int) -> int | None:
    """Return the accepted size next to `side` for which the law holds; None where there is none."""
    jump = _jump(law)
    size = law.rfield + -(-max(0, side - law.rfield) // jump) * jump
    return size if probe.size(size) else None


def _jump(law: AxisSizeLaw) -> int:
    """Step of the accepted sizes for which the law holds."""
    return math.lcm(law.lattice, law.scale.numerator)


def _congruent(probe: Probe, law: AxisSizeLaw, size: int, whole: int, stride: int) -> int:
    """Return the accepted size from `size` that differs from `whole` by a multiple of the stride; `size` if none does."""
    return next(
        (n for n in range(size, size + stride, _jump(law)) if (n - whole) % stride == 0 and probe.size(n)), size
    )


def _spreads(probe: Probe, size: Size) -> bool:
    """Return whether one pixel in the middle changes the outputs up to an edge: then the square is too small."""
    images = probe.images(size)
    base = probe.outputs(images)
    changed = _changed(probe, images, base, 0, [pixels // 2 for pixels in size], 1, most=1)
    return _reaches_edge(changed.any(axis=0)) or _reaches_edge(changed.any(axis=1))


def _reaches_edge(seen: np.ndarray) -> bool:
    return bool(seen[0] or seen[-1])


def _stride(probe: Probe, law: AxisSizeLaw, size: Size) -> int | None:
    """Return the smallest shift in pixels that leaves the middle of the outputs as it is, shifted."""
    unit = math.lcm(probe.unit, law.scale.numerator)
    first, inner, kind = np.empty(0), (slice(0), slice(0)), "drawn"
    for kind in ("drawn", "rough"):
        first = probe.outputs(probe.images(size, kind=kind))
        inner = _middle(first.shape[0]), _middle(first.shape[1])
        if _varies(first[inner]):
            break
    else:
        return math.lcm(unit, BLIND_STRIDE)
    for factor in STEPS:
        shift = factor * unit
        moved = int(shift / law.scale)
        if shift > min(size) // 4:
            return None
        second = probe.outputs(probe.images(size, shift, kind))
        rows, columns = (slice(part.start - moved, part.stop - moved) for part in inner)
        if rows.start < 0 or columns.start < 0:
            return None
        if relative_difference(first[inner], second[rows, columns]) <= TOLERANCE:
            return shift
    return None


def _middle(outputs: int) -> slice:
    start = outputs * 7 // 16
    return slice(start, max(start + 1, outputs * 9 // 16))


def _varies(values: np.ndarray) -> bool:
    """Return whether values of shape (height, width, bands) differ between pixels, so that a shift changes them."""
    if values.shape[0] * values.shape[1] == 1:
        return bool(np.isfinite(values).any())
    with np.errstate(invalid="ignore"):
        return bool((np.isfinite(values) & (values != values[:1, :1])).any())


def relative_difference(one: np.ndarray, two: np.ndarray) -> float:
    """Return the largest difference of two arrays, relative to the largest magnitude of `one`; NaN equals NaN."""
    if one.size == 0:
        return 0.0
    nan = np.isnan(one) & np.isnan(two)
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs(one.astype(np.result_type(one, "float64")) - two)
    difference[nan | (one == two)] = 0.0
    largest = np.nanmax(np.abs(np.where(np.isfinite(one), one, 0.0)), initial=0.0)
    worst = float(np.max(np.where(np.isnan(difference), np.inf, difference)))
    return worst / (float(largest) or 1.0)


def _margins(
    probe: Probe, x: AxisSizeLaw, y: AxisSizeLaw, size: Size, stride: int
) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Return the margins along x and y; None where a planted block reaches an edge of the outputs."""
    images = probe.images(size)
    base = probe.outputs(images)
    # What lies before a region ends at a multiple of the stride, what lies behind it begins so many from the end.
    halves = [pixels // 2 // stride * stride for pixels in size]
    if min(halves) == 0:
        return None
    ends = [pixels - half for pixels, half in zip(size, halves)]
    starts = [half - stride if end % stride else end for end, half in zip(ends, halves)]
    before, behind = np.zeros((2, *base.shape[:2]), bool)
    for source, (ratio, offset) in enumerate(zip(probe.ratios, probe.offsets)):
        side = math.ceil(stride * ratio)
        # Regions of a source that is larger or smaller than its share of the ground end so much further or earlier.
        first, last = [int(start * ratio) for start in starts], [int(end * ratio) + offset for end in ends]
        changed = _changed(probe, images, base, source, first, side)
        before |= changed
        behind |= changed if first == last else _changed(probe, images, base, source, last, side)
    margins = []
    for axis, law in ((1, x), (0, y)):
        after, ahead = before.any(axis=1 - axis), behind.any(axis=1 - axis)
        if _reaches_edge(after) or _reaches_edge(ahead):
            return None
        half, start = halves[1 - axis], starts[1 - axis]
        left = int(np.flatnonzero(after)[-1]) + 1 - (start + stride) / law.scale if after.any() else 0
        right = len(ahead) - half / law.scale - int(np.flatnonzero(ahead)[0]) if ahead.any() else 0
        margins.append((max(0, math.ceil(left)), max(0, math.ceil(right))))
    return margins[0], margins[1]


def _changed(
    probe: Probe, images: list[np.ndarray], base: np.ndarray, source: int, corner: list[int], side: int, most: int = 9
) -> np.ndarray:
    """Return which outputs change when the square of `side` pixels of one source at `corner` (x, y) is replaced."""
    changed = np.zeros(base.shape[:2], bool)
    columns, rows = (slice(max(0, start), max(0, start + side)) for start in corner)
    for block in itertools.islice(planted(images[source], rows, columns), most):
        image = images[source].copy()
        image[rows, columns] = block
        try:
            values = probe.outputs([image if number == source else other for number, other in enumerate(images)])
        except ModelError:  # a model may refuse values that its input never has
            continue
        changed |= ~((values == base) | (np.isnan(values) & np.isnan(base))).all(axis=2)
    return changed


def planted(image: np.ndarray, rows: slice, columns: slice) -> Iterator[np.ndarray]:
    """Yield what is planted in a part of an image: values that it never has, then other pixels of it."""
    generator = np.random.default_rng(0)
    block = image[rows, columns]
    height, width = block.shape[:2]
    if image.dtype.kind == "b":
        yield ~block
    elif image.dtype.kind in "iu":
        info = np.iinfo(image.dtype)
        for _ in AMPLITUDES:
            yield generator.integers(info.min, info.max, block.shape, dtype=image.dtype, endpoint=True)
    else:
        yield np.full_like(block, np.nan)
        spread = float(np.std(image.astype("float64"))) or 1.0
        limit = float(np.finfo(image.dtype).max) / 1e3
        for amplitude in AMPLITUDES:
            yield generator.choice([-1.0, 1.0], block.shape) * min(spread * amplitude, limit)
    yield image[
        generator.integers(0, len(image), (height, width)), generator.integers(0, image.shape[1], (height, width))
    ]


def _difference(probe: Probe, x: AxisSizeLaw, y: AxisSizeLaw, size: Size, margins: TileMargins) -> float:
    """Compare a region alone with the same region inside a larger one, without the margins.

    The larger one starts one stride before, so that too small a stride shows. Infinite where they share nothing.
    """
    shift = math.lcm(margins.stride, _jump(x), _jump(y)) if not x.fixed else margins.stride
    more = 0 if x.fixed else shift * max(2, min(size) // 4 // shift)
    one, two = probe.outputs(probe.images(size, shift)), probe.outputs(probe.images((size[0] + more, size[1] + more)))
    return _overlap_difference(one, two, shift, x, y, margins)


def _overlap_difference(
    one: np.ndarray, two: np.ndarray, shift: int, x: AxisSizeLaw, y: AxisSizeLaw, margins: TileMargins
) -> float:
    """Compare the outputs `one` of a region that starts `shift` pixels into that of `two`."""
    parts_one, parts_two = [], []
    for axis, law, margin in ((0, y, margins.margin_y), (1, x, margins.margin_x)):
        moved = int(shift / law.scale)
        start = margin[0]
        stop = min(one.shape[axis] - margin[1], two.shape[axis] - moved - (margin[1] if law.fixed else 0))
        if stop <= start:
            return math.inf
        parts_one.append(slice(start, stop))
        parts_two.append(slice(start + moved, stop + moved))
    return relative_difference(one[tuple(parts_one)], two[tuple(parts_two)])
