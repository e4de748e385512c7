"""Polygons as well-known binary, the form in which OGR takes them.

OGC 06-103r4, "Simple feature access, part 1", chapter 8.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..rasters.ellipsoid import planar
from .rings import Ring

_POLYGON, _MULTIPOLYGON = 3, 6


def polygon_wkb(rings: Sequence[Ring], transform: Any) -> bytes:
    """Return a polygon as WKB, little-endian.

    Args:
        rings: the outer one first, in columns and rows.
        transform: GDAL's six numbers, which turn them into coordinates.
    """
    parts = [struct.pack("<BII", 1, _POLYGON, len(rings))]
    for ring in rings:
        pieces = [(line.points if forward else line.points[::-1])[:-1] for line, forward in ring]
        corners = np.concatenate((*pieces, pieces[0][:1]))
        parts += [struct.pack("<I", len(corners)), planar(corners, transform).astype("<f8").tobytes()]
    return b"".join(parts)


def multipolygon_wkb(polygons: Sequence[Sequence[Ring]], transform: Any) -> bytes:
    """Return several polygons as one geometry; see `polygon_wkb`."""
    parts = [polygon_wkb(rings, transform) for rings in polygons]
    return struct.pack("<BII", 1, _MULTIPOLYGON, len(parts)) + b"".join(parts)
