"""otbtf:createexampledata."""

from __future__ import annotations

from ..core.operations.createexampledata import CreateExampleData as Operation
from .base import OtbtfAlgorithm
from .translate import tr


class CreateExampleData(OtbtfAlgorithm):
    """A synthetic scene to try things on."""

    OPERATION = Operation
    GROUP = "sampling"

    def displayName(self):
        return tr("Create example data")

    def description(self):
        return tr(
            "Makes a synthetic scene in the style of Sentinel-2 to try the other algorithms on: an image of 4 bands at "
            "10 m, one of 6 bands at 20 m, and sparse terrain truth of six classes, as rasters and as polygons. The "
            "classes differ in texture more than in spectrum, so that a model gains from looking at neighbours."
        )
