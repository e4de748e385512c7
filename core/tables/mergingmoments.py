"""Means and standard deviations of bands, of all rows together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

from ..base.progress import Progress
from ..classifiers.imstat import read_statistics
from ..errors import RasterError, field
from ..files.staging import write_text_file
from ..samples.bandmoments import BandMoments
from .rowcalls import RowCall
from .rowrun import RowOutcome


def merge_moments(
    calls: Sequence[RowCall], outcomes: Sequence[RowOutcome], path: str, progress: Progress
) -> dict[str, Any]:
    """Write what one run over the images of all rows would write; see `merging.Merge`."""
    found = [_of_row(outcome.results) for outcome in outcomes if outcome.results.get("out")]
    bands = {len(moments.mean) for moments in found}
    if len(bands) > 1:
        raise RasterError(
            "The images of the rows have different numbers of bands ({bands}), so that {merge} cannot add them up.",
            bands=", ".join(map(str, sorted(bands))),
            merge=field("merge"),
        )
    merged = reduce(BandMoments.beside, found)
    write_text_file(path, merged.xml(), progress, field("out_merged"))
    return {"pixels": merged.pixels, "images": merged.images, "bands": len(merged.mean)}


def _of_row(results: Mapping[str, Any]) -> BandMoments:
    statistics = read_statistics(str(results["out"]))
    return BandMoments.known(int(results["images"]), int(results["pixels"]), statistics.mean, statistics.deviation)
