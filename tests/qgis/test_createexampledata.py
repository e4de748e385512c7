"""The layers that the application gets from otbtf:createexampledata."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from processing.gui.Postprocessing import handleAlgorithmResults
from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsPalettedRasterRenderer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProject,
)
from qgis.PyQt.QtCore import QCoreApplication
from qgis.utils import iface

from otbtf_qgis.provider import OtbtfProvider

NAMES = ["Water", "Golf course", "Park and grassland", "Buildings", "Forest", "Farm"]


@pytest.fixture
def project(provider: OtbtfProvider, context: QgsProcessingContext, tmp_path: Path) -> Iterator[QgsProject]:
    """The project once the algorithm has run in a dialog."""
    algorithm = provider.algorithm("createexampledata").create()
    feedback = QgsProcessingFeedback()
    results, fine = algorithm.run({"OUTDIR": str(tmp_path / "example"), "SIZE": 256}, context, feedback)
    assert fine, feedback.textLog()
    assert handleAlgorithmResults(algorithm, context, feedback, parameters={}), feedback.textLog()
    for _ in range(3):
        QCoreApplication.processEvents()
    yield QgsProject.instance()


def test_layers_are_added_in_order_styled_and_zoomed_to(project: QgsProject) -> None:
    nodes = project.layerTreeRoot().findLayers()
    assert [(node.name(), node.itemVisibilityChecked()) for node in nodes] == [
        ("terrain_truth_A.gpkg", False),
        ("terrain_truth_B.gpkg", False),
        ("terrain_truth_A.tif", True),
        ("terrain_truth_B.tif", True),
        ("xs_10m.tif", True),
        ("xs_20m.tif", False),
    ]
    polygons, _, labels, _, image, coarse = (node.layer() for node in nodes)
    assert isinstance(polygons.renderer(), QgsCategorizedSymbolRenderer)
    assert isinstance(labels.renderer(), QgsPalettedRasterRenderer)
    assert [item.label for item in labels.renderer().classes()] == NAMES
    assert (image.renderer().redBand(), image.renderer().greenBand(), image.renderer().blueBand()) == (3, 2, 1)
    assert [image.bandName(band).split(": ")[1] for band in (3, 2, 1)] == ["B4", "B3", "B2"]
    assert [coarse.bandName(coarse.renderer().redBand()), coarse.bandName(coarse.renderer().blueBand())] == [
        "Band 5: B11",
        "Band 1: B5",
    ]
    assert image.renderer().redContrastEnhancement().minimumValue() > 0
    canvas = iface.mapCanvas()
    shown = canvas.mapSettings().mapToLayerCoordinates(image, canvas.extent())
    assert shown.contains(image.extent())
    assert min(shown.width(), shown.height()) < 1.1 * image.extent().width()  # as large as the canvas allows


def test_the_post_processors_are_gone_afterwards(project: QgsProject) -> None:
    from otbtf_qgis.algorithms.createexampledata import _Shower

    assert not _Shower._waiting
