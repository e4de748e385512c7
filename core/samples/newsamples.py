"""New samples made from others, in the space of their features: copies, copies with noise, mixtures of neighbours."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..base.progress import Progress

_VALUES = 2_000_000  # computed at a time


def repeated(count: int, number: int) -> np.ndarray:
    """Return which of `count` samples are copied: all in their order, over and over, `number` altogether."""
    return np.arange(number, dtype="int64") % count


def jittered(features: np.ndarray, number: int, factor: float, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield new samples: samples drawn with replacement, with Gaussian noise added.

    Args:
        features: shape (samples, features).
        number: of new samples.
        factor: the standard deviation of the noise is that of the feature over all samples, divided by this.
        generator: draws them.

    Yields:
        Some of them, float64, shape (n, features).
    """
    noise = features.std(axis=0) / factor
    drawn = generator.integers(0, len(features), number)
    for part in _parts(number, features.shape[1]):
        here = drawn[part]
        yield features[here] + generator.standard_normal((len(here), features.shape[1])) * noise


def interpolated(
    features: np.ndarray, number: int, neighbors: int, generator: np.random.Generator, progress: Progress
) -> Iterator[np.ndarray]:
    """Yield new samples: points of the line from a sample drawn with replacement to one of its nearest neighbours.

    Chawla, Bowyer, Hall and Kegelmeyer, "SMOTE: synthetic minority over-sampling technique", 2002. Distances are
    Euclidean, of the features as they are.

    Args:
        features: shape (samples, features), more samples than `neighbors`.
        number: of new samples.
        neighbors: how many neighbours one is drawn from.
        generator: draws them.
        progress: may ask to stop.

    Yields:
        Some of them, float64, shape (n, features).
    """
    drawn = generator.integers(0, len(features), number)
    other = generator.integers(0, neighbors, number)
    position = generator.random(number)
    bases, places = np.unique(drawn, return_inverse=True)
    near = nearest(features, bases, neighbors, progress)[places, other]
    for part in _parts(number, features.shape[1]):
        start = features[drawn[part]]
        yield start + (features[near[part]] - start) * position[part, None]


def nearest(features: np.ndarray, bases: np.ndarray, neighbors: int, progress: Progress) -> np.ndarray:
    """Return the nearest neighbours of some samples among all, the nearest first; of equally near ones the first.

    Args:
        features: shape (samples, features).
        bases: indices of the samples whose neighbours are sought; shape (n,).
        neighbors: how many, fewer than there are samples.
        progress: may ask to stop.

    Returns:
        Indices of the neighbours, int64, shape (n, neighbors); a sample is not its own neighbour.
    """
    found = np.empty((len(bases), neighbors), "int64")
    for part in _parts(len(bases), len(features)):
        progress.check()
        here = bases[part]
        distances = np.zeros((len(here), len(features)))
        for column in features.T:
            distances += (column[here, None] - column) ** 2
        distances[np.arange(len(here)), here] = np.inf
        furthest = np.partition(distances, neighbors - 1, axis=1)[:, neighbors - 1]
        for place, (row, most) in enumerate(zip(distances, furthest), part.start):
            near = np.flatnonzero(row <= most)
            found[place] = near[np.argsort(row[near], kind="stable")[:neighbors]]
    return found


def _parts(number: int, width: int) -> Iterator[slice]:
    rows = max(1, _VALUES // max(1, width))
    for start in range(0, number, rows):
        yield slice(start, min(start + rows, number))
