"""Rasters some pixels of which are marked as missing, in one of the ways that GDAL knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal, gdal_array, osr

PLACE = (300000.0, 10.0, 0.0, 4000000.0, 0.0, -10.0)


def made(
    path: Path,
    pixels: np.ndarray,
    tags: Any = None,
    mask: np.ndarray | None = None,
    external: bool = False,
    south_up: bool = False,
    alpha: bool = False,
    options: tuple[str, ...] = (),
) -> str:
    """Write pixels of shape (height, width, bands), with a tag per band, a mask, or the last band marked as alpha."""
    height, width, bands = pixels.shape
    code = gdal_array.NumericTypeCodeToGDALTypeCode(pixels.dtype.type)
    more = [*options, "PHOTOMETRIC=MINISBLACK"]
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), width, height, bands, code, more)
    if alpha:
        dataset.GetRasterBand(bands).SetColorInterpretation(gdal.GCI_AlphaBand)
    system = osr.SpatialReference()
    system.ImportFromEPSG(32654)
    dataset.SetProjection(system.ExportToWkt())
    dataset.SetGeoTransform((300000, 10, 0, 4000000 - 10 * height, 0, 10) if south_up else PLACE)
    for band in range(bands):
        tag = tags[band] if isinstance(tags, (list, tuple)) else tags
        if tag is not None:
            dataset.GetRasterBand(band + 1).SetNoDataValue(tag)
        dataset.GetRasterBand(band + 1).WriteArray(np.ascontiguousarray(pixels[:: -1 if south_up else 1, :, band]))
    if mask is not None:
        before = gdal.GetThreadLocalConfigOption("GDAL_TIFF_INTERNAL_MASK")
        gdal.SetThreadLocalConfigOption("GDAL_TIFF_INTERNAL_MASK", "NO" if external else "YES")
        dataset.CreateMaskBand(gdal.GMF_PER_DATASET)
        gdal.SetThreadLocalConfigOption("GDAL_TIFF_INTERNAL_MASK", before)
        dataset.GetRasterBand(1).GetMaskBand().WriteArray(np.ascontiguousarray(mask[:: -1 if south_up else 1]))
    del dataset
    return str(path)
