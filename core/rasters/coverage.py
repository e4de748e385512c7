"""Parts of a raster without data, as sparse files and mosaics with gaps declare them: no pixel is read."""

from __future__ import annotations

import os

from osgeo import gdal

from ..files.gdalcalls import collected_errors


def is_gap(dataset: gdal.Dataset, x: int, y: int, width: int, height: int) -> bool:
    """Return whether a raster holds nothing for a window, so that all its pixels have the same value in each band.

    False where a format does not tell, or where they could differ all the same.
    """
    if dataset.GetDriver().ShortName not in ("GTiff", "VRT") or not _gaps_are_alike(dataset):
        return False
    with collected_errors() as errors:
        for number in range(1, dataset.RasterCount + 1):
            band = dataset.GetRasterBand(number)
            held, _ = band.GetDataCoverageStatus(x, y, width, height, gdal.GDAL_DATA_COVERAGE_STATUS_DATA)
            if held != gdal.GDAL_DATA_COVERAGE_STATUS_EMPTY:
                return False
    return not errors.failed


def _gaps_are_alike(dataset: gdal.Dataset) -> bool:
    """Return whether all that is missing reads as the same.

    In a GeoTIFF, blocks that are missing read as the no-data value, but where the file itself has holes, blocks that
    are there read as 0.
    """
    if dataset.GetDriver().ShortName != "GTiff":
        return True
    values = [dataset.GetRasterBand(number).GetNoDataValue() for number in range(1, dataset.RasterCount + 1)]
    if all(value in (None, 0.0) for value in values):
        return True
    try:
        status = os.stat(dataset.GetDescription())
    except OSError:
        return False
    return getattr(status, "st_blocks", 0) * 512 >= status.st_size
