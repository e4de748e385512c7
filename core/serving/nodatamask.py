"""No-data outputs: those of whose source pixels all are no-data, or more than the rule accepts."""

from __future__ import annotations

import numpy as np

from ..geometry.grid import Box
from ..parameters.nodatarules import WITHOUT_BANDS, NodataRule
from ..probing.sources import OpenSource

Lines = tuple[list[int], list[int]]
"""First and end pixel of each output's footprint along one axis."""


def holds_nothing(source: OpenSource, columns: Lines, rows: Lines) -> bool:
    """Return whether all of a source's pixels below some outputs are no-data, as far as this is known without reading."""
    if source.nodata is None:
        return False
    box = under(columns, rows)
    values = source.stack.without_data(box)
    return values is not None and source.nodata.throughout(values, box)


def under(columns: Lines, rows: Lines) -> Box:
    """Return the pixels below outputs with these footprints."""
    return Box(columns[0][0], rows[0][0], columns[1][-1] - columns[0][0], rows[1][-1] - rows[0][0])


def nodata_outputs(
    mask: np.ndarray, columns: Lines, rows: Lines, window: Box, rule: NodataRule = WITHOUT_BANDS
) -> np.ndarray:
    """Return for each output whether it is no-data: the source pixels of its footprint are.

    Args:
        mask: no-data pixels of `window`.
        columns, rows: first and end pixel of each output's footprint, in the source.
        window: what was read of the source.
        rule: says how many pixels of a footprint may be no-data.
    """
    left, right = (np.asarray(c) - window.x for c in columns)
    top, bottom = (np.asarray(r) - window.y for r in rows)
    below = mask[top[0] : bottom[-1], left[0] : right[-1]]
    if not below.any() or below.all():
        return np.full((len(top), len(left)), below[0, 0])
    if below.shape == (len(top), len(left)):  # a pixel for each output
        return below
    sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int64)
    np.cumsum(np.cumsum(mask, axis=0), axis=1, out=sums[1:, 1:])
    count = (
        sums[np.ix_(bottom, right)] - sums[np.ix_(top, right)] - sums[np.ix_(bottom, left)] + sums[np.ix_(top, left)]
    )
    area = (bottom - top)[:, None] * (right - left)[None, :]
    found: np.ndarray = count > rule.pixels_allowed(area)
    return found
