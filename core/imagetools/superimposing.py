"""The work of Superimpose: an image brought to the grid of another, by GDAL's warper."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.progress import Progress
from ..errors import field
from ..geometry.grid import Box
from ..phrases import Phrase
from ..rasters.conversion import Converter
from ..rasters.inmemory import Opened
from ..rasters.pixeltypes import check_fits, written_type
from ..rasters.rasterreference import check_references
from ..rasters.rasterstack import Stack
from ..rasters.warping import warped
from .tooloutput import check_output, converted, output_raster, results, warn, warn_of_marks, write_by_tiles

if TYPE_CHECKING:
    from ..operations.superimpose import Superimpose

_ALGORITHMS = {"nn": "near", "linear": "bilinear", "bco": "cubic"}


def superimpose(parameters: Superimpose, progress: Progress) -> dict[str, Any]:
    """Write the image on the grid of the reference; return `out`, `width`, `height` and `bands`.

    Raises:
        ParameterError, RasterError: bad input, before work starts.
        Cancelled: `progress` asked to stop; nothing is left behind.
    """
    reference, moved = Stack([parameters.inr]), Stack([parameters.inm])
    check_output(parameters)
    source_nodata, complete = _source_nodata(moved)
    if not complete:
        warn_of_marks(moved, progress)
    if not (reference.reference.wkt and moved.reference.wkt):
        check_references([(stack.names[0], stack.reference) for stack in (reference, moved)])
    dtype = written_type(moved.dtype.name, parameters.out_pixeltype)
    check_fits(parameters.fv, dtype, field("fv"))
    image, converter = Stack([_warped(parameters, reference, moved, source_nodata)]), Converter(dtype, parameters.fv)

    def pixels(part: Box) -> np.ndarray:
        read = image.read(part)
        return converted(np.where(np.isnan(read), parameters.fv, read), converter)

    grid, box = reference.grid, reference.grid.box
    with output_raster(parameters, grid, moved.bands, dtype, reference.reference, progress, parameters.fv) as raster:
        write_by_tiles(raster, box, 40.0 * moved.bands, parameters.memory, pixels, progress)
        raster.commit(progress)
    warn(converter, parameters.fv, progress)
    return results(parameters.out, box, moved.bands)


def _source_nodata(moved: Stack) -> tuple[str | None, bool]:
    """Return the no-data values of which GDAL is told, one for each band, and whether they and its masks say all.

    None where GDAL follows the file: its values, or else its mask; of both together it may pass over the mask. NaN is
    never interpolated.
    """
    values, single = [], True
    for held in moved.held:
        known = [*([] if held.tag is None else [(held.tag, held.tag)]), *held.ranges]
        values.append(known[0][0] if known and known[0][0] == known[0][1] else math.nan)
        single &= len(known) < 2 and all(low == high for low, high in known)
    own = [moved.datasets[0].GetRasterBand(number + 1).GetNoDataValue() for number in range(moved.bands)]
    masked_too = any(held.masks for held in moved.held)
    if all(value == tag or (tag is None and value != value) for value, tag in zip(values, own)):
        return None, single and not (masked_too and any(tag is not None for tag in own))
    if all(value != value for value in values):
        return "none", single
    return " ".join(repr(value) for value in values), single and not masked_too


def _warped(parameters: Superimpose, reference: Stack, moved: Stack, source_nodata: str | None) -> Opened:
    """Return the image on the reference's grid (its north-up view), read when it is asked for; NaN where it is not."""
    dataset = warped(
        moved.datasets[0],
        (moved.reference.wkt, reference.reference.wkt),
        reference.grid,
        Phrase(
            "{inm} is {name}, which cannot be brought to the grid of {inr}",
            inm=field("inm"),
            name=moved.names[0],
            inr=field("inr"),
        ),
        srcNodata=source_nodata,
        resampleAlg=_ALGORITHMS[parameters.interpolator],
        # As OTB does, a coarser image is interpolated at its pixels' centres, not averaged.
        warpOptions=["XSCALE=1", "YSCALE=1", "UNIFIED_SRC_NODATA=NO"],
        options=["-nosrcalpha"],  # a band that is marked as alpha is brought there like the others
    )
    return Opened(dataset, moved.names[0])
