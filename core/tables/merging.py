"""The sum of what rows have found: what one run over all of them would have written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..base.progress import Progress
from .mergingmatrices import merge_matrices
from .mergingmoments import merge_moments
from .mergingpoints import merge_points
from .mergingstatistics import merge_statistics
from .rowcalls import RowCall
from .rowrun import RowOutcome

Merge = Callable[[Sequence[RowCall], Sequence[RowOutcome], str, Progress], dict[str, Any]]
"""Writes the sum of rows that are all done, whole or not at all, and returns its numbers by name.

It takes the calls in the order of the rows, as many outcomes, the path to write to, and a `Progress`. Rows that have nothing
to add have no results, but not all rows. It raises OtbtfError where results do not fit together, or the sum cannot be
written.
"""

MERGES: Mapping[str, Merge] = {
    "PolygonClassStatistics": merge_statistics,
    "DensePolygonClassStatistics": merge_statistics,
    "ComputeImagesStatistics": merge_moments,
    "ComputeConfusionMatrix": merge_matrices,
    "SampleSelection": merge_points,
    "SampleExtraction": merge_points,
}
"""For each operation whose results add up, the function that adds them; the names are `parameters.tableoperations.MERGED`."""
