"""otbtf:bandmathx."""

from __future__ import annotations

from ..core.operations.bandmathx import BandMathX as Operation
from .base import OtbtfAlgorithm
from .translate import tr


class BandMathX(OtbtfAlgorithm):
    """An expression over images, several bands."""

    OPERATION = Operation
    GROUP = "images"

    def displayName(self):
        return tr("Compute an expression over images (BandMathX)")

    def description(self):
        return tr(
            "Computes an expression for each pixel of one or more images, in the language of OTB's BandMathX: "
            "band arithmetic, vectors, neighbourhoods, conditions, statistics of bands. Results separated by "
            "semicolons become bands.\n\n"
            "Pixels that are no-data in an image stay no-data."
        )
