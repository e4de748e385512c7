"""otbtf:patchesselection."""

from __future__ import annotations

from qgis.core import QgsProcessingOutputNumber
from qgis.PyQt.QtGui import QColor

from ..core.operations.patchesselection import PatchesSelection as Operation
from .base import OtbtfAlgorithm
from .translate import tr

_COLORS = {"OUTTRAIN": "#4e79a7", "OUTVALID": "#f28e2b", "OUTTEST": "#59a14f"}


class PatchesSelection(OtbtfAlgorithm):
    """A grid of patches in two or three groups."""

    OPERATION = Operation
    GROUP = "sampling"

    def displayName(self):
        return tr("Select patches on a grid")

    def description(self):
        return tr(
            "Lays a regular grid of patches over an image, leaves out those with no-data or masked pixels, and shares "
            "the others out between training, validation and test. PatchesExtraction cuts them at the points written.\n\n"
            "Patches of different groups that overlap make a validation look better than it is: their number is "
            "reported, and GAP keeps the groups apart."
        )

    def initAlgorithm(self, configuration=None):
        super().initAlgorithm(configuration)
        for name, label in (
            ("TRAIN", tr("Number of training patches")),
            ("VALID", tr("Number of validation patches")),
            ("TEST", tr("Number of test patches")),
            ("OVERLAP_TRAIN", tr("Training patches that overlap a validation patch")),
            ("OVERLAP_VALID", tr("Validation patches that overlap a training patch")),
        ):
            self.addOutput(QgsProcessingOutputNumber(name, label))

    @staticmethod
    def style(output, layer, results):
        symbol = layer.renderer().symbol().clone()
        symbol.setColor(QColor(_COLORS[output]))
        layer.renderer().setSymbol(symbol)
        layer.triggerRepaint()
