"""BandMathX: an expression over images, with vectors, neighbourhoods, statistics, several output bands."""

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
        "Expression in the language of OTB's BandMathX, with im1 (all bands), im1b2, im1b2N3x3 (its neighbourhood), "
        "im1b2Mini, Maxi, Mean, Sum and Var, idxX, idxY and im1PhyX; results separated by ; become bands: "
        "ndvi(im1b1, im1b4); im1b1 / im1b1Maxi.",
        required=True,
        section=sections.SETTINGS,
    )


@dataclass(frozen=True)
class BandMathX(Operation, ArithmeticOutput, _Expression, Images):
    """See OTB's application of the same name."""

    TITLE = "BandMathX: an expression of images and neighbourhoods"
    GROUP = "images"
    DESCRIPTION = (
        "Computes an expression for each pixel of one or more images, in the language of OTB's BandMathX: band "
        "arithmetic, vectors, neighbourhoods, conditions, statistics of bands. Results separated by semicolons "
        "become bands.\n\n"
        "Pixels that are no-data in an image remain no-data."
    )
    RUN = "imagetools.arithmetic:band_math_x"
    CHECK = "imagetools.expressionchecks:check_band_math_x"
