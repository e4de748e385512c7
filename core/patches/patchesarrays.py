"""Reading patches images with GDAL, and names that models share.

GDAL is imported by the functions that need it, so that the rest of the API works without.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..base.missingpackages import GDAL_MISSING
from ..errors import EngineError, RasterError
from ..machine import preloading

__all__ = ["cropped_tensor_name", "gdal_open", "read_as_np_arr"]


def gdal_open(filename: Any) -> Any:
    """Open a raster.

    Args:
        filename: a path, or any other name that GDAL opens; an open dataset is returned as it is.

    Returns:
        GDAL's dataset.

    Raises:
        RasterError: it does not exist, or GDAL cannot read it.
        EngineError: GDAL is missing.
    """
    _check_gdal()
    from ..files.gdalcalls import mapped_files
    from ..rasters.rasteropening import open_dataset

    with mapped_files():
        return open_dataset(os.fspath(filename) if isinstance(filename, os.PathLike) else filename)[0]


def read_as_np_arr(
    gdal_ds: Any, as_patches: bool = True, dtype: npt.DTypeLike | None = None, patch_rows: int | None = None
) -> np.ndarray:
    """Read a whole raster.

    Args:
        gdal_ds: GDAL's dataset.
        as_patches: True for a patches image, whose patches lie one below the other.
        dtype: of the array; None for float32. Values are cast as NumPy casts them.
        patch_rows: rows of a patch; None for those of `patch_height`.

    Returns:
        An array of shape (n, patch rows, patch columns, bands), or (1, rows, columns, bands)
        where `as_patches` is False.

    Raises:
        RasterError: it cannot be read, or its height is no multiple of the patch's.
    """
    height = patch_height(gdal_ds, patch_rows) if as_patches else gdal_ds.RasterYSize
    pixels = np.empty((gdal_ds.RasterYSize, gdal_ds.RasterXSize, gdal_ds.RasterCount), _read_type(gdal_ds, dtype))
    read_rows([(gdal_ds, 0, pixels)])
    pixels = pixels if dtype is None else pixels.astype(dtype, copy=False)
    return pixels.reshape(-1, height, *pixels.shape[1:])


def _read_type(gdal_ds: Any, dtype: npt.DTypeLike | None) -> np.dtype:
    """Return the dtype in which pixels are read: the raster's own where another one is asked for, which they are cast to."""
    from ..rasters.pixeltypes import numpy_type

    if dtype is None:
        return np.dtype("float32")
    return np.result_type(
        *(numpy_type(gdal_ds.GetRasterBand(band + 1).DataType) for band in range(gdal_ds.RasterCount))
    )


def patch_height(gdal_ds: Any, given: int | None = None) -> int:
    """Return the rows of a patch: `given`, else what the JSON beside the patches image says, else as many as columns.

    Raises:
        RasterError: the height of the image is no multiple of it.
    """
    from ..rasters.inmemory import name_of
    from .patchesimage import read_description

    height = given or int(read_description(name_of(gdal_ds)).get("patch_height", gdal_ds.RasterXSize))
    if gdal_ds.RasterYSize % height:
        raise RasterError(
            "{name} has {columns} x {rows} pixels, so its height is not a multiple of a patch of {height} rows: "
            "give a patches image as PatchesExtraction writes it.",
            name=name_of(gdal_ds),
            columns=gdal_ds.RasterXSize,
            rows=gdal_ds.RasterYSize,
            height=height,
        )
    return height


def read_rows(parts: Iterable[tuple[Any, int, np.ndarray]]) -> None:
    """Read rows of rasters over their whole width, one part after the other.

    Args:
        parts: GDAL's dataset, the first row, and the array that receives the rows in its own dtype: contiguous, of shape
            (rows, columns, bands). A generator may use an array again for its next part.

    Raises:
        RasterError: one cannot be read.
    """
    from ..files.gdalcalls import collected_errors
    from ..rasters.inmemory import name_of
    from ..rasters.pixeltypes import gdal_type
    from ..rasters.rasterfiles import tells_of_truncation

    with collected_errors() as errors:  # not for each part: it takes as long as to read a small one
        for gdal_ds, start, pixels in parts:
            rows, columns, bands = pixels.shape
            item, read = pixels.itemsize, None
            read = gdal_ds.ReadRaster(
                0,
                start,
                columns,
                rows,
                buf_type=gdal_type(pixels.dtype),
                buf_pixel_space=item * bands,
                buf_line_space=item * bands * columns,
                buf_band_space=item,
                buf_obj=pixels.reshape(-1),
            )
            if read is None or errors.failed or (errors.messages and tells_of_truncation(errors.messages)):
                break
        else:
            return
    raise RasterError(
        "Cannot read rows {start} to {start2} of {name}: {errors}. Is the file complete?",
        start=start,
        start2=start + rows - 1,
        name=name_of(gdal_ds),
        errors=errors,
    )


def cropped_tensor_name(tensor_name: str, crop: int) -> str:
    """Return the name of an output without `crop` pixels on each side, such as `predictions_crop16`."""
    return f"{tensor_name}_crop{crop}"


def _check_gdal() -> None:
    preloading.gdal()
    try:
        from osgeo import gdal  # noqa: F401
    except ImportError as error:
        raise EngineError(GDAL_MISSING) from error
