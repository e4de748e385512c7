"""Matching of detections with reference objects, and the average precision, as COCO's evaluation defines them.

T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and its reference implementation: detections of a
class take, from the highest score on, the free object that they overlap most, by the threshold or more; precision is read
at 101 values of recall, after it was made falling. Other than there, no detection is left out for its number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

OVERLAPS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""COCO's thresholds of the overlap."""

_RECALLS = np.linspace(0.0, 1.0, 101)
_ALMOST_ONE = 1 - 1e-10


@dataclass(frozen=True)
class Pairs:
    """Detections and reference objects that may be matched, sorted by the detection, then by the object.

    Attributes:
        detections, objects: their numbers, int64.
        overlaps: of each pair, from 0 to 1.
    """

    detections: np.ndarray
    objects: np.ndarray
    overlaps: np.ndarray

    def turned(self) -> Pairs:
        """Return the pairs with detections and objects exchanged."""
        order = np.lexsort((self.detections, self.objects))
        return Pairs(self.objects[order], self.detections[order], self.overlaps[order])

    def at_least(self, overlap: float) -> Pairs:
        """Return the pairs that overlap by a share or more."""
        kept = self.overlaps >= min(overlap, _ALMOST_ONE)
        return Pairs(self.detections[kept], self.objects[kept], self.overlaps[kept])


def matched(pairs: Pairs, scores: np.ndarray, objects: int) -> np.ndarray:
    """Return for each detection the number of the object that it takes; -1 for none.

    Args:
        pairs: of one class, with enough overlap.
        scores: of all detections.
        objects: number of all reference objects.
    """
    starts = np.searchsorted(pairs.detections, np.arange(len(scores) + 1)).tolist()
    others, overlaps = pairs.objects.tolist(), pairs.overlaps.tolist()
    taken, found = [False] * objects, np.full(len(scores), -1)
    for detection in np.argsort(-scores, kind="stable").tolist():
        best, most = -1, 0.0
        for place in range(starts[detection], starts[detection + 1]):
            if overlaps[place] >= most and not taken[others[place]]:
                best, most = others[place], overlaps[place]
        if best >= 0:
            taken[best], found[detection] = True, best
    return found


def average_precision(hit: np.ndarray, scores: np.ndarray, objects: int) -> float:
    """Return the average precision of one class; NaN where the reference has no object of it.

    Args:
        hit: for each detection, whether it has taken an object.
        scores: of each.
        objects: number of reference objects.
    """
    if not objects:
        return float("nan")
    precision, recall = curve(hit, scores, objects)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, _RECALLS, side="left")
    return float(np.append(falling, 0.0)[places].mean())


def curve(hit: np.ndarray, scores: np.ndarray, objects: int) -> tuple[np.ndarray, np.ndarray]:
    """Return precision and recall after each detection, from the highest score on; see `average_precision`."""
    ordered = hit[np.argsort(-scores, kind="stable")]
    hits = np.cumsum(ordered)
    return hits / np.arange(1, len(hits) + 1), hits / max(objects, 1)


@dataclass(frozen=True)
class Counts:
    """Hits, misses and false alarms.

    Attributes:
        hits: detections that have taken an object.
        misses: objects that none has taken.
        alarms: detections that have taken none.
    """

    hits: int
    misses: int
    alarms: int

    @property
    def precision(self) -> float:
        """Share of the detections that are hits; NaN without detections."""
        return self.hits / (self.hits + self.alarms) if self.hits + self.alarms else float("nan")

    @property
    def recall(self) -> float:
        """Share of the objects that are hit; NaN without objects."""
        return self.hits / (self.hits + self.misses) if self.hits + self.misses else float("nan")

    @property
    def fscore(self) -> float:
        """Harmonic mean of precision and recall; NaN where there is neither a detection nor an object."""
        every = 2 * self.hits + self.misses + self.alarms
        return 2 * self.hits / every if every else float("nan")


def counted(hit: np.ndarray, scores: np.ndarray, objects: int, least: float) -> Counts:
    """Return the counts of the detections with a score of `least` or more.

    Those of lower scores come later in the matching, so that it need not be done again.
    """
    among = scores >= least
    hits = int(hit[among].sum())
    return Counts(hits, objects - hits, int(among.sum()) - hits)
