"""BandMathX: an expression over images, with vectors, neighbourhoods, statistics, several output bands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..bandmath.expression import Expression
from ..bandmath.meaning import BANDMATHX
from ..base.progress import Progress
from ..imagetools.arithmetic import ArithmeticOutput, Images, compute
from ..parameters import vocabulary as voc


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

    NEEDS_ENGINE: ClassVar[bool] = False

    def __post_init__(self) -> None:
        Expression(self.exp, BANDMATHX)


def run(parameters: BandMathX, progress: Progress) -> dict[str, Any]:
    """Compute the expression for each pixel and return {"out": path, ...}, as `core.imagetools.tooloutput.results` has it.

    Values are computed in double precision. In an output of whole numbers, fractions are cut off and values beyond the
    type become its largest or smallest, as in OTB.

    Raises:
        ParameterError, RasterError: bad input, before work starts.
        Cancelled: `progress` asked to stop; nothing is left behind.
    """
    return compute(parameters, BANDMATHX, progress)
