"""Draws docs/figures/trees_and_fields.png as QGIS shows the results of docs/trees-and-fields.md.

Run with QGIS's Python after the page's commands:

    PYTHONPATH=build/tree python3 docs/figures/trees_and_fields.py FOLDER
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from qgis.core import (
    QgsApplication,
    QgsContrastEnhancement,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsRasterLayer,
    QgsRasterMinMaxOrigin,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QImage, QPainter

from otbtf_qgis.algorithms.classstyle import style_by_class

SIDE = 460
"""Width and height of each map in pixels."""

GAP = 16
"""Pixels between the maps."""


def image(path: Path, red: int, green: int, blue: int) -> QgsRasterLayer:
    """Return an image in natural colours."""
    layer = QgsRasterLayer(str(path), path.stem)
    renderer = layer.renderer()
    renderer.setRedBand(red)
    renderer.setGreenBand(green)
    renderer.setBlueBand(blue)
    layer.setContrastEnhancement(QgsContrastEnhancement.StretchToMinimumMaximum, QgsRasterMinMaxOrigin.CumulativeCut)
    return layer


def objects(path: Path) -> QgsVectorLayer:
    """Return a layer in the style that its algorithm gives it."""
    layer = QgsVectorLayer(str(path), path.stem, "ogr")
    names = Path(f"{path}.json")  # of classes that have names
    rows = json.loads(names.read_text(encoding="utf-8"))["classes"] if names.exists() else [{"value": 1}]
    style_by_class(layer, "class", rows, outlined=True)
    return layer


def drawn(above: QgsVectorLayer, below: QgsRasterLayer) -> QImage:
    """Return a map of a layer on an image."""
    settings = QgsMapSettings()
    settings.setLayers([above, below])
    settings.setDestinationCrs(below.crs())
    settings.setExtent(below.extent())
    settings.setOutputSize(QSize(SIDE, SIDE))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    return job.renderedImage()


def main(folder: Path) -> None:
    """Draw both maps beside each other."""
    trees = drawn(objects(folder / "trees.gpkg"), image(folder / "data" / "orthophoto_B.tif", 1, 2, 3))
    fields = drawn(objects(folder / "fields.gpkg"), image(folder / "other" / "xs_10m.tif", 3, 2, 1))
    picture = QImage(2 * SIDE + GAP, SIDE, QImage.Format_RGB32)
    picture.fill(0xFFFFFFFF)
    painter = QPainter(picture)
    painter.drawImage(0, 0, trees)
    painter.drawImage(SIDE + GAP, 0, fields)
    painter.end()
    picture.save(str(Path(__file__).with_suffix(".png")))


if __name__ == "__main__":
    application = QgsApplication([], False)
    application.initQgis()
    main(Path(sys.argv[1]))
    application.exitQgis()
