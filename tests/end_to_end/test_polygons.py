"""otbtf:maptopolygons through qgis_process, without an engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, osr


def test_a_map_becomes_simplified_polygons(qgis: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "map.tif")
    made = gdal.GetDriverByName("GTiff").Create(path, 20, 20, 1)
    made.SetGeoTransform((500_000.0, 10, 0, 4_800_000.0, 0, -10))
    system = osr.SpatialReference()
    system.ImportFromEPSG(32631)
    made.SetProjection(system.ExportToWkt())
    made.GetRasterBand(1).WriteArray(1 + np.tri(20, dtype="uint8"))
    made = None
    values = {"IN": path, "SIMPLIFY": 10, "OUT": str(tmp_path / "out.gpkg"), "OUTTABLE": str(tmp_path / "areas.csv")}
    found = qgis.run("otbtf:maptopolygons", values)
    assert (int(found["POLYGONS"]), int(found["CLASSES"])) == (2, 2)
    polygons = gdal.OpenEx(found["OUT"], gdal.OF_VECTOR)
    shapes = {feature["class"]: feature.GetGeometryRef().Clone() for feature in polygons.GetLayer(0)}
    assert sum(shape.Area() for shape in shapes.values()) == pytest.approx(200 * 200)
    assert all(shape.GetGeometryRef(0).GetPointCount() <= 7 for shape in shapes.values())
    table = gdal.OpenEx(found["OUTTABLE"], gdal.OF_VECTOR)
    assert {row["class"]: row["pixels"] for row in table.GetLayer(0)} == {1: 190, 2: 210}
