"""Styles for the rasters that QGIS loads from our outputs; main thread only."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from qgis.core import (
    QgsColorRampShader,
    QgsContrastEnhancement,
    QgsGradientColorRamp,
    QgsGradientStop,
    QgsMapLayer,
    QgsMapLayerLegendUtils,
    QgsPalettedRasterRenderer,
    QgsProject,
    QgsRasterBandStats,
    QgsRasterLayer,
    QgsRasterShader,
    QgsRectangle,
    QgsSimpleLegendNode,
    QgsSingleBandGrayRenderer,
    QgsSingleBandPseudoColorRenderer,
)
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtGui import QColor

from ..core.classes.palette import colors_of

_RAMP = ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725")
"""Viridis: its lightness grows evenly, so that it is read in grey and by the colour-blind too."""

_SAMPLE = 250_000
"""Pixels from which QGIS estimates statistics, as for any raster that it loads."""

_LARGEST = 3e38
"""About the largest 32-bit number, which stands for limits that are unknown."""

_CUT = 0.02  # of the pixels at either end that do not set the limits of a style


def style_outputs(output: str, layer: QgsMapLayer, results: dict[str, Any]) -> None:
    """Style a map, or one of those that tell how sure it is: by the ramp of probabilities, or in grey where it is none.

    Args:
        output: name of the parameter.
        layer: the layer.
        results: the algorithm's; CLASSES where the map holds numbers of classes, PROBABILITIES, the names of the classes,
            where it has a band for each.
    """
    if not isinstance(layer, QgsRasterLayer):
        return
    if output == "OUT":
        _style_map(layer, results)
    elif output == "OUT_VARIANCE":
        style_continuous(layer)
    else:
        style_probabilities(layer, results["PROBABILITIES"] if output == "OUT_PROBABILITIES" else [layer.name()])


def _style_map(layer: QgsRasterLayer, results: dict[str, Any]) -> None:
    """Style what a model or classifier has made of images: classes, probabilities or continuous values."""
    if results.get("CLASSES"):
        style_classes(layer, results["CLASSES"])
    elif len(results.get("PROBABILITIES", ())) == layer.bandCount():
        style_probabilities(layer, results["PROBABILITIES"])
    elif layer.bandCount() == 1:
        style_continuous(layer)


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
    hide_band_name(layer)
    layer.triggerRepaint()


def show_legend(layer: QgsMapLayer, project: QgsProject | None) -> None:
    """Unfold the classes of a map in the layer tree once it is there; a new style folds them."""
    if isinstance(layer, QgsRasterLayer) and isinstance(layer.renderer(), QgsPalettedRasterRenderer) and project:
        identifier = layer.id()
        QTimer.singleShot(0, lambda: _unfold(project, identifier))


def _unfold(project: QgsProject, identifier: str) -> None:
    node = None if sip.isdeleted(project) else project.layerTreeRoot().findLayer(identifier)
    if node is not None:
        node.setExpanded(True)


def style_probabilities(layer: QgsRasterLayer, names: Sequence[str]) -> None:
    """Show probabilities by one ramp from 0 to 1; where there are several bands, by a style for each, called as its class.

    Args:
        layer: the layer; left as it is where a sample of its pixels has values that are no probabilities.
        names: of the classes, one for each band, each once.
    """
    everywhere = [_limits(layer, band) for band in range(1, layer.bandCount() + 1)]
    if any(limits and not -0.01 <= limits[0] <= limits[1] <= 1.01 for limits in everywhere):
        return
    layer.setRenderer(_ramp(layer, 1))
    if len(names) > 1:
        styles = layer.styleManager()
        styles.renameStyle(styles.currentStyle(), names[0])
        for band, name in enumerate(names[1:], 2):
            styles.addStyleFromLayer(name)
            styles.setCurrentStyle(name)
            layer.setRenderer(_ramp(layer, band))
        styles.setCurrentStyle(names[0])
    else:
        hide_band_name(layer)
    layer.triggerRepaint()


def style_continuous(layer: QgsRasterLayer) -> None:
    """Show the values of a single band in grey, between round limits that leave out the extreme ones of a sample."""
    limits = _limits(layer, 1)
    if limits is None:
        return
    renderer = QgsSingleBandGrayRenderer(layer.dataProvider(), 1)
    contrast = QgsContrastEnhancement(layer.dataProvider().dataType(1))
    contrast.setContrastEnhancementAlgorithm(
        QgsContrastEnhancement.ContrastEnhancementAlgorithm.StretchToMinimumMaximum
    )
    low, high = rounded(*_cut(layer, limits))
    contrast.setMinimumValue(low)
    contrast.setMaximumValue(high)
    renderer.setContrastEnhancement(contrast)
    layer.setRenderer(renderer)
    hide_band_name(layer)
    layer.triggerRepaint()


def rounded(low: float, high: float) -> tuple[float, float]:
    """Return limits around `low` and `high` with few digits: a legend shows them."""
    if not low < high:
        high = low + (abs(low) or 1.0)
    step = 10.0 ** (math.floor(math.log10(high - low)) - 1)
    digits = max(0, -round(math.log10(step)))
    return round(math.floor(low / step) * step, digits), round(math.ceil(high / step) * step, digits)


def _limits(layer: QgsRasterLayer, band: int) -> tuple[float, float] | None:
    """Return the least and the largest value in a sample of a band; None where it has no valid pixel."""
    if _is_empty(layer):
        return None
    wanted = QgsRasterBandStats.Stats.Min | QgsRasterBandStats.Stats.Max
    found = layer.dataProvider().bandStatistics(band, wanted, QgsRectangle(), _SAMPLE)
    low, high = found.minimumValue, found.maximumValue
    return (low, high) if math.isfinite(low) and math.isfinite(high) and low <= high else None


def _is_empty(layer: QgsRasterLayer) -> bool:
    """Return whether QGIS has found no valid pixel as it loaded a layer of one band: asking again is an error of GDAL's."""
    renderer = layer.renderer()
    found = renderer.contrastEnhancement() if isinstance(renderer, QgsSingleBandGrayRenderer) else None
    return found is not None and not abs(found.minimumValue()) < _LARGEST


def _cut(layer: QgsRasterLayer, limits: tuple[float, float]) -> tuple[float, float]:
    """Return limits without the extreme values. A histogram of one value would be an error of GDAL's."""
    if not limits[0] < limits[1]:
        return limits
    provider = layer.dataProvider()
    low, high = provider.cumulativeCut(1, _CUT, 1 - _CUT, QgsRectangle(), _SAMPLE)
    if low < high:
        return low, high
    # The extreme values are so far away that all others are in one bar of the histogram.
    wanted = QgsRasterBandStats.Stats.Mean | QgsRasterBandStats.Stats.StdDev
    found = provider.bandStatistics(1, wanted, QgsRectangle(), _SAMPLE)
    return max(limits[0], found.mean - 2 * found.stdDev), min(limits[1], found.mean + 2 * found.stdDev)


def _ramp(layer: QgsRasterLayer, band: int) -> QgsSingleBandPseudoColorRenderer:
    stops = [QgsGradientStop(place / (len(_RAMP) - 1), QColor(color)) for place, color in enumerate(_RAMP)]
    ramp = QgsGradientColorRamp(QColor(_RAMP[0]), QColor(_RAMP[-1]), False, stops[1:-1])
    function = QgsColorRampShader(0.0, 1.0, ramp, QgsColorRampShader.Type.Interpolated)
    function.setColorRampItemList(
        [QgsColorRampShader.ColorRampItem(stop.offset, stop.color, f"{stop.offset:g}") for stop in stops]
    )
    shader = QgsRasterShader(0.0, 1.0)
    shader.setRasterShaderFunction(function)
    renderer = QgsSingleBandPseudoColorRenderer(layer.dataProvider(), band, shader)
    renderer.setClassificationMin(0.0)
    renderer.setClassificationMax(1.0)
    return renderer


def hide_band_name(layer: QgsRasterLayer) -> None:
    """Leave the line `Band 1 (Gray)` out of the legend of a layer in the project, where there is one."""
    place = QgsProject.instance().layerTreeRoot().findLayer(layer.id())
    if place is None:
        return
    entries = layer.legend().createLayerTreeModelLegendNodes(place)
    shown = [number for number, entry in enumerate(entries) if not isinstance(entry, QgsSimpleLegendNode)]
    QgsMapLayerLegendUtils.setLegendNodeOrder(place, shown)
