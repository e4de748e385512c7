"""The files that a virtual raster stacks."""

from __future__ import annotations

import html
import re
from typing import Any

_FILE = re.compile(r"<SourceFilename[^>]*>(.*?)</SourceFilename>", re.DOTALL)


def stacked_files(dataset: Any) -> list[str]:
    """Return the file behind each band of a virtual raster that stacks files, as `gdalbuildvrt -separate` makes it.

    The list is empty for other data sets, where a band shows several files or none, and where all show the same.
    """
    if dataset.GetDriver().ShortName != "VRT":
        return []
    found = []
    for band in range(1, dataset.RasterCount + 1):
        sources = dataset.GetRasterBand(band).GetMetadata("vrt_sources") or {}
        named = _FILE.search(next(iter(sources.values()), ""))
        if len(sources) != 1 or named is None:  # a mosaic, perhaps of thousands: the first band tells
            return []
        found.append(html.unescape(named[1]))
    return found if len(set(found)) > 1 else []
