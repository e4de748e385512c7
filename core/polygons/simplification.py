"""Polygons with simplified borders: neighbours share them as before, whatever the strips of the map were.

Arcs and polygons are kept on disk until all arcs are known: memory holds those of a strip, then one band of rows with what
touches it, then the polygons of a strip again. See `douglaspeucker` for what is left out of an arc, `squaring` for right
angles, and `crossings` for the pieces that stay as they are.
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
from .crossings import CELL, CHORD, PART_OF_RING, SCALE, SEGMENT, WHOLE_CHORD, WHOLE_RING, Crossings, is_ring_across
from .douglaspeucker import kept_vertices
from .polygonshapes import Measuring, Shape
from .squaring import squared

_HEAD = np.dtype(
    [("code", "<i4"), ("rings", "<i4"), ("pixels", "<i8"), ("total", "<f8"), ("number", "<f8"), ("area", "<f8")]
)
_SIDE = np.dtype([("first", "<i8"), ("count", "<i8"), ("ring", "<i8"), ("corners", "<i8"), ("forward", "?")])
"""A side of a polygon's ring: number of the arc's first vertex, how many it has; the same of the ring that may replace it;
whether the arc is followed forwards."""


class Simplification:
    """Takes arcs and polygons of a whole map, then gives the polygons back with simplified arcs.

    Used as a context manager, in a folder that stays as long.
    """

    def __init__(
        self,
        folder: Path,
        size: tuple[int, int],
        rows: int,
        transform: Any,
        tolerance: float,
        right_angles: bool,
        measuring: Measuring,
    ) -> None:
        """Begin with none.

        Args:
            folder: for files.
            size: columns and rows of the map.
            rows: of it, for which there is memory.
            transform: GDAL's six numbers, which turn columns and rows into map coordinates.
            tolerance: the largest distance of a vertex that is left out, in map units.
            right_angles: whether closed arcs without a node get right angles.
            measuring: of the new arcs.
        """
        self._size, self._tolerance, self._measuring = np.array(size), tolerance, measuring
        self._linear = np.array([transform[1:3], transform[4:6]], "float64")
        self._height = max(1, rows // CELL) * CELL
        self._squares = right_angles
        self._count = self._ring_count = 0
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
        at_edge = ((points == 0) | (points == self._size)).any(axis=1)  # the next map may go on there
        kept = kept_vertices(points, firsts, at_edge, self._linear, self._tolerance)
        for arc, first in zip(arcs, (firsts + self._count).tolist()):
            arc.first = first
        self._write(points * SCALE, kept)
        arc_of = np.repeat(firsts, counts)
        self._add_segments(points * SCALE, kept, arc_of)
        self._add_chords(points * SCALE, kept, arc_of)
        self._count += len(points)
        if self._squares:
            for arc, first in zip(arcs, firsts.tolist()):
                own = slice(first, first + len(arc.points))
                if arc.closed and not at_edge[own].any():
                    self._add_ring(arc, kept[own])

    def _write(self, points: np.ndarray, kept: np.ndarray) -> None:
        points.astype("<i4").tofile(self._points)
        kept.tofile(self._kept)

    def _add_segments(self, points: np.ndarray, kept: np.ndarray, arc_of: np.ndarray) -> None:
        starts = np.flatnonzero(arc_of[1:] == arc_of[:-1])
        segments = np.zeros(len(starts), SEGMENT)
        segments["ends"] = np.concatenate((points[starts], points[starts + 1]), axis=1)
        segments["piece"] = self._count + np.flatnonzero(kept)[np.cumsum(kept)[starts] - 1]
        segments["arc"] = self._count + arc_of[starts]
        self._by_band(self._segments, segments, segments["ends"])

    def _add_chords(self, points: np.ndarray, kept: np.ndarray, arc_of: np.ndarray) -> None:
        places = np.flatnonzero(kept)
        pieces = np.flatnonzero(np.diff(places) > 1)  # from the end of an arc to the next one is 1
        starts, ends = places[pieces], places[pieces + 1]
        if not len(starts):
            return
        cuts = np.stack((starts, ends), axis=1).reshape(-1)
        chords = np.zeros(len(starts), CHORD)
        chords["ends"] = np.concatenate((points[starts], points[ends]), axis=1)
        lowest, highest = (
            combine(combine.reduceat(points, cuts)[::2], points[ends]) for combine in (np.minimum, np.maximum)
        )
        chords["box"] = np.concatenate((lowest, highest), axis=1)
        chords["piece"], chords["last"] = self._count + starts, self._count + ends
        chords["arc"], chords["kind"] = self._count + arc_of[starts], WHOLE_CHORD
        self._by_band(self._chords, chords, chords["box"])

    def _add_ring(self, arc: Curve, kept: np.ndarray) -> None:
        """Add what may replace a closed arc: an outline with right angles, if there is one near it."""
        border = arc.points @ self._linear.T
        corners = squared(border[kept], border, self._tolerance)
        if corners is None:
            return
        own = arc.points * SCALE
        ring = np.rint(corners @ np.linalg.inv(self._linear).T * SCALE).astype("int64")[::-1]
        lines = np.concatenate((ring[:-1], ring[1:]), axis=1)
        if not is_ring_across(lines, np.concatenate((own[:-1], own[1:]), axis=1)):
            return
        first = self._count
        self._count += len(own) + len(ring)
        self._write(np.concatenate((own, ring)), np.ones(len(own) + len(ring), bool))
        arc.ring = first + len(own), len(ring)
        self._ring_count += 1
        segments, chords = np.zeros(len(lines), SEGMENT), np.zeros(len(lines) + 1, CHORD)
        segments["ends"], segments["piece"], segments["arc"], segments["ring"] = lines, first, arc.first, True
        chords["ends"][:-1], chords["ends"][-1] = lines, len(own)
        both = np.concatenate((own, ring))
        chords["box"] = np.concatenate((both.min(axis=0), both.max(axis=0)))
        chords["piece"], chords["last"], chords["arc"] = first, first + len(both) - 1, arc.first
        chords["kind"][:-1], chords["kind"][-1] = PART_OF_RING, WHOLE_RING
        self._by_band(self._segments, segments, lines)
        self._by_band(self._chords, chords, chords["box"])

    def _by_band(self, file: BandFile, records: np.ndarray, boxes: np.ndarray) -> None:
        rows = boxes[:, 1] // (self._height * SCALE), boxes[:, 3] // (self._height * SCALE)
        file.add(records, np.minimum(*rows), np.maximum(*rows))

    def add_shapes(self, shapes: Sequence[Shape]) -> None:
        """Take polygons; all their arcs have been taken."""
        heads = np.empty(len(shapes), _HEAD)
        sizes, sides = [], []
        for number, shape in enumerate(shapes):
            heads[number] = (shape.code, len(shape.rings), shape.pixels, *shape.sums, shape.area_of_pixels)
            for ring in shape.rings:
                sizes.append(len(ring))
                sides += [(arc.first, len(arc.points), *arc.ring, forward) for arc, forward in ring]
        for values in (heads, np.array(sizes, "<i4"), np.array(sides, _SIDE)):
            np.save(self._shapes, values)

    def decide(self, progress: Progress) -> tuple[int, int]:
        """Choose what replaces what; call it once, when all arcs are there.

        Returns:
            The number of pieces that stay as they are because their chord is refused; that of outlines with right angles.

        Raises:
            Cancelled: the user asked to stop.
        """
        self._points.close()
        self._kept.close()
        restored = 0
        if not self._count:
            return 0, 0
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
            for kind, first, last in chords[["kind", "piece", "last"]].tolist():
                if kind == WHOLE_CHORD:
                    restored += not kept[first + 1]  # else another band has told so
                    kept[first:last] = True
                else:
                    self._ring_count -= bool(kept[first])
                    kept[first : last + 1] = False
        return restored, self._ring_count

    def shapes(self, progress: Progress) -> Iterator[list[Shape]]:
        """Yield the polygons, some at a time, with what is left of their arcs."""
        end = self._shapes.seek(0, 2)
        self._shapes.seek(0)
        while self._shapes.tell() < end:
            progress.fraction(self._shapes.tell() / end)
            heads, sizes, sides = (np.load(self._shapes) for _ in range(3))
            arcs = self._arcs(sides)
            of_rings = iter([(arcs[first], forward) for first, *_, forward in sides.tolist()])
            rings = iter([list(islice(of_rings, size)) for size in sizes.tolist()])
            yield [
                self._measuring.drawn(code, pixels, (total, number), area, list(islice(rings, count)))
                for code, count, pixels, total, number, area in heads.tolist()
            ]

    def _arcs(self, sides: np.ndarray) -> dict[int, Curve]:
        """Return what is left of the arcs of some sides, by the number of the first vertex."""
        if not len(sides):
            return {}
        # Opened anew each time, so that what was read before leaves the memory.
        points = np.memmap(self._points_at, "<i4", "r", shape=(self._count, 2))
        kept = np.memmap(self._kept_at, "?", "r", shape=(self._count,))
        arcs = {}
        for first, count, ring, corners in sorted({side[:4] for side in sides.tolist()}):
            if corners and kept[ring]:
                vertices = points[ring : ring + corners][::-1]
            else:
                vertices = points[first : first + count][kept[first : first + count]]
            arcs[first] = Curve(np.asarray(vertices) / SCALE)
        self._measuring.measure(list(arcs.values()))
        return arcs
