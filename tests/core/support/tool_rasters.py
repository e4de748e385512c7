"""Rasters for OTB's own applications."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal, osr


def write(path: Path, bands: Any, nodata: float | None = None, x: float = 500_000, kind: int = gdal.GDT_Float32) -> str:
    bands = np.asarray(bands)
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), bands.shape[2], bands.shape[1], bands.shape[0], kind)
    system = osr.SpatialReference()
    system.ImportFromEPSG(32631)
    dataset.SetProjection(system.ExportToWkt())
    dataset.SetGeoTransform((x, 10, 0, 4_800_000, 0, -20))
    dataset.WriteArray(bands)
    if nodata is not None:
        for band in range(dataset.RasterCount):
            dataset.GetRasterBand(band + 1).SetNoDataValue(nodata)
    return str(path)
