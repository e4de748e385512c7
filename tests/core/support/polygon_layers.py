"""Layers of polygons, read back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from osgeo import gdal, ogr
from serving import ORIGIN


def features(path: str) -> list[dict[str, Any]]:
    dataset = ogr.Open(path)
    return [
        {**feature.items(), "shape": feature.GetGeometryRef() and feature.GetGeometryRef().Clone()}
        for feature in dataset.GetLayer(0)
    ]


def in_pixels(found: Sequence[dict[str, Any]], transform: Sequence[float] = ORIGIN) -> list[tuple[int, Any]]:
    inverse = gdal.InvGeoTransform(transform)
    outlines = []
    for feature in found:
        shape = feature["shape"].Clone()
        for ring in shape:
            for number, point in enumerate(ring.GetPoints()):
                x, y = gdal.ApplyGeoTransform(inverse, *point[:2])
                ring.SetPoint_2D(number, round(x, 6), round(y, 6))
        outlines.append((feature["class"], shape))
    return outlines
