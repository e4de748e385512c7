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
    x0, dx, rx, y0, ry, dy = dataset.GetGeoTransform()
    width, height = dataset.RasterXSize, dataset.RasterYSize
    places = ((0, 0), (width, 0), (width, height), (0, height))
    return [(x0 + dx * column + rx * row, y0 + ry * column + dy * row) for column, row in places]


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
