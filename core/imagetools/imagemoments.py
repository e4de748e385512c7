"""The work of ComputeImagesStatistics: mean and standard deviation of each band of images."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.progress import Part, Progress
from ..errors import NothingInsideError, RasterError, field
from ..files.staging import check_file, write_text_file
from ..geometry import tiling
from ..phrases import Phrase
from ..rasters.alpha import open_images
from ..rasters.rasterstack import Stack
from ..samples.bandmoments import BandMoments
from ..samples.bandstatistics import BandStatistics
from .tooloutput import BLOCK, ENOUGH_PIXELS

if TYPE_CHECKING:
    from ..operations.computeimagesstatistics import ComputeImagesStatistics

_MB = 1 << 20


def compute_statistics(parameters: ComputeImagesStatistics, progress: Progress) -> dict[str, Any]:
    """Write the statistics; return `out`, `pixels`, `images` and `bands`.

    Raises:
        ParameterError, RasterError: bad input, before work starts where it shows before.
        NothingInsideError: no pixel has data.
        Cancelled: `progress` asked to stop; nothing is left behind.
    """
    check_file(parameters.out, field("out"))
    images = [open_images([given], parameters.alpha, progress, placed=False) for given in parameters.il]
    for image in images:
        image.check_real()
    _check_bands(images)
    found: list[BandMoments] = []
    total, done = sum(image.grid.box.area for image in images), 0
    for image in images:
        after = done + image.grid.box.area
        found.append(_moments(image, parameters, Part(progress, done / total, after / total)))
        if not found[-1].pixels and len(images) > 1:
            progress.warning(Phrase("{image} has no pixel with data, and adds nothing.", image=image.names[0]))
        done = after
    together = reduce(BandMoments.beside, found)
    if not together.pixels:
        raise NothingInsideError("{il}: no pixel has data in all bands.", il=field("il"))
    write_text_file(parameters.out, together.xml(), progress, field("out"))
    return {"out": parameters.out, "pixels": together.pixels, "images": together.images, "bands": images[0].bands}


def _check_bands(images: list[Stack]) -> None:
    """Raise RasterError unless all images have as many bands."""
    for image in images:
        if image.bands != images[0].bands:
            raise RasterError(
                "{il}: {image} has {bands} bands, but {first} has {first_bands}: all must have the same.",
                il=field("il"),
                image=image.names[0],
                bands=image.bands,
                first=images[0].names[0],
                first_bands=images[0].bands,
            )


def _moments(image: Stack, parameters: ComputeImagesStatistics, progress: Progress) -> BandMoments:
    """Return the moments of the pixels of an image that have data, and another value than the background, in all bands."""
    missing, box = image.missing(None, parameters.nodata_from_layer, nan=True), image.grid.box
    background = parameters.bv
    each = image.bands * (2 * image.dtype.itemsize + 32)
    width, height = tiling.plan(
        box.width,
        box.height,
        lambda width, height: float(width * height * each),
        parameters.ram * _MB,
        True,
        lambda width, height: width * height >= ENOUGH_PIXELS,
        BLOCK,
    )
    statistics, done = BandStatistics(image.bands), 0
    for part in tiling.tiles(box.width, box.height, width, height):
        progress.check()
        values = image.read(part)
        counted = ~missing.by_band(values, part).any(axis=-1) & np.isfinite(values).all(axis=-1)
        if background is not None:
            counted &= (values != background).any(axis=-1)
        statistics.add(values[counted])
        done += part.area
        progress.fraction(done / box.area)
    return BandMoments.of_image(statistics)
