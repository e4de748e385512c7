"""otbtf:bandmath."""

from __future__ import annotations

from ..core.operations.bandmath import BandMath as Operation
from .base import OtbtfAlgorithm
from .translate import tr


class BandMath(OtbtfAlgorithm):
    """An expression over images, one band."""

    OPERATION = Operation
    GROUP = "images"

    def displayName(self):
        return tr("Compute an expression over bands (BandMath)")

    def description(self):
        return tr(
            "Computes an expression for each pixel of one or more images, in the language of OTB's BandMath: "
            "single bands, and comparisons that give 1 or 0.\n\n"
            "Pixels that are no-data in an image stay no-data."
        )
