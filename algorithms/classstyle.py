"""Styling layers by class, with the names and colours that came with the data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsFillSymbol,
    QgsMapLayer,
    QgsMarkerSymbol,
    QgsRendererCategory,
    QgsSymbol,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QColor

from ..core.classes.palette import colors_of

_MOST = 200  # more categories than that are slow to draw and nobody reads them

_OUTLINE = 0.46
"""Width of outlines in mm: clear on an image, and small objects still show."""


def style_by_class(layer: QgsMapLayer, field: str, rows: Iterable[Mapping[str, Any]], outlined: bool = False) -> None:
    """Give a vector layer a category per class; colours that are not given are taken from a palette.

    Args:
        layer: the layer.
        field: name of its field of classes.
        rows: per class `value`, and `name` and `color` where known, as `core.classes.legend.as_rows` gives them.
        outlined: whether polygons are outlines, so that the image below shows the objects.
    """
    rows = list(rows)
    if not isinstance(layer, QgsVectorLayer) or not layer.isSpatial() or not 0 < len(rows) <= _MOST:
        return
    names = [row.get("name") or str(row["value"]) for row in rows]
    categories = []
    for row, name, color in zip(rows, names, colors_of(names, [row.get("color") or "" for row in rows])):
        symbol = QgsSymbol.defaultSymbol(layer.geometryType())
        symbol.setColor(QColor(color))
        if isinstance(symbol, QgsMarkerSymbol):
            symbol.setSize(1.6)
        if outlined and isinstance(symbol, QgsFillSymbol):
            _leave_empty(symbol, QColor(color))
        categories.append(QgsRendererCategory(row["value"], symbol, name))
    layer.setRenderer(QgsCategorizedSymbolRenderer(field, categories))
    layer.triggerRepaint()


def _leave_empty(symbol: QgsFillSymbol, color: QColor) -> None:
    fill = symbol.symbolLayer(0)
    fill.setBrushStyle(Qt.BrushStyle.NoBrush)
    fill.setStrokeColor(color)
    fill.setStrokeWidth(_OUTLINE)


def style_by_result(layer: QgsMapLayer, field: str, results: Mapping[str, Any], outlined: bool = False) -> None:
    """Style by the classes in the result LEGEND, where the operation tells them; see `style_by_class`."""
    style_by_class(layer, field, json.loads(results.get("LEGEND") or "[]"), outlined)
