"""Rasters on the grid of another raster, by GDAL's warper; pixels are computed on reading."""

from __future__ import annotations

from typing import Any

from osgeo import gdal

from ..base.addresses import masked
from ..errors import RasterError
from ..files.gdalcalls import collected_errors
from ..geometry.grid import Grid


def warped(
    source: gdal.Dataset, systems: tuple[str, str] | None, grid: Grid, told: str, **options: Any
) -> gdal.Dataset:
    """Return a raster on a grid (its north-up view), in float64: NaN where it has no pixel, which no pixel is taken for.

    Pixels are placed exactly (no approximation of the transformation). The caller names the result beside the data set:
    GDAL writes a virtual raster's XML into the file that its description names.

    Args:
        source: the raster.
        systems: its coordinate system and that of the grid, as WKT (empty for none); None where both are taken for one.
        grid: where it is brought to.
        told: how a message about a failure begins, as `INM: a.tif cannot be brought to the grid of INR`.
        **options: of `gdal.Warp`, such as `resampleAlg` and `srcNodata`.

    Raises:
        RasterError: GDAL cannot do it.
    """
    own, wanted = systems or ("", "")
    made = None
    with collected_errors() as errors:
        made = gdal.Warp(
            "",
            source,
            format="VRT",
            outputBounds=(grid.x.origin, -grid.y.end, grid.x.end, -grid.y.origin),
            width=grid.width,
            height=grid.height,
            srcSRS=own or None,
            dstSRS=wanted or None,
            outputType=gdal.GDT_Float64,
            dstNodata="nan",  # any other value would be changed where a pixel has it
            errorThreshold=0,
            **options,
        )
    if made is None:
        raise RasterError("{told}: {errors}.", told=told, errors=masked(str(errors)))
    return made
