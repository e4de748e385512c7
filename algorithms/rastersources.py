"""How a request names a raster layer: by its path, and by what QGIS adds to that."""

from __future__ import annotations

import math
import re
from typing import Any

from qgis.core import QgsRasterLayer, QgsRasterRange

from .vectorsources import crs_text

_OPTION = re.compile(r"\|option:([^|]*)")
_CREDENTIAL = re.compile(r"\|credential:([^|=]*)=[^|]*")
_Bounds = QgsRasterRange.BoundsType


def described(layer: QgsRasterLayer) -> dict[str, Any]:
    """Return how a request names a layer of GDAL's provider, as `core.parameters.rastersource.RasterSource` reads it.

    Beside the path there is only what differs from the file.
    """
    found = of_text(str(layer.source()))
    own, shown = layer.dataProvider().crs(), layer.crs()
    if shown.isValid() and shown != own:
        found["crs"] = crs_text(shown)
    provider = layer.dataProvider()
    bands = range(1, layer.bandCount() + 1)
    ranges = [[_range(one) for one in provider.userNoDataValues(band)] for band in bands]
    if any(ranges):
        found["nodata"] = ranges
    used = [bool(provider.useSourceNoDataValue(band)) for band in bands]
    if any(not use and provider.sourceHasNoDataValue(band) for use, band in zip(used, bands)):
        found["use_source_nodata"] = used
    return found


def of_text(text: str) -> dict[str, Any]:
    """Return the parts of `path|option:KEY=VALUE`, as QGIS writes a source with open options.

    It is not `QgsProviderRegistry.decodeUri` that does so: in QGIS 3.22 it takes the option of a layer in a GeoPackage
    for the layer's name.
    """
    options = _OPTION.findall(text)
    described: dict[str, Any] = {"path": _CREDENTIAL.sub("", _OPTION.sub("", text))}
    return {**described, "open_options": options} if options else described


def credentials_of(text: str) -> list[str]:
    """Return the names of the credentials that a source holds for QGIS alone."""
    return _CREDENTIAL.findall(text)


def _range(one: QgsRasterRange) -> list[float]:
    """Return the ends of a range, both of which belong to it."""
    low, high, bounds = one.min(), one.max(), one.bounds()
    low, high = -math.inf if math.isnan(low) else low, math.inf if math.isnan(high) else high  # NaN is no limit
    if bounds in (_Bounds.IncludeMax, _Bounds.Exclusive):
        low = math.nextafter(low, math.inf)
    if bounds in (_Bounds.IncludeMin, _Bounds.Exclusive):
        high = math.nextafter(high, -math.inf)
    return [low, high]
