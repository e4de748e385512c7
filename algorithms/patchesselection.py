"""otbtf:patchesselection."""

from __future__ import annotations

from qgis.PyQt.QtGui import QColor

from ..core.operations.patchesselection import PatchesSelection as Operation
from .base import OtbtfAlgorithm

_COLORS = {"OUTTRAIN": "#4e79a7", "OUTVALID": "#f28e2b", "OUTTEST": "#59a14f"}


class PatchesSelection(OtbtfAlgorithm):
    """A grid of patches in two or three groups."""

    OPERATION = Operation

    @staticmethod
    def style(output, layer, results):
        symbol = layer.renderer().symbol().clone()
        symbol.setColor(QColor(_COLORS[output]))
        layer.renderer().setSymbol(symbol)
        layer.triggerRepaint()
