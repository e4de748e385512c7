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


def create(provider: OtbtfProvider, context: QgsProcessingContext, folder: Path) -> QgsProject:
    """Run the algorithm as a dialog does, and return the project with the layers."""
    algorithm = provider.algorithm("createexampledata").create()
    feedback = QgsProcessingFeedback()
    _, fine = algorithm.run({"OUTDIR": str(folder), "SIZE": 256}, context, feedback)
    assert fine, feedback.textLog()
    assert handleAlgorithmResults(algorithm, context, feedback, parameters={}), feedback.textLog()
    for _ in range(3):
        QCoreApplication.processEvents()
    return QgsProject.instance()


@pytest.fixture
def project(provider: OtbtfProvider, context: QgsProcessingContext, tmp_path: Path) -> Iterator[QgsProject]:
    """The project once the algorithm has run in a dialog."""
    yield create(provider, context, tmp_path / "example")


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
    assert [node.isExpanded() for node in nodes] == [False, False, True, True, False, False]
    assert iface.activeLayer() == nodes[0].layer()  # a map that is made next lies above it
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


def test_layers_of_a_second_scene_have_the_name_of_its_folder(
    provider: OtbtfProvider, context: QgsProcessingContext, project: QgsProject, tmp_path: Path
) -> None:
    create(provider, context, tmp_path / "other")
    names = [node.name() for node in project.layerTreeRoot().findLayers()]
    assert names[4:6] == ["xs_10m.tif (other)", "xs_20m.tif (other)"] and names[10:] == ["xs_10m.tif", "xs_20m.tif"]


def test_the_post_processors_are_gone_afterwards(project: QgsProject) -> None:
    from otbtf_qgis.algorithms.createexampledata import _Shower

    assert not _Shower._waiting
