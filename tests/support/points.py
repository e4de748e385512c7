"""Point layers made with OGR alone, and read with it, for the tests of sampling."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal, ogr, osr

_TYPES = {int: ogr.OFTInteger64, float: ogr.OFTReal, str: ogr.OFTString}


def write_points(
    path: Path, places: Sequence[tuple[float, float] | str | None], epsg: int | None = 32654, **fields: Sequence[Any]
) -> str:
    """Write points and return the path.

    Args:
        path: its extension chooses the driver.
        places: x and y of each; a text is any geometry as WKT, None a feature without one.
        epsg: coordinate system.
        fields: values of each field; None is null.
    """
    driver = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".shp": "ESRI Shapefile"}[path.suffix]
    dataset = gdal.GetDriverByName(driver).Create(str(path), 0, 0, 0, gdal.GDT_Unknown)
    system = None
    if epsg is not None:
        system = osr.SpatialReference()
        system.ImportFromEPSG(epsg)
        system.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    shapes = [
        None
        if place is None
        else ogr.CreateGeometryFromWkt(place if isinstance(place, str) else f"POINT({place[0]!r} {place[1]!r})")
        for place in places
    ]
    kinds = {shape.GetGeometryType() for shape in shapes if shape is not None}
    layer = dataset.CreateLayer(path.stem, system, kinds.pop() if len(kinds) == 1 else ogr.wkbUnknown)
    for name, values in fields.items():
        kind = next((type(value) for value in values if value is not None), int)
        layer.CreateField(ogr.FieldDefn(name, _TYPES[kind]))
    for row, shape in enumerate(shapes):
        feature = ogr.Feature(layer.GetLayerDefn())
        if shape is not None:
            feature.SetGeometry(shape)
        for name, values in fields.items():
            if values[row] is not None:
                feature.SetField(name, values[row])
        layer.CreateFeature(feature)
    del feature, layer
    dataset.FlushCache()
    return str(path)


def read_points(path: str | Path, field: str) -> np.ndarray:
    """Return x, y and the value of a field of all points, shape (n, 3), as OGR reads them."""
    dataset = gdal.OpenEx(str(path), gdal.OF_VECTOR)
    layer = dataset.GetLayer(0)
    rows = []
    for feature in layer:
        shape = feature.GetGeometryRef()
        rows.append((shape.GetX(), shape.GetY(), feature.GetField(field)))
    return np.array(rows, "float64").reshape(-1, 3)
