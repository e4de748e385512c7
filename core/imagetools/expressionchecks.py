"""Expressions in requests, read before anything else is done: the declarations name these checks."""

from __future__ import annotations

from ..bandmath.expression import Expression
from ..bandmath.meaning import BANDMATHX
from ..bandmath.scalarmeaning import BANDMATH
from ..operations.bandmath import BandMath
from ..operations.bandmathx import BandMathX
from ..operations.createmodel import CreateModel


def check_band_math(parameters: BandMath) -> None:
    """Raise ParameterError if `exp` is not an expression of BandMath."""
    Expression(parameters.exp, BANDMATH)


def check_band_math_x(parameters: BandMathX) -> None:
    """Raise ParameterError if `exp` is not an expression of BandMathX."""
    Expression(parameters.exp, BANDMATHX)


def check_formula(parameters: CreateModel) -> None:
    """Raise ParameterError if `expression`, for the template band_arithmetic, is not an expression on single pixels."""
    if parameters.template == "band_arithmetic" and parameters.expression:
        Expression.of_pixels(parameters.expression)
