"""otbtf:maptopolygons in QGIS: polygons with the areas that QGIS measures, in the style of the classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from osgeo import gdal, osr
from qgis.core import QgsDistanceArea, QgsProcessingContext, QgsProcessingFeedback, QgsProject, QgsVectorLayer

PLACES = {
    32631: (500000.0, 10.0, 0.0, 4800000.0, 0.0, -10.0),
    3857: (300000.0, 250.0, 40.0, 8400000.0, 30.0, -220.0),
    4326: (7.0, 0.001, 0.0, 45.0, 0.0, -0.001),
}


def map_of_classes(path: str, code: int) -> str:
    codes = np.random.default_rng(1).integers(0, 3, (12, 14)).astype("uint8")
    codes[2:9, 3:11] = 1
    dataset = gdal.GetDriverByName("GTiff").Create(path, 14, 12, 1, gdal.GDT_Byte)
    system = osr.SpatialReference()
    system.ImportFromEPSG(code)
    dataset.SetProjection(system.ExportToWkt())
    dataset.SetGeoTransform(PLACES[code])
    dataset.GetRasterBand(1).WriteArray(codes)
    dataset.GetRasterBand(1).SetNoDataValue(0)
    return path


@pytest.mark.parametrize("code", PLACES)
def test_areas_and_perimeters_are_those_of_qgis(provider: Any, tmp_path: Any, code: int) -> None:
    algorithm = provider.algorithm("maptopolygons")
    values = {"IN": map_of_classes(str(tmp_path / "map.tif"), code), "OUT": str(tmp_path / "out.gpkg")}
    context, feedback = QgsProcessingContext(), QgsProcessingFeedback()
    results, worked = algorithm.run(values, context, feedback)
    assert worked, feedback.textLog()
    layer = QgsVectorLayer(results["OUT"], "polygons")
    measure = QgsDistanceArea()
    measure.setSourceCrs(layer.crs(), QgsProject.instance().transformContext())
    measure.setEllipsoid("EPSG:7030")
    features = [(f["area_m2"], f["perimeter"], f.geometry()) for f in layer.getFeatures()]
    assert len(features) == results["POLYGONS"] > 10
    for area, perimeter, shape in features:
        assert area == pytest.approx(measure.measureArea(shape), rel=5e-5)  # GRASS's formula
        assert perimeter == pytest.approx(measure.measurePerimeter(shape), rel=1e-5)
