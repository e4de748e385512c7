"""BandMath: an expression over images, with single bands only, one output band."""

from __future__ import annotations

from dataclasses import dataclass

from ..parameters import sections
from ..parameters import vocabulary as voc
from ..parameters.imagegroups import ArithmeticOutput, Images
from ..parameters.operation import Group, Operation


@dataclass(frozen=True)
class _Expression(Group):
    exp: str = voc.text(
        "exp",
        "Expression",
        "Expression in the language of OTB's BandMath, with im1b2, idxX, idxY, idxPhyX and idxPhyY; comparisons are "
        "1 or 0: (im1b4 - im1b1) / (im1b4 + im1b1) > 0.3 && im1b1 < 200.",
        required=True,
        section=sections.SETTINGS,
    )


@dataclass(frozen=True)
class BandMath(Operation, ArithmeticOutput, _Expression, Images):
    """See OTB's application of the same name."""

    TITLE = "BandMath: an expression of single bands"
    GROUP = "images"
    DESCRIPTION = (
        "Computes an expression for each pixel of one or more images, in the language of OTB's BandMath: single "
        "bands, and comparisons that return 1 or 0.\n\n"
        "Pixels that are no-data in an image remain no-data."
    )
    RUN = "imagetools.arithmetic:band_math"
    CHECK = "imagetools.expressionchecks:check_band_math"
