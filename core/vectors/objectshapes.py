"""The objects that the geometry of a feature stands for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from osgeo import ogr


def objects_in(shape: Any) -> list[Any]:
    """Return copies of a geometry's objects: each point by itself, and polygons, or what else there is, as one.

    Args:
        shape: OGR's geometry; None and an empty one hold no object.
    """
    if shape is None or shape.IsEmpty():
        return []
    if shape.GetDimension():
        return [shape.Clone()]
    return [point.Clone() for point in _single(shape) if not point.IsEmpty()]


def polygons_in(shape: Any) -> Any:
    """Return the polygons of a geometry as one polygon or multipolygon, without curves and heights; a polygon as it is."""
    if shape.GetGeometryType() == ogr.wkbPolygon:
        return shape
    flat = shape.GetLinearGeometry() if shape.HasCurveGeometry() else shape.Clone()
    flat.FlattenTo2D()
    found = [part for part in _single(flat) if part.GetGeometryType() == ogr.wkbPolygon]
    if len(found) == 1:
        return found[0].Clone()
    every = ogr.Geometry(ogr.wkbMultiPolygon)
    for part in found:
        every.AddGeometry(part)
    return every


def repaired(shape: Any) -> Any:
    """Return a polygon whose borders cross as the polygons that they enclose, others as they are.

    The caller collects what GDAL tells meanwhile.
    """
    made = None if shape.IsValid() else shape.MakeValid()
    found = None if made is None else polygons_in(made)
    return shape if found is None or found.IsEmpty() else found


def _single(shape: Any) -> Iterator[Any]:
    """Yield the parts of a geometry that have no parts themselves; rings are no parts."""
    kind = ogr.GT_Flatten(shape.GetGeometryType())
    if kind in (ogr.wkbPoint, ogr.wkbPolygon) or not shape.GetGeometryCount():
        yield shape
    else:
        for index in range(shape.GetGeometryCount()):
            yield from _single(shape.GetGeometryRef(index))
