"""Styles for the layers that QGIS loads from our outputs; main thread only."""

from __future__ import annotations

import json

from qgis.core import QgsPalettedRasterRenderer, QgsRasterLayer
from qgis.PyQt.QtGui import QColor

from ..core.classes.palette import colors_of


def style_classes(layer: QgsRasterLayer, text: str) -> None:
    """Show each class of a single-band layer in its colour, under its name.

    Args:
        layer: the layer.
        text: JSON: `value`, `name` and `color` (`#rrggbb`) of each; one without a colour gets that of the palette.
    """
    classes = json.loads(text)
    names = [item.get("name") or str(item["value"]) for item in classes]
    colors = colors_of(names, [item.get("color") or "" for item in classes])
    shown = [
        QgsPalettedRasterRenderer.Class(item["value"], QColor(color), name)
        for item, name, color in zip(classes, names, colors)
    ]
    layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, shown))
    layer.triggerRepaint()
