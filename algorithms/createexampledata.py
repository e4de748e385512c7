"""otbtf:createexampledata."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from qgis.core import (
    QgsContrastEnhancement,
    QgsLayerTreeLayer,
    QgsMapLayer,
    QgsMultiBandColorRenderer,
    QgsProcessingContext,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingUtils,
    QgsProject,
    QgsRasterLayer,
    QgsRasterMinMaxOrigin,
)
from qgis.PyQt.QtCore import QTimer
from qgis.utils import iface

from ..core.operations.createexampledata import CreateExampleData as Operation
from .base import OtbtfAlgorithm

SHOWN = {"POLYGONS_A": False, "POLYGONS_B": False, "TRUTH_A": True, "TRUTH_B": True, "XS10": True, "XS20": False}
"""The results that are layers, from the top of the layer tree, and whether each is visible at first."""

_BANDS = {"XS10": (3, 2, 1), "XS20": (5, 4, 1)}
"""Those shown in red, green and blue: B4, B3, B2 as the eye sees them, and B11, B8A, B5."""


class CreateExampleData(OtbtfAlgorithm):
    """A scene to try the others, which the application adds to the map: its outputs are no parameters."""

    OPERATION = Operation

    def processAlgorithm(self, parameters, context, feedback):
        results = super().processAlgorithm(parameters, context, feedback)
        if iface is not None:
            _load(results, context)
        return results


def _load(results: dict[str, Any], context: QgsProcessingContext) -> None:
    """Have the layers loaded once the algorithm has ended."""
    scene = _Scene(context)
    for place, output in enumerate(SHOWN):
        path = results[output]
        details = QgsProcessingContext.LayerDetails(Path(path).name, context.project(), output)
        hints = QgsProcessingUtils.LayerHint
        details.layerTypeHint = hints.Vector if output.startswith("POLYGONS") else hints.Raster
        details.setPostProcessor(_Shower(scene, output))
        if hasattr(details, "layerSortKey"):  # since QGIS 3.32
            details.layerSortKey = place
        context.addLayerToLoadOnCompletion(path, details)


class _Shower(QgsProcessingLayerPostProcessorInterface):
    """Styles a layer once QGIS has loaded it, and has the scene arranged once that is in the layer tree."""

    # QGIS keeps no reference of its own to a post-processor.
    _waiting: ClassVar[set[_Shower]] = set()

    def __init__(self, scene: _Scene, output: str) -> None:
        super().__init__()
        self._scene, self._output = scene, output
        self._waiting.add(self)

    def postProcessLayer(self, layer, context, feedback):
        self._waiting.discard(self)
        _style(self._output, layer)
        _tell_apart(layer, context.project())
        self._scene.layers[self._output] = layer.id()
        scene = self._scene
        QTimer.singleShot(0, lambda: scene.arrange())  # of a method alone, Qt would not keep the scene alive


class _Scene:
    """The layers of one run in the layer tree.

    Attributes:
        layers: ids of those that are loaded, by output.
    """

    def __init__(self, context: QgsProcessingContext) -> None:
        self._project = context.project()
        self.layers: dict[str, str] = {}

    def arrange(self) -> None:
        """Put the layers that are there in their order, hide those that cover others, and zoom to them."""
        root = self._project.layerTreeRoot()
        found = {output: root.findLayer(self.layers[output]) for output in SHOWN if output in self.layers}
        nodes = {output: node for output, node in found.items() if node is not None}
        if len(nodes) < len(SHOWN):  # more are to come
            return
        _order(list(nodes.values()))
        for output, visible in SHOWN.items():
            node = root.findLayer(self.layers[output])
            node.setItemVisibilityChecked(visible)
            node.setExpanded(output.startswith("TRUTH"))
        # QGIS adds what is made next, such as a map, above the current layer: it must not lie below the image.
        iface.setActiveLayer(self._project.mapLayer(self.layers[next(iter(SHOWN))]))
        _zoom(self._project.mapLayer(self.layers["XS10"]))


def _tell_apart(layer: QgsMapLayer, project: QgsProject) -> None:
    """Add the folder to a layer's name where a layer of another folder, such as another scene, has that name."""
    folder = Path(layer.source()).parent
    if any(Path(other.source()).parent != folder for other in project.mapLayersByName(layer.name())):
        layer.setName(f"{layer.name()} ({folder.name})")


def _order(nodes: Sequence[QgsLayerTreeLayer]) -> None:
    """Put nodes in their order from the top, all beside the first of them."""
    parent = nodes[0].parent()
    for node in reversed(nodes):
        parent.insertChildNode(0, node.clone())
        node.parent().removeChildNode(node)


def _zoom(layer: QgsMapLayer) -> None:
    canvas = iface.mapCanvas()
    extent = canvas.mapSettings().layerExtentToOutputExtent(layer, layer.extent())
    canvas.setExtent(extent.buffered(0.02 * max(extent.width(), extent.height())))
    canvas.refresh()


def _style(output: str, layer: QgsMapLayer) -> None:
    if output in _BANDS:
        _style_image(layer, _BANDS[output])
    else:
        layer.loadDefaultStyle()  # which lies beside the reference data; Processing loads layers without


def _style_image(layer: QgsRasterLayer, bands: Sequence[int]) -> None:
    """Show three bands as red, green and blue, without the darkest and brightest 2 % of the pixels."""
    layer.setRenderer(QgsMultiBandColorRenderer(layer.dataProvider(), *bands))
    layer.setContrastEnhancement(
        QgsContrastEnhancement.ContrastEnhancementAlgorithm.StretchToMinimumMaximum,
        QgsRasterMinMaxOrigin.Limits.CumulativeCut,
    )
    layer.triggerRepaint()
