"""Reading patches images with GDAL, and names that models share.

GDAL is imported by the functions that need it, so that the rest of the API works without.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from .errors import EngineError, RasterError


def gdal_open(filename: str | os.PathLike[str]) -> Any:
    """Open a raster.

    Args:
        filename: a path, or any other name that GDAL opens.

    Returns:
        GDAL's dataset.

    Raises:
        RasterError: it does not exist, or GDAL cannot read it.
        EngineError: GDAL is missing.
    """
    _check_gdal()
    from .rasters.opening import open_dataset

    return open_dataset(os.fspath(filename))[0]


def read_as_np_arr(gdal_ds: Any, as_patches: bool = True) -> np.ndarray:
    """Read a whole raster.

    Args:
        gdal_ds: GDAL's dataset.
        as_patches: True for a patches image, whose patches lie one below the other.

    Returns:
        A float32 array of shape (n, patch rows, patch columns, bands), or (1, rows, columns, bands)
        where `as_patches` is False.

    Raises:
        RasterError: it cannot be read, or its height is no multiple of the patch's.
    """
    height = patch_height(gdal_ds) if as_patches else gdal_ds.RasterYSize
    pixels = read_rows(gdal_ds, 0, gdal_ds.RasterYSize, np.dtype("float32"))
    return pixels.reshape(-1, height, *pixels.shape[1:])


def patch_height(gdal_ds: Any) -> int:
    """Return the rows of a patch: what the JSON beside the patches image says, else as many as it has columns.

    Raises:
        RasterError: the height of the image is no multiple of it.
    """
    from .sampling.patchesimage import read_description

    height = int(read_description(gdal_ds.GetDescription()).get("patch_height", gdal_ds.RasterXSize))
    if gdal_ds.RasterYSize % height:
        raise RasterError(
            f"{gdal_ds.GetDescription()} has {gdal_ds.RasterXSize} x {gdal_ds.RasterYSize} pixels, so its height is no "
            f"multiple of a patch of {height} rows: give a patches image as PatchesExtraction writes it."
        )
    return height


def read_rows(gdal_ds: Any, start: int, rows: int, dtype: np.dtype) -> np.ndarray:
    """Read rows of a raster over its whole width.

    Args:
        gdal_ds: GDAL's dataset.
        start: the first row.
        rows: how many.
        dtype: of the result.

    Returns:
        An array of shape (rows, columns, bands).

    Raises:
        RasterError: they cannot be read.
    """
    from .rasters.gdal_calls import collected_errors
    from .rasters.types import gdal_type

    bands, columns = gdal_ds.RasterCount, gdal_ds.RasterXSize
    pixels = np.empty((rows, columns, bands) if bands > 1 else (rows, columns), dtype)
    read = None
    with collected_errors() as errors:
        read = gdal_ds.ReadAsArray(
            0, start, columns, rows, buf_obj=pixels, buf_type=gdal_type(dtype), interleave="pixel"
        )
    if read is None:
        raise RasterError(
            f"Cannot read rows {start} to {start + rows - 1} of {gdal_ds.GetDescription()}: {errors}. Is the file whole?"
        )
    return pixels.reshape(rows, columns, bands)


def cropped_tensor_name(tensor_name: str, crop: int) -> str:
    """Return the name of an output without `crop` pixels on each side, such as `predictions_crop16`."""
    return f"{tensor_name}_crop{crop}"


def _check_gdal() -> None:
    try:
        from osgeo import gdal  # noqa: F401
    except ImportError as error:
        raise EngineError(
            f"GDAL's Python bindings are missing ({error}), without which no raster can be read: install them in the "
            "version of the system's GDAL (python3-gdal, or conda install gdal). TFRecords are read without."
        ) from error
