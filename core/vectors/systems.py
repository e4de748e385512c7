"""The coordinate systems of layers: their own, and those that users assign."""

from __future__ import annotations

from typing import Any

from osgeo import osr

from ..errors import VectorError
from ..files.gdalcalls import collected_errors
from ..parameters.vectorsource import VectorSource

_UNDEFINED = ("Undefined geographic SRS", "Undefined Cartesian SRS")
"""What a GeoPackage calls the coordinate system of a layer that has none."""


def own_system(layer: Any) -> str:
    """Return the WKT of the layer's own coordinate system; empty where it has none."""
    system = layer.GetSpatialRef()
    return system.ExportToWkt() if system is not None and system.GetName() not in _UNDEFINED else ""


def assigned_system(given: VectorSource) -> str:
    """Return the WKT of the coordinate system that the user has assigned.

    Raises:
        VectorError: it is not understood.
    """
    system, code = osr.SpatialReference(), 1
    with collected_errors() as errors:
        code = system.SetFromUserInput(given.crs)
    if code or errors.failed:
        raise VectorError(
            "The coordinate system {crs!r} of the layer {given} is not understood ({errors}): give a code such as "
            "EPSG:32654, or WKT.",
            crs=given.crs,
            given=given,
            errors=errors,
        )
    return str(system.ExportToWkt())
