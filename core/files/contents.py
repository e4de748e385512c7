"""What existing files hold and refer to, as far as GDAL knows."""

from __future__ import annotations

import contextlib
import re
from typing import Any

from osgeo import gdal

from ..errors import OtbtfError, ParameterError
from .filesbehind import Behind, files_behind
from .gdalcalls import collected_errors, open_unchanged
from .privatecopies import original

_BANDS = re.compile(r"Band\d+")

_OF_ONE_LAYER = (
    "ESRI Shapefile",
    "GeoJSON",
    "GeoJSONSeq",
    "FlatGeobuf",
    "CSV",
    "GML",
    "MapInfo File",
    "OGR_GMT",
    "JML",
)
"""Drivers whose files hold one layer, whatever it is called."""


def files_of(file: str, is_layer: bool) -> list[str]:
    """Return the files from which GDAL reads what it opens as `file`."""
    dataset = None
    with collected_errors():
        dataset = open_unchanged(file, gdal.OF_VECTOR if is_layer else gdal.OF_RASTER, ParameterError)
    if dataset is None:
        return []
    return [original(name) for name in (dataset.GetFileList() or [] if is_layer else files_behind(dataset))]


def names_behind(file: str) -> list[str]:
    """Return the names of all files that a virtual raster names, those that are not there too."""
    dataset = None
    with collected_errors(), contextlib.suppress(OtbtfError):  # what is wrong with it is said when it is read
        dataset = open_unchanged(file, gdal.OF_RASTER, ParameterError)
    return [] if dataset is None else [original(name) for name in Behind(dataset).names]


def other_layers(path: str, stem: str) -> list[str]:
    """Return the layers of a file beside the one that an output would have, which is called `stem`."""
    dataset = None
    with collected_errors():
        dataset = open_unchanged(path, gdal.OF_VECTOR, ParameterError)
    if dataset is None:
        return []
    driver = dataset.GetDriver().ShortName
    names = [dataset.GetLayer(index).GetName() for index in range(dataset.GetLayerCount())]
    if driver == "DXF":
        names = _layers_of_drawing(dataset.GetLayer(0))
        return [name for name in names if name != "0"]
    if len(names) == 1 and driver in _OF_ONE_LAYER:
        return []
    return [name for name in names if name != stem]


def _layers_of_drawing(layer: Any) -> list[str]:
    """Return the layers of a DXF file, which OGR shows as an attribute of one."""
    found: dict[str, None] = {}
    with collected_errors():
        for feature in layer:
            found[feature.GetFieldAsString("Layer")] = None
    return list(found)


def other_rasters(path: str) -> list[str]:
    """Return the parts of a file of several rasters, or the layers of one that holds vectors."""
    dataset = layers = None
    with collected_errors():
        dataset = open_unchanged(path, gdal.OF_RASTER, ParameterError)
    if dataset is not None:
        parts = [name for name, _ in dataset.GetSubDatasets()]
        ours = all(_BANDS.fullmatch(name.rpartition(":")[2]) for name in parts)  # netCDF's bands
        return [] if ours else parts
    with collected_errors():
        layers = open_unchanged(path, gdal.OF_VECTOR, ParameterError)
    return [layers.GetLayer(index).GetName() for index in range(layers.GetLayerCount())] if layers is not None else []
