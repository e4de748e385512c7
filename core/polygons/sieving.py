"""Merging small groups of pixels into their largest neighbour, as GDAL's sieve filter does, strip by strip.

The map is read twice for that, and once more by whoever takes the outcome: first the sizes are counted, then the
neighbours compared. What is kept of each group of connected pixels are a few numbers; GDAL keeps as many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from .components import NO_CLASS, components_of, joined

Read = Callable[[], Iterable[np.ndarray]]
"""Reads the codes of a map's pixels strip by strip, always the same strips."""


def sieved(read: Read, smallest: int) -> tuple[Callable[[int, np.ndarray], np.ndarray], int]:
    """Return what gives the codes of a strip, by its number and its own codes, after merging, and how many were merged.

    A group of fewer pixels than `smallest` becomes part of its largest neighbour; where that is small too, of the
    largest neighbour of that, and so on. Of neighbours of one size, the one that is met first counts, row by row, upper
    neighbours before left ones. A group whose chain of neighbours comes to no large one stays.
    """
    sizes, codes, roots, offsets = _groups(read())
    largest = _largest_neighbours(read(), smallest, sizes, roots, offsets)
    ends = largest.copy()
    for _ in range(len(ends).bit_length()):
        ends = ends[ends]
    merged = (sizes < smallest) & (sizes[ends] >= smallest) & (codes != NO_CLASS)
    targets = np.where(merged, ends, np.arange(len(ends)))
    table = codes[targets[roots]]
    own = roots == np.arange(len(roots))

    def apply(number: int, strip: np.ndarray) -> np.ndarray:
        return np.asarray(table[offsets[number] + components_of(strip).labels])

    return apply, int((merged & own).sum())


def _groups(strips: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[int]]:
    """Return sizes and codes of the groups by number, the first number of each group's parts, and those of the strips."""
    sizes, codes, offsets, pairs = [], [], [0], []
    above: tuple[np.ndarray, np.ndarray] | None = None
    for strip in strips:
        found = components_of(strip)
        labels = offsets[-1] + found.labels[[0, -1]].astype("int64")
        if above is not None:
            alike = above[0] == strip[0]
            pairs.append(np.unique(np.stack((above[1][alike], labels[0][alike])), axis=1))
        above = strip[-1].copy(), labels[1]
        sizes.append(found.pixels)
        codes.append(found.codes)
        offsets.append(offsets[-1] + len(found.codes))
    both = np.concatenate(pairs, axis=1) if pairs else np.empty((2, 0), "int64")
    roots = joined(offsets[-1], both[0], both[1])
    return (
        np.bincount(roots, np.concatenate(sizes), len(roots)).astype("int64"),
        np.concatenate(codes),
        roots,
        offsets,
    )


def _largest_neighbours(
    strips: Iterable[np.ndarray], smallest: int, sizes: np.ndarray, roots: np.ndarray, offsets: list[int]
) -> np.ndarray:
    """Return the number of the largest neighbour of each small group; a group's own where it has none, or is large."""
    largest = np.arange(len(roots))
    best = np.zeros(len(roots), "int64")
    above: np.ndarray | None = None
    for number, strip in enumerate(strips):
        groups = roots[offsets[number] + components_of(strip).labels]
        groups[strip == NO_CLASS] = -1
        if above is not None:
            groups = np.concatenate((above, groups))
        ones, others = _contacts(groups, first=0 if above is None else 1)
        above = groups[-1:].copy()
        ones, others = np.concatenate((ones, others)), np.concatenate((others, ones))  # in the order of both
        met = np.tile(np.arange(len(ones) // 2), 2)
        small = sizes[ones] < smallest
        ones, others, met = ones[small], others[small], met[small]
        order = np.lexsort((met, -sizes[others], ones))
        firsts = order[np.flatnonzero(np.diff(ones[order], prepend=-1))]
        better = firsts[sizes[others[firsts]] > best[ones[firsts]]]
        largest[ones[better]], best[ones[better]] = others[better], sizes[others[better]]
    return largest


def _contacts(groups: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the neighbours of pixels from the row `first` on, each with the pixel above, then with that on its left."""
    rows, columns = groups.shape
    neighbours = np.full((rows, columns, 2), -1, groups.dtype)
    neighbours[1:, :, 0] = groups[:-1]
    neighbours[:, 1:, 1] = groups[:, :-1]
    here = np.broadcast_to(groups[:, :, None], neighbours.shape)
    touching = (here != neighbours) & (here >= 0) & (neighbours >= 0)
    touching[:first] = False
    return here[touching].astype("int64"), neighbours[touching].astype("int64")
