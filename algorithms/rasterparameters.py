"""Processing's parameters for rasters, without the layers that QGIS would make of what is given.

QGIS loads each path as a layer to check it, and again for the log and the history. It does so in the main thread: it waits
for servers, estimates statistics, writes them beside the raster, and has GDAL print errors, since patches images have no
georeferencing and clouds leave no valid pixels. QGIS 3.22 even refuses addresses. `Reader` and core open rasters when the
algorithm runs, and say more.
"""

from __future__ import annotations

from typing import Any

from qgis.core import (
    NULL,
    QgsMapLayer,
    QgsProcessingContext,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterRasterLayer,
    QgsProcessingUtils,
    QgsProperty,
)


class RasterParameter(QgsProcessingParameterRasterLayer):
    """One raster."""

    def checkValueIsAcceptable(self, value, context=None):
        """Return whether there is a value, or need be none."""
        return _is_enough(self, value)

    def valueAsPythonString(self, value, context):
        """Return the source of a layer, or what was given in quotation marks."""
        if isinstance(value, (str, QgsMapLayer)):
            return _quoted(value, context)
        return super().valueAsPythonString(value, context)


class RastersParameter(QgsProcessingParameterMultipleLayers):
    """Several rasters."""

    def checkValueIsAcceptable(self, value, context=None):
        """Return whether there is a value, or need be none."""
        return _is_enough(self, value)

    def valueAsPythonString(self, value, context):
        """Return the sources of layers, or what was given in quotation marks."""
        if isinstance(value, (str, QgsMapLayer)):
            return _quoted(value, context)
        if isinstance(value, (list, tuple)) and all(isinstance(one, (str, QgsMapLayer)) for one in value):
            return f"[{','.join(_quoted(one, context) for one in value)}]"
        return super().valueAsPythonString(value, context)


def _is_enough(parameter: QgsProcessingParameterDefinition, value: Any) -> bool:
    optional = bool(parameter.flags() & QgsProcessingParameterDefinition.Flag.FlagOptional)
    if isinstance(value, (QgsMapLayer, QgsProperty)):
        return True
    missing = value is None or value == NULL or value == "" or value == []
    return optional or not missing


def _quoted(value: str | QgsMapLayer, context: QgsProcessingContext) -> str:
    layer: Any = value
    if isinstance(value, str):  # a path, or the name or id of a layer that is open
        hint = QgsProcessingUtils.LayerHint.Raster
        layer = QgsProcessingUtils.mapLayerFromString(value, context, False, hint)
    source = QgsProcessingUtils.normalizeLayerSource(layer.source()) if layer is not None else value
    return str(QgsProcessingUtils.stringToPythonLiteral(source))
