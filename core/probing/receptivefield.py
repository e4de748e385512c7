"""The true receptive field: the pixels on which a single output depends, often fewer than the model reads.

Everything on one side of a line is replaced by other values; an output changes where its field reaches
across the line. Moving the line by halves finds the field's edge exactly. The outputs in the middle, one
for every place within the model's stride, are looked at together: their fields may differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from ..errors import ModelError
from .sizelaw import AxisSizeLaw, Probe, SizeLaw
from .tilemargins import accepted_size, planted, probed_sides


@dataclass(frozen=True)
class Reach:
    """The pixels of a source that an output depends on, along one axis.

    Attributes:
        before: pixels before the output's first pixel; negative where the field begins behind it.
        behind: pixels from there on.
    """

    before: int
    behind: int

    @property
    def size(self) -> int:
        """Number of pixels; 0 where the output depends on none."""
        return self.before + self.behind


@dataclass(frozen=True)
class ReceptiveField:
    """The receptive field of one output, along both axes: the largest of those in the middle."""

    x: Reach
    y: Reach


def find_receptive_fields(
    probe: Probe, law: SizeLaw, stride: int, affordable: Callable[[int], bool], check: Callable[[], None]
) -> list[ReceptiveField]:
    """Return the true receptive field in each source.

    Args:
        probe: calls the model.
        law: what it does to sizes; not of patches.
        stride: of the model, in pixels of the first source.
        affordable: whether a square of so many pixels fits the memory.
        check: called between two calls of the model; raises to stop.

    Returns:
        A field per source; none where one reaches the edges of the largest square that is affordable.
    """
    x, y = law.x, law.y
    assert x is not None and y is not None  # nosec B101 (tells mypy)
    if x.fixed or y.fixed:
        sizes: Iterable[tuple[int, int]] = [(x.rfield, y.rfield)]
    else:  # one after the other: larger ones are not tried in vain
        accepted = (accepted_size(probe, x, side) for side in probed_sides(probe) if affordable(side))
        sizes = ((size, size) for size in accepted if size is not None and affordable(size))
    for size in sizes:
        fields = _fields(probe, x, y, size, stride, check)
        if fields:
            return fields
    return []


def _fields(
    probe: Probe, x: AxisSizeLaw, y: AxisSizeLaw, size: tuple[int, int], stride: int, check: Callable[[], None]
) -> list[ReceptiveField]:
    images = probe.images(size)
    base = probe.outputs(images)
    fields = []
    for source in range(len(images)):
        found = []
        for axis, law in ((1, x), (0, y)):
            reach = _Line(probe, images, base, source, axis, law, stride, check).reach()
            if reach is None:
                return []
            found.append(reach)
        fields.append(ReceptiveField(*found))
    return fields


class _Line:
    """The outputs in the middle of one axis, and their receptive fields in one source."""

    def __init__(
        self,
        probe: Probe,
        images: list[np.ndarray],
        base: np.ndarray,
        source: int,
        axis: int,
        law: AxisSizeLaw,
        stride: int,
        check: Callable[[], None],
    ) -> None:
        self._probe, self._images, self._base = probe, images, base
        self._source, self._axis, self._size_law, self._check = source, axis, law, check
        outputs = base.shape[axis]
        self._count = max(1, min(outputs, math.ceil(stride / law.scale)))
        self._first = (outputs - self._count) // 2

    def reach(self) -> Reach | None:
        """Return the largest field; None where one reaches an edge of the image."""
        pixels = self._images[self._source].shape[self._axis]
        starts = self._untouched(pixels, lambda line: slice(0, line))
        ends = pixels - self._untouched(pixels, lambda line: slice(pixels - line, None))
        if (starts == 0).any() or (ends == pixels).any():
            return None
        largest = int(np.argmax(ends - starts))
        if ends[largest] <= starts[largest]:
            return Reach(0, 0)
        ratio = self._probe.ratios[self._source]
        corner = self._size_law.crop * ratio / 2 + self._probe.offsets[self._source] / 2
        place = math.floor(corner + (self._first + largest) * self._size_law.scale * ratio)
        return Reach(place - int(starts[largest]), int(ends[largest]) - place)

    def _untouched(self, pixels: int, part: Callable[[int], slice]) -> np.ndarray:
        """Return for each output how many pixels may be replaced before it changes.

        `part(n)` are the n pixels to replace; an output that changes for n also changes for more. All outputs
        are searched together, since a call of the model answers for each of them.
        """
        low, high = np.zeros(self._count, int), np.full(self._count, pixels + 1)
        while (high - low > 1).any():
            widest = int(np.argmax(high - low))
            line = int(low[widest] + high[widest]) // 2
            seen = self._changed(part(line))
            high = np.where(seen, np.minimum(high, line), high)
            low = np.where(seen, low, np.maximum(low, line))
        return low

    def _changed(self, part: slice) -> np.ndarray:
        """Return which of the outputs depend on a part of the source's rows or columns."""
        rows, columns = (slice(None), part) if self._axis == 1 else (part, slice(None))
        changed = np.zeros(self._base.shape[:2], bool)
        for block in planted(self._images[self._source], rows, columns):
            self._check()
            image = self._images[self._source].copy()
            image[rows, columns] = block
            images = [image if number == self._source else other for number, other in enumerate(self._images)]
            try:
                values = self._probe.outputs(images)
            except ModelError:  # a model may refuse values that its input never has
                continue
            changed |= ~((values == self._base) | (np.isnan(values) & np.isnan(self._base))).all(axis=2)
        seen: np.ndarray = changed.any(axis=1 - self._axis)[self._first : self._first + self._count]
        return seen
