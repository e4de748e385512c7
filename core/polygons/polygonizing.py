"""Polygons of connected pixels, strip by strip: each is handed on, and forgotten, when no pixel can be added to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from .arcs import Arc, Joining
from .borders import lines_of
from .components import NO_CLASS, Components, components_of, joined
from .ranges import groups
from .rings import Side


@dataclass(eq=False)
class Polygon:
    """The connected pixels of one class.

    Attributes:
        code: of the class.
        pixels: number of pixels.
        sums: of the values that came with them, and the number of pixels that had one.
        sides: the arcs around it.
    """

    code: int
    pixels: int = 0
    sums: tuple[float, float] = (0.0, 0.0)
    sides: list[Side] = field(default_factory=list)


@dataclass(frozen=True)
class Strip:
    """Rows of a map.

    Attributes:
        codes: of the pixels, int32 of shape (rows, columns); `NO_CLASS` for those of none.
        values: a value for each, float64, NaN for none; None where there are none.
    """

    codes: np.ndarray
    values: np.ndarray | None = None


_MOST_RUNS = 100_000
"""Runs of equal pixels in the rows that are taken at once. For each, arcs and polygons take about 0.9 kB on noise."""

Prepare = Callable[[Sequence[Arc]], None]
"""Takes the arcs that a strip has completed, before their polygons are handed on."""


def polygons_of(strips: Iterable[Strip], columns: int, prepare: Prepare) -> Iterator[list[Polygon]]:
    """Yield the polygons as they are completed, some at a time; a last row without classes completes all.

    Args:
        strips: the map from north to south.
        columns: its width.
        prepare: sees each arc once.
    """
    growing = _Growing(columns)
    top = 0
    for strip in chain.from_iterable(map(_parts, strips)):
        yield growing.add(strip, top, prepare)
        top += len(strip.codes)
    yield growing.add(Strip(np.full((1, columns), NO_CLASS, "int32")), top, prepare)


def _parts(strip: Strip) -> Iterator[Strip]:
    """Yield a strip in parts of few rows where many runs, as those of noise, would take much more memory than its pixels."""
    runs = 1 + np.count_nonzero(strip.codes[:, 1:] != strip.codes[:, :-1], axis=1)
    for rows in groups(runs, _MOST_RUNS):
        yield Strip(strip.codes[rows], None if strip.values is None else strip.values[rows])


class _Growing:
    """The polygons that reach the last row so far."""

    def __init__(self, columns: int) -> None:
        self._codes = np.full((1, columns), NO_CLASS, "int32")
        self._numbers = np.full(columns, -1, "int64")
        """Of the polygons in the last row."""
        self._polygons: list[Polygon] = []
        self._roots = np.empty(0, "int32")
        """The first of the components that are one polygon, for each."""
        self._joining = Joining()

    def add(self, strip: Strip, top: int, prepare: Prepare) -> list[Polygon]:
        codes = np.concatenate((self._codes, strip.codes))
        components = components_of(codes, uncounted_rows=1)
        polygons = self._polygons_of(components)
        self._count_pixels(components, polygons, strip)
        arcs = []
        for arc, left, right in self._joining.add(lines_of(codes, components.labels, top)):
            arcs.append(arc)
            for label, forward in ((left, True), (right, False)):
                polygon = polygons[label] if label >= 0 else None
                if polygon is not None:
                    polygon.sides.append((arc, forward))
        prepare(arcs)
        return self._go_on(codes, components, polygons)

    def _polygons_of(self, components: Components) -> list[Polygon | None]:
        """Return the polygon of each component, joining those that a component connects; None for those of no class."""
        count = len(components.codes)
        touching = self._numbers >= 0
        # A polygon may reach the strip in several places, which are one component or not.
        self._roots = joined(
            count + len(self._polygons), components.labels[0][touching], count + self._numbers[touching]
        )
        known: dict[int, Polygon] = {}
        for root, polygon in zip(self._roots[count:].tolist(), self._polygons):
            before = known.get(root)
            known[root] = polygon if before is None else _merged(before, polygon)
        polygons: list[Polygon | None] = []
        for label, (root, code) in enumerate(zip(self._roots[:count].tolist(), components.codes.tolist())):
            if root == label and code != NO_CLASS and label not in known:
                known[label] = Polygon(code)
            polygons.append(known.get(root))
        return polygons

    def _count_pixels(self, components: Components, polygons: list[Polygon | None], strip: Strip) -> None:
        counts = components.pixels.tolist()
        if strip.values is None:
            for polygon, count in zip(polygons, counts):
                if polygon is not None:
                    polygon.pixels += count
            return
        above = np.zeros((1, strip.values.shape[1]))
        has = ~np.isnan(strip.values)
        totals = components.sums(np.concatenate((above, np.where(has, strip.values, 0.0)))).tolist()
        having = components.sums(np.concatenate((above, has.astype("float64")))).tolist()
        for polygon, count, total, number in zip(polygons, counts, totals, having):
            if polygon is not None:
                polygon.pixels += count
                polygon.sums = polygon.sums[0] + total, polygon.sums[1] + number

    def _go_on(self, codes: np.ndarray, components: Components, polygons: list[Polygon | None]) -> list[Polygon]:
        """Keep what is in the last row, and return the others."""
        labels = components.labels[-1]
        roots = self._roots[: len(polygons)]
        kept = np.unique(roots[labels])
        kept = kept[components.codes[kept] != NO_CLASS]
        numbers = np.full(len(polygons), -1, "int64")
        numbers[kept] = np.arange(len(kept))
        self._numbers, self._codes = numbers[roots[labels]], codes[-1:]
        self._polygons = [polygon for polygon in (polygons[root] for root in kept.tolist()) if polygon is not None]
        own = (roots == np.arange(len(roots))) & (numbers < 0)
        return [polygon for polygon in (polygons[root] for root in np.flatnonzero(own).tolist()) if polygon is not None]


def _merged(one: Polygon, other: Polygon) -> Polygon:
    """Join two polygons of which pixels touch."""
    if one is other:
        return one
    if len(one.sides) < len(other.sides):
        one, other = other, one
    one.pixels += other.pixels
    one.sums = one.sums[0] + other.sums[0], one.sums[1] + other.sums[1]
    one.sides += other.sides
    return one
