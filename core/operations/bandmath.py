"""BandMath: an expression over images, with single bands only, one output band."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..bandmath.expression import Expression
from ..bandmath.scalarmeaning import BANDMATH
from ..base.progress import Progress
from ..imagetools.arithmetic import ArithmeticOutput, Images, compute
from ..parameters import vocabulary as voc


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

    NEEDS_ENGINE: ClassVar[bool] = False

    def __post_init__(self) -> None:
        Expression(self.exp, BANDMATH)


def run(parameters: BandMath, progress: Progress) -> dict[str, Any]:
    """Compute the expression for each pixel and return {"out": path, ...}, as `core.imagetools.tooloutput.results` has it.

    Values are computed in double precision. In an output of whole numbers, fractions are cut off and values beyond the
    type become its largest or smallest, as in OTB.

    Raises:
        ParameterError, RasterError: bad input, before work starts.
        Cancelled: `progress` asked to stop; nothing is left behind.
    """
    return compute(parameters, BANDMATH, progress)
