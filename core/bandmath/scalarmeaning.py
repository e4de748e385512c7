"""The language of OTB's BandMath: numbers only, and comparisons are numbers (1 or 0), as muParser has it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..phrases import Phrase
from .meaning import FUNCTIONS, MOST_OPERANDS, OPERATORS, Kinds, Language, Meaning, Misfit, describe, small


def _number(kinds: Kinds) -> int:
    for kind in kinds:
        if not small(kind):
            raise Misfit(Phrase("takes numbers, but this is {kind}.", kind=describe(kind)))
    return 0


def _truth(compute: Callable[..., Any]) -> Callable[..., Any]:
    """Return 1 where `compute` finds true, else 0."""

    def found(ops: Any, *operands: Any) -> Any:
        one = ops.ones_like(operands[0])
        return ops.where(compute(ops, *operands), one, ops.zeros_like(one))

    return found


def _of_truths(compute: Callable[..., Any]) -> Callable[..., Any]:
    return _truth(lambda ops, *operands: compute(ops, *(ops.not_equal(operand, 0.0) for operand in operands)))


def _choice(ops: Any, condition: Any, one: Any, other: Any) -> Any:
    return ops.where(ops.not_equal(condition, 0.0), one, other)


def _average(ops: Any, *operands: Any) -> Any:
    return sum(operands[1:], operands[0]) / len(operands)


_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_SHARED = "sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh exp sqrt abs log ln log2 log10 min max sum ndvi".split()

BANDMATH = Language(
    "BandMath",
    {
        "pi": math.pi,
        "e": math.e,
        "_pi": math.pi,
        "_e": math.e,
        "euler": 0.5772156649015329,
        "ln2": math.log(2),
        "ln10": math.log(10),
        "log2e": math.log2(math.e),
        "log10e": math.log10(math.e),
    },
    {
        **{sign: Meaning(2, 2, _number, OPERATORS[sign].compute) for sign in ("+", "-", "*", "/", "^")},
        **{sign: Meaning(2, 2, _number, _truth(OPERATORS[sign].compute)) for sign in _COMPARISONS},
        **{word: Meaning(2, 2, _number, _of_truths(OPERATORS[word].compute)) for word in ("and", "or")},
        "neg": Meaning(1, 1, _number, OPERATORS["neg"].compute),
        "?:": Meaning(3, 3, _number, _choice),
    },
    {
        **{
            name: Meaning(FUNCTIONS[name].least, FUNCTIONS[name].most, _number, FUNCTIONS[name].compute)
            for name in _SHARED
        },
        "atan2": Meaning(2, 2, _number, lambda ops, y, x: ops.arctan2(y, x)),
        "rint": Meaning(1, 1, _number, lambda ops, x: ops.round(x)),
        "sign": Meaning(1, 1, _number, lambda ops, x: ops.sign(x)),
        "avg": Meaning(1, MOST_OPERANDS, _number, _average),
    },
    False,
)
