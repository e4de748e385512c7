"""Polygons with simplified borders: neighbours share them as before, whatever the strips of the map were.

Arcs and polygons are kept on disk until all arcs are known: memory holds those of a strip, then one band of rows with what
touches it, then the polygons of a strip again. See `douglaspeucker` for what is left out of an arc, and `crossings` for the
pieces that stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..base.progress import Progress
from .arcs import Arc, Curve
from .bandfile import BandFile
from .crossings import CELL, CHORD, SEGMENT, Crossings
from .douglaspeucker import kept_vertices
from .polygonshapes import Measuring, Shape

_HEAD = np.dtype(
    [("code", "<i4"), ("rings", "<i4"), ("pixels", "<i8"), ("total", "<f8"), ("number", "<f8"), ("area", "<f8")]
)
_SIDE = np.dtype([("first", "<i8"), ("count", "<i8"), ("forward", "?")])
"""A side of a ring: number of the arc's first vertex, how many vertices it has, whether it is followed forwards."""


class Simplification:
    """Takes arcs and polygons of a whole map, then gives the polygons back with simplified arcs.

    Used as a context manager, in a folder that stays as long.
    """

    def __init__(
        self, folder: Path, size: tuple[int, int], rows: int, transform: Any, tolerance: float, measuring: Measuring
    ) -> None:
        """Begin with none.

        Args:
            folder: for files.
            size: columns and rows of the map.
            rows: of it, for which there is memory.
            transform: GDAL's six numbers, which turn columns and rows into map coordinates.
            tolerance: the largest distance of a vertex that is left out, in map units.
            measuring: of the new arcs.
        """
        self._size, self._tolerance, self._measuring = np.array(size), tolerance, measuring
        self._linear = np.array([transform[1:3], transform[4:6]], "float64")
        self._height = max(1, rows // CELL) * CELL
        self._count = 0
        self._points_at, self._kept_at = folder / "points", folder / "kept"
        with ExitStack() as stack:
            self._points = stack.enter_context(self._points_at.open("wb"))
            self._kept = stack.enter_context(self._kept_at.open("wb"))
            self._shapes = stack.enter_context((folder / "shapes").open("w+b"))
            self._segments = stack.enter_context(BandFile(folder / "segments", SEGMENT))
            self._chords = stack.enter_context(BandFile(folder / "chords", CHORD))
            self._open = stack.pop_all()

    def __enter__(self) -> Simplification:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def add_arcs(self, arcs: Sequence[Arc]) -> None:
        """Take arcs, each once, before the polygons beside them."""
        if not arcs:
            return
        points = np.concatenate([arc.points for arc in arcs])
        counts = np.array([len(arc.points) for arc in arcs])
        firsts = np.cumsum(counts) - counts
        for arc, first in zip(arcs, (firsts + self._count).tolist()):
            arc.first = first
        at_edge = ((points == 0) | (points == self._size)).any(axis=1)  # the next map may go on there
        kept = kept_vertices(points, firsts, at_edge, self._linear, self._tolerance)
        points.astype("<i4").tofile(self._points)
        kept.tofile(self._kept)
        self._add_segments(points, kept, firsts)
        self._add_chords(points, kept, firsts)
        self._count += len(points)

    def _add_segments(self, points: np.ndarray, kept: np.ndarray, firsts: np.ndarray) -> None:
        goes_on = np.ones(len(points), bool)
        goes_on[firsts[1:] - 1] = goes_on[-1] = False
        starts = np.flatnonzero(goes_on)
        segments = np.empty(len(starts), SEGMENT)
        segments["ends"] = np.concatenate((points[starts], points[starts + 1]), axis=1)
        segments["piece"] = self._count + np.flatnonzero(kept)[np.cumsum(kept)[starts] - 1]
        rows = points[starts, 1], points[starts + 1, 1]
        self._segments.add(segments, np.minimum(*rows) // self._height, np.maximum(*rows) // self._height)

    def _add_chords(self, points: np.ndarray, kept: np.ndarray, firsts: np.ndarray) -> None:
        places = np.flatnonzero(kept)
        pieces = np.flatnonzero(np.diff(places) > 1)  # from the end of an arc to the next one is 1
        starts, ends = places[pieces], places[pieces + 1]
        if not len(starts):
            return
        cuts = np.stack((starts, ends), axis=1).reshape(-1)
        chords = np.empty(len(starts), CHORD)
        chords["ends"] = np.concatenate((points[starts], points[ends]), axis=1)
        lowest, highest = (
            combine(combine.reduceat(points, cuts)[::2], points[ends]) for combine in (np.minimum, np.maximum)
        )
        chords["box"] = np.concatenate((lowest, highest), axis=1)
        chords["piece"], chords["last"] = self._count + starts, self._count + ends
        self._chords.add(chords, lowest[:, 1] // self._height, highest[:, 1] // self._height)

    def add_shapes(self, shapes: Sequence[Shape]) -> None:
        """Take polygons; all their arcs have been taken."""
        heads = np.empty(len(shapes), _HEAD)
        sizes, sides = [], []
        for number, shape in enumerate(shapes):
            heads[number] = (shape.code, len(shape.rings), shape.pixels, *shape.sums, shape.area_of_pixels)
            for ring in shape.rings:
                sizes.append(len(ring))
                sides += [(arc.first, len(arc.points), forward) for arc, forward in ring]
        for values in (heads, np.array(sizes, "<i4"), np.array(sides, _SIDE)):
            np.save(self._shapes, values)

    def decide(self, progress: Progress) -> int:
        """Restore the pieces of which the chord is refused; call it once, when all arcs are there.

        Returns:
            Their number.

        Raises:
            Cancelled: the user asked to stop.
        """
        self._points.close()
        self._kept.close()
        refused = 0
        if not self._count:
            return 0
        points = np.memmap(self._points_at, "<i4", "r", shape=(self._count, 2))
        kept = np.memmap(self._kept_at, "?", "r+", shape=(self._count,))
        crossings = Crossings(points, self._linear, self._tolerance)
        cells = self._height // CELL
        bands = self._chords.bands
        for number, band in enumerate(bands):
            progress.check()
            progress.fraction(number / len(bands))
            chords, segments = self._chords.read(band), self._segments.read(band)
            chords = chords[crossings.refused(chords, segments, (band * cells, (band + 1) * cells))]
            refused += int(np.count_nonzero(~kept[chords["piece"] + 1]))  # the others are so since another band
            for first, last in zip(chords["piece"].tolist(), chords["last"].tolist()):
                kept[first:last] = True
        return refused

    def shapes(self, progress: Progress) -> Iterator[list[Shape]]:
        """Yield the polygons, some at a time, with what is left of their arcs."""
        end = self._shapes.seek(0, 2)
        self._shapes.seek(0)
        while self._shapes.tell() < end:
            progress.fraction(self._shapes.tell() / end)
            heads, sizes, sides = (np.load(self._shapes) for _ in range(3))
            arcs = self._arcs(sides)
            of_rings = iter([(arcs[first], forward) for first, _, forward in sides.tolist()])
            rings = iter([list(islice(of_rings, size)) for size in sizes.tolist()])
            yield [
                self._measuring.drawn(code, pixels, (total, number), area, list(islice(rings, count)))
                for code, count, pixels, total, number, area in heads.tolist()
            ]

    def _arcs(self, sides: np.ndarray) -> dict[int, Curve]:
        """Return what is left of the arcs of some sides, by the number of the first vertex."""
        if not len(sides):
            return {}
        firsts, one = np.unique(sides["first"], return_index=True)
        counts = sides["count"][one]
        # Opened anew each time, so that what was read before leaves the memory.
        points = np.memmap(self._points_at, "<i4", "r", shape=(self._count, 2))
        kept = np.memmap(self._kept_at, "?", "r", shape=(self._count,))
        arcs = {}
        for first, count in zip(firsts.tolist(), counts.tolist()):
            arcs[first] = Curve(np.asarray(points[first : first + count])[kept[first : first + count]])
        self._measuring.measure(list(arcs.values()))
        return arcs
