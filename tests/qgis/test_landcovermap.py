"""otbtf:landcovermap: what the dialog hands to the engine, and how the map is shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import processing
from qgis.core import (
    QgsApplication,
    QgsPalettedRasterRenderer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtGui import QColor

from otbtf_qgis.algorithms.landcovermap import LandCoverMap

ID = "otbtf:landcovermap"
CLASSES = [{"value": 1, "name": "Water", "color": "#0000ff"}, {"value": 3, "name": "Wood", "color": ""}]


def request(engine: Any, context: Any, folder: Path, **parameters: Any) -> dict[str, Any]:
    engine.answer = lambda values, progress: {"kappa": 0.5, "classes": CLASSES}
    results = processing.run(ID, {"OUT": str(folder / "map.tif"), **parameters}, context=context)
    assert results["KAPPA"] == 0.5
    assert json.loads(results["CLASSES"]) == CLASSES
    return dict(engine.requests[-1][1])


def test_names_and_colours_of_the_style_are_sent(
    engine: Any, context: Any, make_raster: Callable[[str], str], tmp_path: Path
) -> None:
    layer = QgsRasterLayer(make_raster("labels.tif"), "labels")
    shown = [
        QgsPalettedRasterRenderer.Class(1, QColor("#0000ff"), "Water"),
        QgsPalettedRasterRenderer.Class(3, QColor("red"), "3"),
    ]
    layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, shown))
    QgsProject.instance().addMapLayer(layer)
    image = make_raster("image.tif")
    values = request(engine, context, tmp_path, IN=[image], LABELS_RASTER=layer.id(), EPOCHS=3)
    assert (values["in"], values["labels.raster"], values["epochs"]) == ([image], layer.source(), 3)
    assert json.loads(values["legend"]) == {
        "1": {"name": "Water", "color": "#0000ff"},
        "3": {"name": "", "color": "#ff0000"},
    }
    values = request(engine, context, tmp_path, IN=[image], LABELS_RASTER=layer.id(), LEGEND='{"1": {"name": "Sea"}}')
    assert values["legend"] == '{"1": {"name": "Sea"}}'


def test_without_a_style_nothing_is_sent(
    engine: Any, context: Any, make_raster: Callable[[str], str], tmp_path: Path
) -> None:
    values = request(engine, context, tmp_path, IN=make_raster("a.tif"), LABELS_RASTER=make_raster("labels.tif"))
    assert "legend" not in values


def test_the_map_is_shown_by_its_classes(make_raster: Callable[[str], str]) -> None:
    layer = QgsRasterLayer(make_raster("map.tif"), "map")
    LandCoverMap.style("OUT", layer, {"CLASSES": json.dumps(CLASSES)})
    assert [item.label for item in layer.renderer().classes()] == ["Water", "Wood"]


def test_its_polygons_are_shown_by_the_same_classes() -> None:
    layer = QgsVectorLayer("Polygon?field=class:integer", "polygons", "memory")
    LandCoverMap.style("OUT_POLYGONS", layer, {"CLASSES": json.dumps(CLASSES)})
    assert [(item.value(), item.label()) for item in layer.renderer().categories()] == [(1, "Water"), (3, "Wood")]


def test_the_maps_of_further_scenes_are_loaded_beside_the_first(
    engine: Any, context: Any, make_raster: Callable[[str], str], tmp_path: Path
) -> None:
    table, out = tmp_path / "scenes.csv", str(tmp_path / "map.tif")
    table.write_text("in,labels_raster\nnorth.tif,labels.tif\n")
    maps = [
        {"scene": "a", "held_back": False, "out": out},
        {"scene": "north", "held_back": True, "out": make_raster("n.tif")},
    ]
    engine.answer = lambda values, progress: {"classes": CLASSES, "maps": maps}
    image, labels = make_raster("a.tif"), make_raster("labels.tif")
    algorithm = QgsApplication.processingRegistry().algorithmById(ID).create()
    context.addLayerToLoadOnCompletion(out, QgsProcessingContext.LayerDetails("Map", QgsProject.instance(), "OUT"))
    given = {"IN": [image], "LABELS_RASTER": labels, "SCENES": str(table), "OUT": out}
    results, done = algorithm.run(given, context, QgsProcessingFeedback())
    assert done and json.loads(results["MAPS"]) == maps
    assert engine.requests[-1][1]["scenes"] == str(table)
    loaded = context.layersToLoadOnCompletion()
    assert {path: details.name for path, details in loaded.items()} == {out: "Map", maps[1]["out"]: "Map (north)"}
    styler = loaded[maps[1]["out"]].postProcessor()
    layer = QgsRasterLayer(maps[1]["out"], "north")
    styler.postProcessLayer(layer, context, QgsProcessingFeedback())
    assert [item.label for item in layer.renderer().classes()] == ["Water", "Wood"]
