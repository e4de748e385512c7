"""The fields of the scene as polygons: what `field_boundaries` learns from, and is compared with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from osgeo import gdal, ogr

from ..base.progress import Progress
from ..files.staging import Staging
from .parcels import LandCover, Parcels
from .referenceclasses import named_classes
from .referencefiles import write_layer

GROWN = (LandCover.FARM, LandCover.GRASSLAND)
"""Land cover of the parcels that are fields."""

_SMALLEST = 1000.0
"""Area in m² below which a part of a parcel is a splinter of its crooked border, and no field."""


def field_numbers(parcels: Parcels, parcel: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the number of the field that each pixel lies in, counted from 1; 0 outside of fields."""
    return np.where(np.isin(parcels.cover[parcel], GROWN), parcel + 1, 0).astype(np.int32)


def write_fields(numbers: gdal.Dataset, parcels: Parcels, staging: Staging, progress: Progress) -> None:
    """Write the fields as a GeoPackage layer with the fields `class` and `name`.

    Args:
        numbers: a raster of what `field_numbers` returns, open for writing still; 0 is its no-data value.
        parcels: of the scene.
        staging: where the GeoPackage is made; the layer is named after the file.
        progress: may cancel.

    Raises:
        VectorError: it cannot be written.
        Cancelled: the user has asked to stop.
    """

    def fill(_: gdal.Dataset, layer: ogr.Layer) -> None:
        pieces = ogr.GetDriverByName("Memory").CreateDataSource("")
        found = pieces.CreateLayer("", layer.GetSpatialRef(), ogr.wkbPolygon)
        found.CreateField(ogr.FieldDefn("number", ogr.OFTInteger))
        band = numbers.GetRasterBand(1)
        gdal.Polygonize(band, band.GetMaskBand(), found, 0, [], lambda *_: 0 if progress.cancelled() else 1)
        _copy(found, layer, parcels)

    write_layer(numbers, staging, fill, progress)


def _copy(found: ogr.Layer, layer: ogr.Layer, parcels: Parcels) -> None:
    names = {int(class_): name for class_, (name, _) in named_classes().items()}
    layer.StartTransaction()
    for piece in found:
        if piece.GetGeometryRef().GetArea() < _SMALLEST:
            continue
        class_ = int(parcels.cover[piece.GetField("number") - 1])
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetField("class", class_)
        feature.SetField("name", names[class_])
        feature.SetGeometry(piece.GetGeometryRef())
        layer.CreateFeature(feature)
    layer.CommitTransaction()
