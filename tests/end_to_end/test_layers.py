"""Layers of a project, as QGIS shows them, through qgis_process, in the background, and against outputs of that name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import application
import numpy as np
import pytest
from osgeo import gdal, ogr, osr

X, Y = 500_000.0, 4_800_000.0


@pytest.fixture
def image(tmp_path: Path) -> str:
    """20 x 20 pixels of 10 m in UTM zone 31."""
    path = str(tmp_path / "image.tif")
    made = gdal.GetDriverByName("GTiff").Create(path, 20, 20, 1)
    made.SetGeoTransform((X, 10, 0, Y, 0, -10))
    made.SetProjection(system(32631).ExportToWkt())
    made.GetRasterBand(1).WriteArray(np.ones((20, 20)))
    return path


@pytest.fixture
def polygons(tmp_path: Path) -> str:
    """Rectangles of 1 x 1, 2 x 1, ... 6 x 1 pixels, one below the other, whose fids are 1, 1, 1, 2, 2, 2.

    The file says that they lie in zone 54.
    """
    path = str(tmp_path / "polygons.geojson")
    data = ogr.GetDriverByName("GeoJSON").CreateDataSource(path)
    layer = data.CreateLayer("polygons", system(32654), ogr.wkbPolygon)
    for name in ("fid", "kind"):
        layer.CreateField(ogr.FieldDefn(name, ogr.OFTInteger))
    for row in range(6):
        feature = ogr.Feature(layer.GetLayerDefn())
        right, top, bottom = X + 10 * (row + 1), Y - 20 * row, Y - 20 * row - 10
        ring = f"{X} {top},{right} {top},{right} {bottom},{X} {bottom},{X} {top}"
        feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POLYGON (({ring}))"))
        feature["fid"], feature["kind"] = 1 + row // 3, row % 2
        layer.CreateFeature(feature)
    return path


def system(epsg: int) -> osr.SpatialReference:
    made = osr.SpatialReference()
    made.ImportFromEPSG(epsg)
    made.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return made


PROJECT = """
from qgis.core import QgsCoordinateReferenceSystem, QgsProject, QgsRasterLayer, QgsVectorLayer
project = QgsProject.instance()
layer = QgsVectorLayer(given["polygons"], 'Flächen "Süd" | 1', "ogr")
layer.setCrs(QgsCoordinateReferenceSystem("EPSG:32631"))
image = QgsRasterLayer(given["image"], "Bild; 1")
project.addMapLayer(layer, False)
project.addMapLayer(image, False)
group = project.layerTreeRoot().addGroup("group")
group.addLayer(layer)
group.addLayer(image)
assert project.write(given["project"])
"""


def test_layers_of_a_project_by_name(qgis: Any, image: str, polygons: str, tmp_path: Path) -> None:
    """What QGIS need not read: in 3.22, qgis_process with a project crashes once it has read a layer's features."""
    project, out = str(tmp_path / "project.qgz"), str(tmp_path / "out.gpkg")
    given = {"polygons": polygons, "image": image, "project": project}
    application.run(qgis.environment, PROJECT, given)
    values = {
        "IN": "Bild; 1",
        "VEC": 'Flächen "Süd" | 1',
        "FIELD": "kind",
        "STRATEGY": "all",
        "OUT": out,
        "--PROJECT_PATH": project,
    }
    found = qgis.run("otbtf:sampleselection", values)
    counts = {row["value"]: row["count"] for row in json.loads(found["LEGEND"])}
    # the rectangles of every second row have 1 + 3 + 5 and 2 + 4 + 6 pixels
    assert counts == {0: 9, 1: 12}
    data = gdal.OpenEx(out, gdal.OF_VECTOR)
    assert [feature["fid"] for feature in data.GetLayer(0)].count(1) == 1 + 2 + 3


BACKGROUND = """
from qgis.core import (
    QgsCoordinateReferenceSystem, QgsFeature, QgsField, QgsGeometry, QgsProcessingAlgRunnerTask, QgsProcessingContext,
    QgsProcessingFeatureSourceDefinition, QgsProcessingFeedback, QgsProject, QgsVectorLayer, QgsVectorLayerJoinInfo,
)
from qgis.PyQt.QtCore import QVariant
project = QgsProject.instance()
layer = QgsVectorLayer(given["polygons"], "polygons", "ogr")
layer.setCrs(QgsCoordinateReferenceSystem("EPSG:32631"))
names = QgsVectorLayer("None?field=kind:integer&field=name:string", "names", "memory")
for kind, name in ((0, "even"), (1, "odd")):
    feature = QgsFeature(names.fields())
    feature.setAttributes([kind, name])
    names.dataProvider().addFeature(feature)
project.addMapLayers([layer, names])
join = QgsVectorLayerJoinInfo()
join.setJoinLayer(names)
join.setJoinFieldName("kind")
join.setTargetFieldName("kind")
join.setUsingMemoryCache(False)
layer.addJoin(join)
layer.addExpressionField('upper("names_name")', QgsField("loud", QVariant.String))
layer.selectByExpression('"fid" = 2')
context, feedback = QgsProcessingContext(), QgsProcessingFeedback()
context.setProject(project)
ended = []
values = {**given["values"], "VEC": QgsProcessingFeatureSourceDefinition(layer.id(), True)}
algorithm = QgsApplication.processingRegistry().createAlgorithmById("otbtf:sampleselection")
task = QgsProcessingAlgRunnerTask(algorithm, values, context, feedback)
task.executed.connect(lambda ok, results: ended.append((ok, results)))
QgsApplication.taskManager().addTask(task)
while not ended:
    application.processEvents()
    time.sleep(0.01)
assert ended[0][0], feedback.textLog()
print(ended[0][1]["LEGEND"])
"""


def test_a_selection_with_joined_fields_in_the_background(qgis: Any, image: str, polygons: str, tmp_path: Path) -> None:
    values = {"IN": image, "FIELD": "loud", "STRATEGY": "all", "OUT": str(tmp_path / "out.gpkg")}
    given = {"polygons": polygons, "values": values}
    printed = application.run(qgis.environment, BACKGROUND, given).splitlines()[-1]
    # the last three rows: odd, even, odd
    assert {row["value"]: row["count"] for row in json.loads(printed)} == {"EVEN": 5, "ODD": 4 + 6}


def test_an_output_in_a_file_of_other_layers(qgis: Any, image: str, polygons: str, tmp_path: Path) -> None:
    out = tmp_path / "out.gpkg"
    data = ogr.GetDriverByName("GPKG").CreateDataSource(str(out))
    data.CreateLayer("roads", geom_type=ogr.wkbPoint)
    data = None
    before = out.read_bytes()
    values = {"IN": image, "VEC": polygons, "FIELD": "kind", "STRATEGY": "all", "OUT": str(out)}
    done = qgis.attempt("otbtf:sampleselection", values)
    assert done.returncode != 0
    assert f"OUT is {out}, which holds roads: that would be lost" in done.stdout + done.stderr
    assert out.read_bytes() == before
