"""The work of ConcatenateImages: several images of one grid as the bands of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.progress import Progress
from ..geometry.grid import Box
from ..rasters.conversion import Converter
from ..rasters.missingpixels import common_tag
from ..rasters.pixeltypes import written_type
from ..rasters.rasterstack import Stack
from .tooloutput import check_output, converted, output_raster, results, warn, warn_of_marks, write_by_tiles

if TYPE_CHECKING:
    from ..operations.concatenateimages import ConcatenateImages


def concatenate(parameters: ConcatenateImages, progress: Progress) -> dict[str, Any]:
    """Write the image of all bands; return `out`, `width`, `height` and `bands`.

    Raises:
        ParameterError, RasterError: bad input, before work starts.
        Cancelled: `progress` asked to stop; nothing is left behind.
    """
    stack = Stack(parameters.il, placed=False)
    check_output(parameters)
    warn_of_marks(stack, progress)
    dtype = written_type(stack.dtype.name, parameters.out_pixeltype)
    converter = Converter(dtype, 0.0)
    nodata = common_tag(stack.held)

    def pixels(part: Box) -> np.ndarray:
        return converted(stack.read(part), converter)

    box = stack.grid.box
    with output_raster(parameters, stack.grid, stack.bands, dtype, stack.reference, progress, nodata) as raster:
        each = float(stack.bands * (2 * stack.dtype.itemsize + 16))
        write_by_tiles(raster, box, each, parameters.memory, pixels, progress)
        raster.commit(progress)
    warn(converter, 0.0, progress)
    return results(parameters.out, box, stack.bands)
