"""How a request names a vector layer that core can read by itself."""

from __future__ import annotations

import codecs
import locale
from typing import Any

from osgeo import osr
from qgis.core import QgsCoordinateReferenceSystem, QgsVectorLayer

from ..core.errors import VectorError
from ..core.files.gdalcalls import collected_errors
from ..core.parameters.vectorsource import Address
from ..core.vectors.vectoropening import text_encoding


def readable_source(layer: QgsVectorLayer) -> str | dict[str, Any] | None:
    """Return how a request names a layer of which core reads the same features from the file as QGIS shows.

    None where it does not: edits that are not saved, filters, joins, expression fields, another encoding than the
    file's, the lack of a coordinate system that the file has.
    """
    if layer.providerType() != "ogr" or layer.isModified() or layer.subsetString() or _has_added_fields(layer):
        return None
    source = str(layer.source())
    address = Address.of(source)
    if address.others or "authcfg=" in source or _is_one_of_several(layer, address) or not _same_texts(layer, source):
        return None
    own, shown = layer.dataProvider().crs(), layer.crs()
    if shown.isValid():
        return source if shown == own else {"path": source, "crs": crs_text(shown)}
    return None if own.isValid() else source


def crs_text(crs: QgsCoordinateReferenceSystem) -> str:
    """Return the code of a coordinate system, or its WKT where GDAL knows no code for it."""
    code, failed = str(crs.authid()), True
    if code and not code.startswith("USER:"):
        with collected_errors() as errors:
            failed = osr.SpatialReference().SetFromUserInput(code) != 0
        failed = failed or errors.failed
    return str(crs.toWkt(QgsCoordinateReferenceSystem.WktVariant.WKT_PREFERRED_GDAL)) if failed else code


def _has_added_fields(layer: QgsVectorLayer) -> bool:
    """Return whether joins or expressions give the layer fields that its file has not."""
    return bool(layer.fields().count() != layer.dataProvider().fields().count())


def _is_one_of_several(layer: QgsVectorLayer, address: Address) -> bool:
    """Return whether QGIS shows one layer of a file without saying in its source which."""
    if address.layer or address.number is not None or layer.dataProvider().subLayerCount() < 2:
        return False
    try:
        text_encoding(layer.source())
    except VectorError:
        return True
    return False  # the others are styles, which core knows


def _same_texts(layer: QgsVectorLayer, source: str) -> bool:
    """Return whether core decodes the layer's texts as QGIS does, where the user may choose how."""
    shown = layer.dataProvider().encoding() or "UTF-8"
    if layer.storageType() != "ESRI Shapefile":
        return _codec(shown) == "utf-8"
    try:
        return _codec(shown) == _codec(text_encoding(source) or "UTF-8")
    except VectorError:
        return False


def _codec(name: str) -> str:
    name = locale.getpreferredencoding(False) if name.lower() == "system" else name
    try:
        return codecs.lookup(name).name
    except LookupError:
        return name.lower()
