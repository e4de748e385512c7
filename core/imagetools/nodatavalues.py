"""The work of ManageNoData: masks of no-data pixels, and other no-data values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.progress import Progress
from ..errors import field
from ..geometry.grid import Box
from ..parameters.nodatarules import WITH_GAPS
from ..rasters.alpha import open_images
from ..rasters.conversion import Converter
from ..rasters.pixeltypes import check_fits, written_type
from ..rasters.rasterstack import Stack
from ..samples.validity import Validity
from .tooloutput import check_output, converted, output_raster, results, warn, warn_of_marks, write_by_tiles

if TYPE_CHECKING:
    from ..operations.managenodata import ManageNoData


def manage_nodata(parameters: ManageNoData, progress: Progress) -> dict[str, Any]:
    """Write the mask or the image; return `out`, `width`, `height` and `bands`.

    Raises:
        ParameterError, RasterError: bad input, before work starts.
        Cancelled: `progress` asked to stop; nothing is left behind.
    """
    image = open_images([parameters.image], parameters.alpha, progress, placed=False)
    check_output(parameters)
    if parameters.mode == "buildmask":
        return _mask(parameters, image, progress)
    if parameters.mode == "changevalue":
        return _changed(parameters, image, progress)
    return _applied(parameters, image, progress)


def _mask(parameters: ManageNoData, image: Stack, progress: Progress) -> dict[str, Any]:
    dtype = written_type("float32", parameters.out_pixeltype)
    inside, outside = parameters.mode_buildmask_inv, parameters.mode_buildmask_outv
    check_fits(inside, dtype, field("mode_buildmask_inv"))
    check_fits(outside, dtype, field("mode_buildmask_outv"))
    missing = image.missing(nan=parameters.usenan, rule=WITH_GAPS)

    def pixels(part: Box) -> np.ndarray:
        empty = missing.marked(image.read(part), part)
        return np.where(empty, outside, inside).astype(dtype)[..., None]

    return _written(parameters, image, 1, dtype, pixels, None, progress)


def _changed(parameters: ManageNoData, image: Stack, progress: Progress) -> dict[str, Any]:
    dtype = written_type(image.dtype.name, parameters.out_pixeltype)
    value = parameters.mode_changevalue_newv
    check_fits(value, dtype, field("mode_changevalue_newv"))
    converter, missing = Converter(dtype, value), image.missing(nan=parameters.usenan)

    def pixels(part: Box) -> np.ndarray:
        read = image.read(part)
        found = converted(read, converter)
        empty = missing.by_band(read, part)
        if empty.any():
            found = found.copy() if found is read else found
            found[empty] = value
        return found

    found = _written(parameters, image, image.bands, dtype, pixels, value, progress)
    warn(converter, value, progress)
    return found


def _applied(parameters: ManageNoData, image: Stack, progress: Progress) -> dict[str, Any]:
    warn_of_marks(image, progress)
    dtype = written_type(image.dtype.name, parameters.out_pixeltype)
    value = parameters.mode_apply_ndval
    check_fits(value, dtype, field("mode_apply_ndval"))
    mask, converter = Validity(image, None, False, parameters.mode_apply_mask), Converter(dtype, value)

    def pixels(part: Box) -> np.ndarray:
        found = np.array(converted(image.read(part), converter))
        found[~mask.read(part)] = value
        return found

    found = _written(parameters, image, image.bands, dtype, pixels, value, progress)
    warn(converter, value, progress)
    return found


def _written(
    parameters: ManageNoData,
    image: Stack,
    bands: int,
    dtype: np.dtype,
    pixels: Any,
    nodata: float | None,
    progress: Progress,
) -> dict[str, Any]:
    box = image.grid.box
    with output_raster(parameters, image.grid, bands, dtype, image.reference, progress, nodata) as raster:
        each = float(image.bands * (2 * image.dtype.itemsize + 16))
        write_by_tiles(raster, box, each, parameters.memory, pixels, progress)
        raster.commit(progress)
    return results(parameters.out, box, bands)
