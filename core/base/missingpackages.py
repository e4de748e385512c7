"""Messages about packages that a Python lacks."""

from __future__ import annotations

from ..phrases import Phrase

GDAL_MISSING = Phrase(
    Phrase(
        "GDAL's Python bindings are missing, without which no raster can be read: install them in the version of the "
        "system's GDAL (python3-gdal, or conda install gdal). TFRecords are read without."
    )
)
