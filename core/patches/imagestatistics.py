"""Statistics of the images that a model is made for: of patches from the JSON beside them, of others by reading them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..base.progress import Progress
from ..errors import ParameterError
from ..geometry.grid import Box
from ..parameters.rastersource import path_of
from ..rasters.missingpixels import Missing
from ..rasters.rasterstack import Stack
from ..samples.bandstatistics import BandStatistics
from .patchesimage import read_description

Row = Mapping[str, "float | None"]

_VALUES = 1 << 22  # pixel values that are read at a time: 32 MB as float64


def described_statistics(paths: Sequence[Any]) -> list[Row] | None:
    """Return min, max, mean and std of each band of patches images; None where one has no description.

    Args:
        paths: the patches images, whose bands are stacked.
    """
    rows: list[Row] = []
    for path in paths:
        content = read_description(path_of(path))
        if content.get("content") != "patches" or not content.get("statistics"):
            return None
        rows += content["statistics"]
    return rows


def computed_statistics(stack: Stack, missing: Missing, progress: Progress) -> BandStatistics:
    """Return the statistics of all pixels of rasters, band by band.

    Args:
        stack: the rasters.
        missing: what does not count; NaN and infinity never do.
        progress: asked to cancel between blocks.

    Raises:
        RasterError: a part cannot be read.
        Cancelled: `progress` asked to stop.
    """
    statistics = BandStatistics(stack.bands)
    rows = max(1, _VALUES // (stack.grid.width * stack.bands))
    rows = max(rows // stack.block_size[1], 1) * stack.block_size[1]
    for start in range(0, stack.grid.height, rows):
        progress.check()
        box = Box(0, start, stack.grid.width, min(rows, stack.grid.height - start))
        statistics.add(_without_missing(stack.read(box), missing, box))
        progress.fraction((box.y + box.height) / stack.grid.height)
    return statistics


def _without_missing(pixels: np.ndarray, missing: Missing, box: Box) -> np.ndarray:
    if not missing.partly:
        return pixels
    numbers = pixels.astype("float64")
    numbers[missing.by_band(pixels, box)] = np.nan
    return numbers


def variables_of(image: int, statistics: BandStatistics) -> dict[str, float]:
    """Return BandMathX's variables of an image's statistics: im1b1Mini, Maxi, Mean, Sum, and Var (unbiased)."""
    found: dict[str, float] = {}
    for band, (row, count) in enumerate(zip(statistics.rows(), statistics.counts), 1):
        low, high, mean, deviation = (row[name] for name in ("min", "max", "mean", "std"))
        if low is None or high is None or mean is None or deviation is None:
            raise ParameterError(
                "Band {band} of image {image} holds no number, so it has no statistics: leave it out.",
                band=band,
                image=image,
            )
        name = f"im{image}b{band}"
        found.update({f"{name}Mini": low, f"{name}Maxi": high, f"{name}Mean": mean, f"{name}Sum": mean * count})
        found[f"{name}Var"] = deviation**2 * count / max(count - 1, 1)
    return found
