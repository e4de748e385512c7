"""Layers styled by class."""

from __future__ import annotations

import json

import pytest
from qgis.core import QgsVectorLayer
from qgis.PyQt.QtCore import Qt

from otbtf_qgis.algorithms.assessdetections import AssessDetections
from otbtf_qgis.algorithms.classstyle import style_by_class
from otbtf_qgis.algorithms.detectobjects import DetectObjects
from otbtf_qgis.algorithms.maptopolygons import MapToPolygons
from otbtf_qgis.algorithms.patchesselection import PatchesSelection


def layer() -> QgsVectorLayer:
    return QgsVectorLayer("Point?crs=EPSG:32654&field=class:integer", "samples", "memory")


def test_classes_get_their_names_and_colours_and_the_others_one_of_a_palette(qgis_app) -> None:
    points = layer()
    style_by_class(points, "class", [{"value": 1, "name": "wood", "color": "#0080ff"}, {"value": 4}])
    renderer = points.renderer()
    assert renderer.type() == "categorizedSymbol" and renderer.classAttribute() == "class"
    one, four = renderer.categories()
    assert (one.value(), one.label(), one.symbol().color().name()) == (1, "wood", "#0080ff")
    assert (four.value(), four.label()) == (4, "4") and four.symbol().color().name() != "#0080ff"


def test_too_many_classes_are_left_to_one_symbol(qgis_app) -> None:
    points = layer()
    style_by_class(points, "class", [{"value": value} for value in range(500)])
    assert points.renderer().type() == "singleSymbol"


def test_groups_of_patches_differ_in_colour(qgis_app) -> None:
    colors = set()
    for output in ("OUTTRAIN", "OUTVALID", "OUTTEST"):
        points = layer()
        PatchesSelection.style(output, points, {})
        colors.add(points.renderer().symbol().color().name())
    assert len(colors) == 3


def test_objects_are_styled_by_their_class(qgis_app) -> None:
    boxes = QgsVectorLayer("Polygon?crs=EPSG:32654&field=class:integer", "objects", "memory")
    DetectObjects.style("OUT", boxes, {"LEGEND": '[{"value": 3, "name": "car", "color": "#0080ff"}]'})
    (car,) = boxes.renderer().categories()
    assert (car.value(), car.label(), car.symbol().color().name()) == (3, "car", "#0080ff")
    outline = car.symbol().symbolLayer(0)
    assert outline.brushStyle() == Qt.BrushStyle.NoBrush and outline.strokeColor().name() == "#0080ff"


def test_errors_of_detections_have_three_colours(qgis_app) -> None:
    errors = QgsVectorLayer("Polygon?crs=EPSG:32654&field=kind:string", "errors", "memory")
    AssessDetections.style("OUT_ERRORS", errors, {})
    categories = errors.renderer().categories()
    assert [category.value() for category in categories] == ["hit", "miss", "false alarm"]
    assert len({category.symbol().color().name() for category in categories}) == 3


@pytest.mark.parametrize(("rows", "outlined"), [(1, True), (2, False)])
def test_polygons_of_one_class_are_objects_on_an_image(qgis_app, rows: int, outlined: bool) -> None:
    fields = QgsVectorLayer("Polygon?crs=EPSG:32654&field=class:integer", "fields", "memory")
    legend = json.dumps([{"value": value} for value in range(rows)])
    MapToPolygons.style("OUT", fields, {"LEGEND": legend, "CLASSES": rows})
    first, *_ = categories = fields.renderer().categories()  # QGIS's symbols do not outlive the list
    assert len(categories) == rows
    assert (first.symbol().symbolLayer(0).brushStyle() == Qt.BrushStyle.NoBrush) == outlined
