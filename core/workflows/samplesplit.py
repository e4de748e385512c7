"""Splitting samples between training and validation by spatial blocks, so that validation is on other places."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..errors import ParameterError, field
from ..samples.spatialblocks import block_numbers


@dataclass(frozen=True)
class LocatedSamples:
    """Samples before they are split; n of them, of c classes.

    Attributes:
        places: column and row of the pixel in the middle of each one's patch, int64, shape (n, 2).
        counts: how many labels of each class it holds, float64, shape (n, c).
        features: number of the feature, or of the region of a raster, that it comes from, int64, shape (n,); None where
            each is for itself.
        patch: side of the patches in pixels.
        side: of a spatial block in pixels.
    """

    places: np.ndarray
    counts: np.ndarray
    features: np.ndarray | None
    patch: int
    side: int

    def spatial_groups(self) -> np.ndarray:
        """Return the number of the group of each sample, int64, shape (n,).

        The samples of a feature are together, and with those of features whose middles lie in the same block. A feature
        that is larger than a block is divided along the blocks.
        """
        middles = self.places.astype("float64")
        if self.features is not None:
            _, member = np.unique(self.features, return_inverse=True)
            low = np.full((int(member.max()) + 1, 2), np.inf)
            high = -low
            np.minimum.at(low, member, middles)
            np.maximum.at(high, member, middles)
            small = (high - low < self.side).all(axis=1)[member]
            middles[small] = ((low + high) / 2)[member[small]]
        return block_numbers(middles[:, 0], middles[:, 1], self.side)


def split_samples(samples: LocatedSamples, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which samples are for training and which for validation; two boolean arrays of shape (n,).

    Validation gets about `share` of each class, in whole groups. Samples for training whose patches share pixels with
    one for validation are in neither. A class all of whose samples lie together is for training alone.

    Args:
        samples: the samples.
        share: from 0 (all are for training) to below 1.
        seed: random seed; the same seed reproduces the split.

    Raises:
        ParameterError: all samples lie so near each other that nothing can be held back.
    """
    training, validation = held_back(samples, share, seed)
    if share and not validation.any():
        raise ParameterError(
            "{validation_share} is {share:g}, but the labels lie so near each other that none can be held back "
            "without sharing pixels with training (patches of {patch} x {patch} pixels): give labels in more "
            "places, or set {validation_share} to 0 and assess the map with other data.",
            validation_share=field("validation_share"),
            share=share,
            patch=samples.patch,
        )
    return training, validation


def held_back(samples: LocatedSamples, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the same as `split_samples`, with nothing for validation where nothing can be held back."""
    if not share or not len(samples.places):
        return np.ones(len(samples.places), bool), np.zeros(len(samples.places), bool)
    samples = replace(samples, counts=samples.counts[:, samples.counts.any(axis=0)])
    groups = samples.spatial_groups()
    held = groups_held_back(samples.counts, groups, share, np.random.default_rng(seed))[groups]
    return _without_shared_pixels(samples, held)


def groups_held_back(counts: np.ndarray, groups: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """Return which groups are for validation, bool, shape (groups,).

    First each class that has none yet gets the group that brings all classes nearest to their share, classes that occur
    in few groups before others; then groups are taken in random order as long as they bring the classes nearer to it.
    The last group that a class has is never taken: it trains.

    Args:
        counts: labels of each class in each sample, shape (n, c).
        groups: of each sample, from 0; shape (n,).
        share: for validation.
        random: draws the order.
    """
    totals = np.zeros((int(groups.max()) + 1, counts.shape[1]))
    np.add.at(totals, groups, counts)
    shares = totals / totals.sum(axis=0)
    held = np.zeros(len(totals), bool)

    def distance(group: int) -> float:
        """How far from the wanted share the classes are with a group more; infinite where it is the last of a class."""
        taken = shares[held].sum(axis=0) + shares[group]
        last = (taken > 1.0 - 1e-9) & (shares[group] > 0)
        return np.inf if last.any() else float(np.abs(taken - share).sum())

    for class_ in np.argsort((totals > 0).sum(axis=0), kind="stable"):
        if not totals[held, class_].any():
            best = min(np.flatnonzero(totals[:, class_]), key=distance)
            held[best] = np.isfinite(distance(best))
    for group in random.permutation(np.flatnonzero(~held)):
        if distance(group) < float(np.abs(shares[held].sum(axis=0) - share).sum()):
            held[group] = True
    return held


def _without_shared_pixels(samples: LocatedSamples, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what is for training and for validation, without what shares pixels with the other."""
    validation = held
    training = ~validation & ~_sharing_pixels(samples, validation)
    lost = (samples.counts[~held].sum(axis=0) > 0) & (samples.counts[training].sum(axis=0) == 0)
    if lost.any():  # all that a class has lies around what was held back: then that gives way
        back = (samples.counts[:, lost] > 0).any(axis=1)
        validation = held & ~back & ~_sharing_pixels(samples, back)
        training = back | (~held & ~_sharing_pixels(samples, validation))
    return training, validation


def _sharing_pixels(samples: LocatedSamples, others: np.ndarray) -> np.ndarray:
    """Return which samples have a patch that shares pixels with that of one of `others`, bool, shape (n,)."""
    return near(samples.places, samples.places[others], samples.patch)


def near(places: np.ndarray, others: np.ndarray, distance: float) -> np.ndarray:
    """Return which places are less than `distance` columns and rows away from one of the others, bool, shape (n,).

    Args:
        places, others: columns and rows, shapes (n, 2) and (m, 2).
        distance: in pixels.
    """
    from sklearn.neighbors import KDTree

    if not len(others) or not len(places):
        return np.zeros(len(places), bool)
    found, _ = KDTree(others, metric="chebyshev").query(places)
    return np.asarray(found[:, 0] < distance)
