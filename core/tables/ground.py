"""The ground that a raster covers."""

from __future__ import annotations

import numpy as np
from osgeo import gdal

from ..errors import OtbtfError
from ..rasters.inmemory import crs_wkt
from ..rasters.rasterreference import Reference
from ..vectors.transformation import Transformation

Corners = list[tuple[float, float]]
"""x and y of the corners, from the upper left around to the lower left."""


def corners(dataset: gdal.Dataset) -> Corners:
    """Return the corners of a raster in its own coordinates."""
    transform, width, height = dataset.GetGeoTransform(), dataset.RasterXSize, dataset.RasterYSize
    x_and_y = (gdal.ApplyGeoTransform(transform, *at) for at in ((0, 0), (width, 0), (width, height), (0, height)))
    return [(x, y) for x, y in x_and_y]


def longitudes_and_latitudes(reference: Reference, places: Corners) -> Corners | None:
    """Return places in degrees of WGS 84; None where they cannot be told."""
    if not reference.wkt:
        return None
    x, y = np.array(places, np.float64).T
    try:
        found = Transformation(reference, Reference(crs_wkt("EPSG:4326"), True)).points(x, y)
    except OtbtfError:
        return None
    if not all(np.isfinite(values).all() for values in found):
        return None
    return list(zip(*(values.tolist() for values in found)))
