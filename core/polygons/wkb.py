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

_POLYGON = 3


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
