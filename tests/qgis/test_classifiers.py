"""The algorithms of classifiers: lists of layers and fields, classes from a layer's categories, and the maps' style."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from osgeo import gdal
from points import write_points
from qgis.core import (
    QgsApplication,
    QgsCategorizedSymbolRenderer,
    QgsPalettedRasterRenderer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
    QgsRendererCategory,
    QgsSymbol,
    QgsVectorLayer,
)
from qgis.PyQt.QtGui import QColor

from otbtf_qgis.algorithms.imageclassifier import ImageClassifier


@pytest.fixture
def layers(tmp_path: Path) -> list[str]:
    fields: dict[str, Any] = {"value_0": [1.0, 2.0], "value 1": [3.0, 4.0], "class": [1, 2]}
    return [write_points(tmp_path / f"{name}.gpkg", [(0.0, 0.0), (1.0, 1.0)], **fields) for name in "ab"]


def run(engine: Any, context: QgsProcessingContext, name: str, **parameters: Any) -> dict[str, Any]:
    """Run an algorithm and return what reached the engine."""
    algorithm = QgsApplication.processingRegistry().createAlgorithmById(f"otbtf:{name}")
    ok, message = algorithm.checkParameterValues(parameters, context)
    assert ok, message
    _, done = algorithm.run(parameters, context, QgsProcessingFeedback())
    assert done
    values: dict[str, Any] = engine.requests[-1][1]
    return values


def test_lists_of_layers_and_fields(
    engine: Any, context: QgsProcessingContext, layers: list[str], tmp_path: Path
) -> None:
    outputs = {"CFIELD": "class", "IO_OUT": str(tmp_path / "c.skops"), "OUT_REPORT": str(tmp_path / "r.html")}
    for feat in (["value_0", "value 1"], "value_0;value 1"):
        values = run(engine, context, "trainvectorclassifier", IO_VD=layers, FEAT=feat, VALID_VD=layers[:1], **outputs)
        assert values["io.vd"] == layers
        assert values["valid.vd"] == layers[:1]
        assert values["feat"] in (["value_0", "value 1"], "value_0;value 1")
        assert "legend" not in values


def categorized(path: str) -> QgsVectorLayer:
    layer = QgsVectorLayer(path, "styled", "ogr")
    categories = []
    for value, name, color in ((1, "Water", "#0000ff"), (2, "Forest", "#00ff00"), (None, "others", "#ffffff")):
        symbol = QgsSymbol.defaultSymbol(layer.geometryType())
        symbol.setColor(QColor(color))
        categories.append(QgsRendererCategory(value, symbol, name))
    layer.setRenderer(QgsCategorizedSymbolRenderer("class", categories))
    QgsProject.instance().addMapLayer(layer)
    return layer


@pytest.mark.parametrize("name", ["trainvectorclassifier", "trainclassifierfromdeepfeatures"])
def test_classes_of_a_layer_s_categories(
    engine: Any, context: QgsProcessingContext, layers: list[str], tmp_path: Path, name: str
) -> None:
    layer = categorized(layers[0])
    parameters: dict[str, Any] = {
        "IO_VD": [layer],
        "FEAT": "value_0",
        "CFIELD": "class",
        "IO_OUT": str(tmp_path / "c.skops"),
    }
    if name == "trainclassifierfromdeepfeatures":
        parameters = {"SOURCE1_IL": ["image.tif"], "MODEL_DIR": "net", "VD": [layer], "SAMPLE_VFN": "class"}
        parameters |= {"OUT": str(tmp_path / "c.skops")}
    rows = json.loads(run(engine, context, name, **parameters)["legend"])
    assert rows[:2] == [
        {"value": 1, "name": "Water", "color": "#0000ff"},
        {"value": 2, "name": "Forest", "color": "#00ff00"},
    ]
    values = run(engine, context, name, **parameters, LEGEND='[{"value": 1, "name": "Lake"}]')
    assert values["legend"] == '[{"value": 1, "name": "Lake"}]'
    del layer, parameters


def test_maps_are_styled_by_the_classes(tmp_path: Path) -> None:
    path = str(tmp_path / "map.tif")
    gdal.GetDriverByName("GTiff").Create(path, 4, 4, 1, gdal.GDT_Byte)
    layer = QgsRasterLayer(path, "map", "gdal")
    classes = [{"value": 3, "name": "Water", "color": "#0000ff"}, {"value": 5, "name": "", "color": ""}]
    results = {"CLASSES": json.dumps(classes)}
    ImageClassifier.style("CONFMAP", layer, results)
    assert not isinstance(layer.renderer(), QgsPalettedRasterRenderer)
    ImageClassifier.style("OUT", layer, results)
    shown = [(item.value, item.label) for item in layer.renderer().classes()]
    assert shown == [(3, "Water"), (5, "5")]
