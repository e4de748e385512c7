"""What GDAL's own Polygonize and Sieve make of a whole map in memory, for comparison."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from osgeo import gdal, ogr


def in_memory(codes: np.ndarray) -> Any:
    """A raster of the codes, in columns and rows."""
    dataset = gdal.GetDriverByName("MEM").Create("", codes.shape[1], codes.shape[0], 1, gdal.GDT_Int32)
    dataset.SetGeoTransform((0, 1, 0, 0, 0, 1.0))
    dataset.GetRasterBand(1).WriteArray(codes)
    return dataset


def polygonized(codes: np.ndarray) -> list[tuple[int, Any]]:
    """Class and outline of the polygons of all codes from 0."""
    source, mask = in_memory(codes), in_memory((codes >= 0).astype("int32"))
    layers = ogr.GetDriverByName("Memory").CreateDataSource("")
    layer = layers.CreateLayer("polygons", None, ogr.wkbPolygon)
    layer.CreateField(ogr.FieldDefn("code", ogr.OFTInteger))
    gdal.Polygonize(source.GetRasterBand(1), mask.GetRasterBand(1), layer, 0)
    return [(feature["code"], feature.GetGeometryRef().Clone()) for feature in layer]


def sieved(codes: np.ndarray, smallest: int) -> np.ndarray:
    """The codes after the sieve, with -1 as no-data."""
    source, mask, target = in_memory(codes), in_memory((codes >= 0).astype("int32")), in_memory(codes)
    bands = [dataset.GetRasterBand(1) for dataset in (source, mask, target)]
    gdal.SieveFilter(*bands, smallest, 4)
    return np.where(codes < 0, -1, target.GetRasterBand(1).ReadAsArray())


def assert_same(found: list[tuple[int, Any]], expected: list[tuple[int, Any]]) -> None:
    """Compare polygons as sets: where each lies, not where its outline begins."""
    left = defaultdict(list)
    for code, outline in expected:
        whole = outline if outline.IsValid() else outline.MakeValid()  # GDAL's own may touch themselves
        left[code, whole.GetEnvelope(), round(whole.Area(), 6)].append(whole)
    assert len(found) == len(expected)
    for code, outline in found:
        assert outline.IsValid(), outline.ExportToWkt()
        alike = left[code, outline.GetEnvelope(), round(outline.Area(), 6)]
        same = [other for other in alike if outline.SymDifference(other).Area() == 0]
        assert same, outline.ExportToWkt()
        alike.remove(same[0])
