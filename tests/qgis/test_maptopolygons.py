"""otbtf:maptopolygons in QGIS: polygons with the areas that QGIS measures, in the style of the classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, osr
from qgis.core import (
    QgsDistanceArea,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProject,
    QgsVectorLayer,
)

Source = QgsProcessingModelChildParameterSource
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


def step(model: QgsProcessingModelAlgorithm, name: str, algorithm: str, last: bool = False, **sources: Any) -> None:
    """Add a step to a graphical model; a pair is the step and the output that a value comes from.

    The output of the last one is the model's.
    """
    child = QgsProcessingModelChildAlgorithm(algorithm)
    child.setChildId(name)
    for key, value in sources.items():
        source = Source.fromChildOutput(*value) if isinstance(value, tuple) else Source.fromStaticValue(value)
        child.addParameterSources(key, [source])
    if last:
        output = QgsProcessingModelOutput("made")
        output.setChildId(name)
        output.setChildOutputName("OUTPUT")
        child.setModelOutputs({"made": output})
    model.addChildAlgorithm(child)


def test_a_graphical_model_makes_polygons_of_a_served_map(engine: Any, tmp_path: Path) -> None:
    """Each step reads what the one before it wrote."""

    def served(values: dict[str, Any], progress: Any) -> dict[str, Any]:
        return {"out": map_of_classes(values["out"], 32631)}

    engine.answer = served
    image = map_of_classes(str(tmp_path / "image.tif"), 32631)
    model = QgsProcessingModelAlgorithm("fields", "tests")
    step(model, "serving", "otbtf:tensorflowmodelserve", SOURCE1_IL=[image], MODEL_DIR="model")
    step(model, "polygons", "otbtf:maptopolygons", IN=("serving", "OUT"), SIMPLIFY=10)
    step(model, "points", "native:centroids", last=True, INPUT=("polygons", "OUT"))
    for name, kinds, expected in (("polygons", ["outputRaster"], "serving"), ("points", ["outputVector"], "polygons")):
        offered = model.availableSourcesForChild(name, [], kinds)
        assert (expected, "OUT") in [(source.outputChildId(), source.outputName()) for source in offered]
    model.initAlgorithm()

    # Not the fixture, which pytest keeps until QGIS has ended, if this is the last test: then a layer cannot be closed.
    context, feedback, out = QgsProcessingContext(), QgsProcessingFeedback(), str(tmp_path / "centres.gpkg")
    results, worked = model.run({"points:made": out}, context, feedback)
    assert worked, feedback.textLog()
    layer = QgsVectorLayer(results["points:made"], "centres")
    classes = [feature["class"] for feature in layer.getFeatures()]
    polygons = results["CHILD_RESULTS"]["polygons"]
    assert len(classes) == polygons["POLYGONS"] > 10
    assert set(classes) == {1, 2}
    assert Path(polygons["OUT"]).suffix == ".gpkg"


def test_objects_that_touch_are_separated_in_the_engine(provider: Any, tmp_path: Any) -> None:
    bands = np.zeros((3, 6, 13), "float32")
    bands[0], bands[1, :, 6], bands[2] = 0.9, 1.0, 0.8
    bands[2, :, 6] = 0.0
    path = str(tmp_path / "scores.tif")
    dataset = gdal.GetDriverByName("GTiff").Create(path, 13, 6, 3, gdal.GDT_Float32)
    system = osr.SpatialReference()
    system.ImportFromEPSG(32631)
    dataset.SetProjection(system.ExportToWkt())
    dataset.SetGeoTransform(PLACES[32631])
    dataset.WriteArray(bands)
    del dataset
    values = {"IN": path, "INSTANCES": "true", "OUT": str(tmp_path / "out.gpkg")}
    context, feedback = QgsProcessingContext(), QgsProcessingFeedback()
    results, worked = provider.algorithm("maptopolygons").run(values, context, feedback)
    assert worked, feedback.textLog()
    areas = sorted(feature.geometry().area() for feature in QgsVectorLayer(results["OUT"], "objects").getFeatures())
    assert areas == [3600, 4200]
