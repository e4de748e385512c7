"""What is found of each class, and of all together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .assessedobjects import ALL
from .matching import Counts, counted


@dataclass(frozen=True)
class ClassResult:
    """How one class, or all together, is found.

    Attributes:
        name: of the class.
        taken: for each detection the number of the object that it takes, by the overlap that is asked for; -1 for none.
        scores: of the detections.
        objects: number of objects of the reference.
        precisions: average precision for each of COCO's overlaps; of points, the same for all.
    """

    name: str
    taken: np.ndarray
    scores: np.ndarray
    objects: int
    precisions: tuple[float, ...]

    @property
    def hit(self) -> np.ndarray:
        """Which detections are hits."""
        return self.taken >= 0

    @property
    def ap(self) -> float:
        """Mean of the average precisions; NaN where the reference has no object."""
        return float(np.mean(self.precisions))

    def counts(self, least: float) -> Counts:
        """Return the counts of detections with a score of `least` or more."""
        return counted(self.hit, self.scores, self.objects, least)


def together(results: Sequence[ClassResult]) -> ClassResult:
    """Return all classes as one: sums of their counts, and means of their average precisions."""
    known = [result.precisions for result in results if result.objects]
    means = tuple(float(np.mean(column)) for column in zip(*known))
    return ClassResult(
        ALL,
        np.concatenate([result.taken for result in results]),
        np.concatenate([result.scores for result in results]),
        sum(result.objects for result in results),
        means,
    )


def best_score(result: ClassResult) -> tuple[float, float]:
    """Return the smallest score with the highest F-score, and that; NaN without detections."""
    if not len(result.scores):
        return math.nan, math.nan
    order = np.argsort(-result.scores, kind="stable")
    scores, hits = result.scores[order], np.cumsum(result.hit[order])
    last = np.append(scores[1:] != scores[:-1], True)  # of equal scores, all are in or out
    fscores = 2 * hits / (np.arange(1, len(hits) + 1) + result.objects)
    place = np.flatnonzero(last)[int(np.argmax(fscores[last]))]
    return float(scores[place]), float(fscores[place])
