"""BandMath: an expression over images, with single bands only, one output band."""

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
        "Expression in the language of OTB's BandMath: im1b2, idxX, idxY, idxPhyX, idxPhyY; comparisons are 1 or 0: "
        "(im1b4 - im1b1) / (im1b4 + im1b1) > 0.3 && im1b1 < 200.",
        required=True,
    )


@dataclass(frozen=True)
class BandMath(ArithmeticOutput, _Expression, Images):
    """Parameters of `run`; see OTB's application of the same name."""

    RUN: ClassVar[str] = "imagetools.arithmetic:band_math"
    CHECK: ClassVar[str] = "imagetools.expressionchecks:check_band_math"
    NEEDS_ENGINE: ClassVar[bool] = False
