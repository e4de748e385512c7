"""Styles for the layers that QGIS loads from our outputs; main thread only."""

from __future__ import annotations

import json

from qgis.core import QgsLimitedRandomColorRamp, QgsPalettedRasterRenderer, QgsRasterLayer
from qgis.PyQt.QtGui import QColor


def style_classes(layer: QgsRasterLayer, text: str) -> None:
    """Show each class of a single-band layer in its colour, under its name.

    Args:
        layer: the layer.
        text: JSON: `value`, `name` and `color` (`#rrggbb`) of each; one without a colour gets a random one.
    """
    classes = json.loads(text)
    ramp = QgsLimitedRandomColorRamp(len(classes))
    shown = []
    for number, item in enumerate(classes):
        color = QColor(item["color"]) if item.get("color") else ramp.color(number / max(1, len(classes) - 1))
        shown.append(QgsPalettedRasterRenderer.Class(item["value"], color, item.get("name") or str(item["value"])))
    layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, shown))
    layer.triggerRepaint()
