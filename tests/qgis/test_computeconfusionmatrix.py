"""otbtf:computeconfusionmatrix: the names of classes come from the layers' styles."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import processing
from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsPalettedRasterRenderer,
    QgsProject,
    QgsRasterLayer,
    QgsRendererCategory,
    QgsSymbol,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.PyQt.QtGui import QColor

ID = "otbtf:computeconfusionmatrix"


def paletted(path: str, names: dict[int, str]) -> str:
    """Load a raster, shown by a palette; return its layer's id."""
    layer = QgsRasterLayer(path, "map")
    classes = [QgsPalettedRasterRenderer.Class(value, QColor("red"), name) for value, name in names.items()]
    layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, classes))
    QgsProject.instance().addMapLayer(layer)
    return str(layer.id())


def categorized(folder: Path, names: dict[int, str]) -> str:
    """Load points with a field of classes, shown by categories; return their layer's id."""
    path = folder / "points.csv"
    path.write_text("class,X,Y\n1,1005,1995\n3,1015,1995\n")
    layer = QgsVectorLayer(f"{path}|option:X_POSSIBLE_NAMES=X|option:Y_POSSIBLE_NAMES=Y", "points", "ogr")
    categories = [
        QgsRendererCategory(value, QgsSymbol.defaultSymbol(QgsWkbTypes.GeometryType.PointGeometry), name)
        for value, name in names.items()
    ]
    layer.setRenderer(QgsCategorizedSymbolRenderer("class", categories))
    QgsProject.instance().addMapLayer(layer)
    return str(layer.id())


def request(engine: Any, context: Any, folder: Path, **parameters: Any) -> dict[str, Any]:
    processing.run(ID, {"OUT": str(folder / "m.csv"), **parameters}, context=context)
    return dict(engine.requests[-1][1])


def test_names_of_a_palette(engine: Any, context: Any, make_raster: Callable[[str], str], tmp_path: Path) -> None:
    image = paletted(make_raster("map.tif"), {1: "Water", 2: "2", 3: "Wood"})
    values = request(engine, context, tmp_path, IN=image, REF_RASTER_IN=make_raster("reference.tif"))
    assert json.loads(values["class.names"]) == {"1": "Water", "3": "Wood"}
    values = request(
        engine, context, tmp_path, IN=image, REF_RASTER_IN=make_raster("reference.tif"), CLASS_NAMES='{"1": "Sea"}'
    )
    assert values["class.names"] == '{"1": "Sea"}'


def test_names_of_categories(engine: Any, context: Any, make_raster: Callable[[str], str], tmp_path: Path) -> None:
    points = categorized(tmp_path, {1: "Lake", 3: "Rock"})
    image = paletted(make_raster("map.tif"), {1: "Water"})
    values = request(engine, context, tmp_path, IN=image, REF="vector", REF_VECTOR_IN=points, REF_VECTOR_FIELD="class")
    assert json.loads(values["class.names"]) == {"1": "Water", "3": "Rock"}  # the map's own come first


def test_without_styles_no_names_are_sent(
    engine: Any, context: Any, make_raster: Callable[[str], str], tmp_path: Path
) -> None:
    values = request(engine, context, tmp_path, IN=make_raster("map.tif"), REF_RASTER_IN=make_raster("reference.tif"))
    assert "class.names" not in values
