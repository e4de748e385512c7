"""The helpers in `support` can be imported by their names."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent / "support"))

# Before TensorFlow, which hides what GeoPackages need of SQLite, whichever test is the first.
import sqlite3  # noqa: F401

from osgeo import gdal  # noqa: F401
