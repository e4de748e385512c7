"""Dividing patches into training, validation and test."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from ..errors import ParameterError, field
from ..parameters.sampleroles import SampleRole
from .patchgrid import PatchGrid

NONE = -1
"""The group of patches that are left out; other groups are numbered as `SampleRole`."""

_BLOCK = 8  # side of a block of patches, in widths of the border that a gap costs it


def block_side(patches: PatchGrid, gap: int) -> int:
    """Return the side, in patches, of the squares that are shared out whole.

    Without a gap, or where patches lie that far apart by themselves, each patch is its own. With a gap, every
    neighbour of another group would be lost; so the groups get squares of patches, which lose only a border. On a
    small image the squares are smaller, so that each group gets one.
    """
    reach, longest = patches.reach(gap), max(patches.rows, patches.columns)
    if not gap or reach <= 0:
        return 1
    return min(_BLOCK * reach, max(2 * reach + 2, -(-longest // 4)), -(-longest // 2))


def chessboard(shape: tuple[int, int], side: int) -> np.ndarray:
    """Return the groups of all patches, int8, of shape `shape`: black squares to training, white to validation."""
    rows, columns = (np.arange(size) // side for size in shape)
    return ((rows[:, None] + columns[None, :]) % 2).astype("int8")


def split(
    chosen: np.ndarray, proportions: Sequence[float], side: int, random: np.random.Generator | None
) -> np.ndarray:
    """Return the groups, int8: each square goes to the group that is furthest behind its proportion.

    Args:
        chosen: the valid patches, bool, shape (rows, columns).
        proportions: of the groups; 0 for one that gets nothing.
        side: of a square, in patches.
        random: shuffles the squares; None takes them in scan order.
    """
    groups = np.full(chosen.shape, NONE, "int8")
    rows, columns = np.nonzero(chosen)
    across = -(-chosen.shape[1] // side)
    squares, member = np.unique((rows // side) * across + columns // side, return_inverse=True)
    sizes = np.bincount(member, minlength=len(squares))
    order = np.arange(len(squares)) if random is None else random.permutation(len(squares))
    total = float(sum(proportions))
    waiting = [(0.0, group) for group, share in enumerate(proportions) if share > 0]
    of_square = np.empty(len(squares), "int8")
    for square, size in zip(order.tolist(), sizes[order].tolist()):
        counter, group = waiting[0]
        of_square[square] = group
        heapq.heapreplace(waiting, (counter + size * total / proportions[group], group))
    groups[rows, columns] = of_square[member.reshape(-1)]
    return groups


def near(mask: np.ndarray, reach: int) -> np.ndarray:
    """Return which patches have one of `mask` at most `reach` steps away in both directions, bool."""
    if reach <= 0:
        return mask.copy()
    rows, columns = mask.shape
    sums = np.zeros((rows + 1, columns + 1), "int64")
    np.cumsum(np.cumsum(mask, axis=0), axis=1, out=sums[1:, 1:])
    top, bottom = np.maximum(np.arange(rows) - reach, 0), np.minimum(np.arange(rows) + reach + 1, rows)
    left, right = np.maximum(np.arange(columns) - reach, 0), np.minimum(np.arange(columns) + reach + 1, columns)
    return np.asarray(
        sums[bottom[:, None], right]
        - sums[top[:, None], right]
        - sums[bottom[:, None], left]
        + sums[top[:, None], left]
        > 0
    )


def keep_apart(groups: np.ndarray, patches: PatchGrid, gap: int) -> int:
    """Take out of `groups` what lies nearer than `gap` pixels to another group; the larger group gives way.

    Returns:
        The number of patches taken out.

    Raises:
        ParameterError: a group would be left empty.
    """
    reach = patches.reach(gap)
    sizes = [int((groups == group).sum()) for group in SampleRole]
    by_size = sorted((group for group in SampleRole if sizes[group]), key=lambda g: (-sizes[g], g))
    for place, larger in enumerate(by_size):
        others = np.isin(groups, by_size[place + 1 :])
        groups[(groups == larger) & near(others, reach) if others.any() else np.zeros(groups.shape, bool)] = NONE
        if not (groups == larger).any():
            raise ParameterError(
                "{gap} is {gap2}, which leaves no patch in the group {short}: choose a smaller gap, smaller patches "
                "or a smaller step.",
                gap=field("gap"),
                gap2=gap,
                short=larger.short,
            )
    return sum(sizes) - int((groups != NONE).sum())


def overlapping(groups: np.ndarray, patches: PatchGrid) -> tuple[int, int]:
    """Return how many training patches overlap a validation patch, and how many validation patches a training patch."""
    reach = patches.reach()
    if reach <= 0:
        return 0, 0
    train, valid = groups == SampleRole.TRAINING, groups == SampleRole.VALIDATION
    return int((train & near(valid, reach)).sum()), int((valid & near(train, reach)).sum())
