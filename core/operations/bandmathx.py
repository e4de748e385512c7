"""BandMathX: an expression over images, with vectors, neighbourhoods, statistics, several output bands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..parameters import vocabulary as voc
from ..parameters.imagegroups import ArithmeticOutput, Images


@dataclass(frozen=True)
class _Expression:
    exp: str = voc.text(
        "exp",
        "Expression",
        "Expression in the language of OTB's BandMathX: im1 (all bands), im1b2, im1b2N3x3 (its neighbourhood), im1b2Mini, Maxi, "
        "Mean, Sum and Var, idxX, idxY, im1PhyX; results separated by ; become bands: ndvi(im1b1, im1b4); im1b1 / im1b1Maxi.",
        required=True,
    )


@dataclass(frozen=True)
class BandMathX(ArithmeticOutput, _Expression, Images):
    """Parameters of `run`; see OTB's application of the same name."""

    RUN: ClassVar[str] = "imagetools.arithmetic:band_math_x"
    CHECK: ClassVar[str] = "imagetools.expressionchecks:check_band_math_x"
    NEEDS_ENGINE: ClassVar[bool] = False
