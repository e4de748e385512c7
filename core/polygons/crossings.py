"""Which pieces of arcs may be replaced: by their chord, from their first vertex to their last, or closed ones by a ring.

What replaces a piece is refused if it crosses or touches another piece or what may replace that, other than in an end that
they share, or if a vertex of these lies between it and its own piece. Each is judged by itself, whatever is decided of the
others. So any choice of the others goes with it: no lines cross, and all lines leave a node in the same order and lie in
the same face as before. The sides of vertices are those of A. Saalfeld, "Topologically consistent line
simplification with the Douglas-Peucker algorithm", Cartography and Geographic Information Science 26(1), 1999, pages
7-18. Coordinates are columns and rows in parts of a pixel, whole numbers: all tests are exact.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .douglaspeucker import squared_distances
from .ranges import expanded, groups

SEGMENT = np.dtype([("ends", "<i4", (4,)), ("piece", "<i8"), ("arc", "<i8"), ("ring", "?")])
"""A straight part of a piece, or of a ring: column and row of its two ends; numbers of the first vertex of the piece and
of its arc; whether it is part of a ring that replaces it."""

CHORD = np.dtype(
    [("ends", "<i4", (4,)), ("box", "<i4", (4,)), ("piece", "<i8"), ("last", "<i8"), ("arc", "<i8"), ("kind", "<i4")]
)
"""What may replace a piece: column and row of its ends; lowest and highest column and row of itself and the piece, as
(left, top, right, bottom); numbers of the first and last vertex of the piece, and of the first one of its arc; and one of:

- `WHOLE_CHORD`;
- `PART_OF_RING`: a straight part of a ring, of which it is looked at what it meets;
- `WHOLE_RING`, of which it is looked at what lies between it and the piece. Its vertices follow those of the piece and run
  the other way round; `last` is the number of the last of them, and `ends` begins with the number of those of the piece.
"""

WHOLE_CHORD, PART_OF_RING, WHOLE_RING = range(3)

SCALE = 256
"""Parts of a pixel in coordinates: the corners of rings are rounded to them."""

CELL = 8
"""Pixels along the side of the cells in which lines meet."""

_SIDE = CELL * SCALE

_EVERYWHERE = 1e12
"""A distance that is larger than any."""

_AT_ONCE = 1 << 19
"""Pairs of lines that are compared at once."""


class Crossings:
    """Finds the refused chords of one band of rows after the other."""

    def __init__(self, points: np.ndarray, linear: np.ndarray, tolerance: float) -> None:
        """Take what is the same for all bands.

        Args:
            points: column and row of the vertices of all arcs, by number, int32 of shape (n, 2); may be on disk.
            linear, tolerance: see `kept_vertices`.
        """
        self._points, self._linear = points, linear / SCALE
        self._most = tolerance**2 * (1 + 1e-9)
        self._reach = SCALE * tolerance / float(np.linalg.svd(linear, compute_uv=False)[-1])

    def refused(self, chords: np.ndarray, segments: np.ndarray, rows: tuple[int, int]) -> np.ndarray:
        """Return which chords are refused for what lies in a band, bool of shape (n,).

        Args:
            chords: those whose box touches the band, of type `CHORD`.
            segments: those that touch it, of type `SEGMENT`.
            rows: the first of its rows of cells, and the one after its last.
        """
        straight = chords[chords["kind"] == WHOLE_CHORD]
        ends = np.concatenate((segments["ends"], straight["ends"])).astype("int64")
        piece = np.concatenate((segments["piece"], straight["piece"]))
        arc = np.concatenate((segments["arc"], straight["arc"]))
        of_ring = np.concatenate((segments["ring"], np.zeros(len(straight), bool)))
        found = np.zeros(len(chords), bool)
        for chord, other in self._near(chords, ends, rows):
            either = of_ring[other] | (chords["kind"][chord] != WHOLE_CHORD)
            own = (piece[other] == chords["piece"][chord]) | (either & (arc[other] == chords["arc"][chord]))
            chord, other = chord[~own & ~found[chord]], other[~own & ~found[chord]]
            lines = chords["kind"][chord] != WHOLE_RING
            met = _meet(chords["ends"][chord[lines]].astype("int64"), ends[other[lines]])
            found[chord[lines][met]] = True
            # The vertices of a chord are also those of a segment.
            has_vertices = (other < len(segments)) & ~found[chord] & (chords["kind"][chord] != PART_OF_RING)
            self._find_vertices_between(chords, chord[has_vertices], ends[other[has_vertices]], found)
        return found

    def _near(
        self, chords: np.ndarray, ends: np.ndarray, rows: tuple[int, int]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield pairs of a chord and a line that come near each other, some pairs several times."""
        own, box = chords["ends"].astype("int64"), chords["box"].astype("int64")
        ring = chords["kind"] == WHOLE_RING
        own[ring] = box[ring]
        chord, wanted = _cells(own, box, np.where(ring, _EVERYWHERE, self._reach), rows)
        line, cell = _cells(ends, _boxes(ends), np.zeros(len(ends)), rows)
        order = np.argsort(cell, kind="stable")
        line, cell = line[order], cell[order]
        begin = np.searchsorted(cell, wanted)
        count = np.searchsorted(cell, wanted, "right") - begin
        for group in groups(count, _AT_ONCE):
            which, place = expanded(begin[group], count[group])
            yield chord[group][which], line[place]

    def _find_vertices_between(
        self, chords: np.ndarray, chord: np.ndarray, others: np.ndarray, found: np.ndarray
    ) -> None:
        """Mark the chords that have an end of another piece's segment between them and their own piece."""
        chord, vertex = np.tile(chord, 2), np.concatenate((others[:, :2], others[:, 2:]))
        own, box = chords["ends"][chord], chords["box"][chord]
        near = ((vertex >= box[:, :2]) & (vertex <= box[:, 2:])).all(axis=1)
        ring = chords["kind"][chord] == WHOLE_RING
        near &= ring | ((vertex != own[:, :2]).any(axis=1) & (vertex != own[:, 2:]).any(axis=1))
        chord, vertex, own, ring = chord[near], vertex[near], own[near].astype("int64"), ring[near]
        close = ring | (squared_distances(vertex, own[:, :2], own[:, 2:], self._linear) <= self._most)
        places = np.unique(np.column_stack((chord[close], vertex[close])), axis=0)
        chord, vertex = places[:, 0], places[:, 1:]
        firsts, lasts = chords["piece"][chord], chords["last"][chord]
        # Back along the chord; the step from a piece to the ring that follows it does not count.
        back = _turned(chords["ends"][chord].astype("int64"))
        ring = chords["kind"][chord] == WHOLE_RING
        step = firsts[ring] + chords["ends"][chord[ring], 0]
        back[ring] = np.concatenate((self._points[step], self._points[step - 1]), axis=1)
        turns = _turns(back, vertex)
        for group in groups(lasts - firsts, _AT_ONCE):
            which, place = expanded(firsts[group], (lasts - firsts)[group])
            pieces = np.concatenate((self._points[place], self._points[place + 1]), axis=1).astype("int64")
            np.add.at(turns[group], which, _turns(pieces, vertex[group][which]))
        found[chord[turns != 0]] = True


def _boxes(ends: np.ndarray) -> np.ndarray:
    return np.concatenate((np.minimum(ends[:, :2], ends[:, 2:]), np.maximum(ends[:, :2], ends[:, 2:])), axis=1)


def _cells(
    ends: np.ndarray, boxes: np.ndarray, reach: np.ndarray, rows: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return lines, and for each a cell in the rows of cells, that may be within `reach` of it and in its box."""
    low, high = np.maximum(boxes[:, 1] // _SIDE, rows[0]), np.minimum(boxes[:, 3] // _SIDE, rows[1] - 1)
    line, row = expanded(low, np.maximum(high - low + 1, 0))
    upwards = ends[:, 1] > ends[:, 3]
    x0, y0, x1, y1 = np.where(upwards[:, None], _turned(ends), ends)[line].T.astype("float64")
    reach, height = reach[line], np.maximum(y1 - y0, 1)
    shares = [np.clip((edge - y0) / height, 0, 1) for edge in (row * _SIDE - reach, (row + 1) * _SIDE + reach)]
    shares = [np.where(y1 > y0, share, whole) for share, whole in zip(shares, (0.0, 1.0))]  # all of a level line
    columns = [x0 + share * (x1 - x0) for share in shares]
    margin = reach + 1  # of rounding
    left = np.maximum(np.minimum(*columns) - margin, boxes[line, 0]) // _SIDE
    right = np.minimum(np.maximum(*columns) + margin, boxes[line, 2]) // _SIDE
    which, column = expanded(left.astype("int64"), np.maximum(right - left + 1, 0).astype("int64"))
    return line[which], (row[which] << 32) + column


def _cross(ends: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return on which side of lines points are, as a number that is 0 on the line and changes its sign beside it."""
    along, way = ends[:, 2:] - ends[:, :2], points - ends[:, :2]
    return np.asarray(along[:, 0] * way[:, 1] - along[:, 1] * way[:, 0])


def _meet(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return which lines cross or touch, other than in an end that they share."""
    a, b = _boxes(one), _boxes(other)
    near = np.flatnonzero((a[:, :2] <= b[:, 2:]).all(axis=1) & (b[:, :2] <= a[:, 2:]).all(axis=1))
    one, other = one[near], other[near]
    sides = [
        np.sign(_cross(line, end)) for line, far in ((one, other), (other, one)) for end in (far[:, :2], far[:, 2:])
    ]
    met = (sides[0] * sides[1] <= 0) & (sides[2] * sides[3] <= 0)
    for line in (one, _turned(one)):
        for far in (other, _turned(other)):
            shared = (line[:, :2] == far[:, :2]).all(axis=1)
            met = np.where(shared, _go_on_alike(line, far), met)
    found = np.zeros(len(a), bool)
    found[near] = met
    return found


def is_ring_across(ring: np.ndarray, piece: np.ndarray) -> bool:
    """Return whether a closed line does not meet itself, and meets another one.

    Args:
        ring, piece: the ends of the straight parts of the two, whole numbers of shape (n, 4).
    """
    one, other = np.triu_indices(len(ring), 1)
    if _meet(ring[one], ring[other]).any():
        return False
    return bool(_meet(np.repeat(ring, len(piece), axis=0), np.tile(piece, (len(ring), 1))).any())


def _turned(ends: np.ndarray) -> np.ndarray:
    return ends[:, [2, 3, 0, 1]]


def _go_on_alike(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return which lines that begin in one place have the same direction there."""
    way, along = one[:, 2:] - one[:, :2], other[:, 2:] - other[:, :2]
    return np.asarray((way[:, 0] * along[:, 1] == way[:, 1] * along[:, 0]) & ((way * along).sum(axis=1) > 0))


def _turns(edges: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return what each edge adds to the number of times that a ring goes around a point."""
    side = _cross(edges, points)
    above, below = edges[:, 1] <= points[:, 1], edges[:, 3] <= points[:, 1]
    return (above & ~below & (side > 0)).astype("int64") - (~above & below & (side < 0))
