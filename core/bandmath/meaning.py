"""Operands and results of operators and functions, and their computation with Keras's operations.

A value is logical (of a comparison), a number, a vector of so many bands, or a matrix (a neighbourhood of several rows).
As arrays, numbers have 1 along the last axis, vectors their bands and matrices their elements row by row, so that a
number meets each band of a vector. BandMathX refuses some of these meetings (im1 + 1); where it gives a result, ours is
the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Union

from ..phrases import Phrase
from .syntax import CONSTANTS, Node, Number, Vector

LOGICAL, NUMBER = -1, 0
"""Kinds of values; a vector's kind is the number of its bands, from 1 on."""


class Matrix(NamedTuple):
    """The kind of a matrix."""

    rows: int
    columns: int


Kind = Union[int, Matrix]
Kinds = Sequence[Kind]


class Misfit(Exception):
    """An operator or function has wrong operands; the message says why."""


@dataclass(frozen=True)
class Meaning:
    """An operator or function.

    Attributes:
        least, most: number of operands.
        kind: of the result, from the operands' kinds; raises Misfit.
        compute: the result, from Keras's operations (`keras.ops`) and the operands' tensors.
    """

    least: int
    most: int
    kind: Callable[[Kinds], Kind]
    compute: Callable[..., Any]


@dataclass(frozen=True)
class Language:
    """The meaning of names and signs.

    Attributes:
        name: for messages.
        constants: names of numbers.
        operators, functions: by sign and by name.
        vectors: whether there are vectors, neighbourhoods and statistics, and several results.
    """

    name: str
    constants: Mapping[str, float]
    operators: Mapping[str, Meaning]
    functions: Mapping[str, Meaning]
    vectors: bool


def describe(kind: Kind) -> str:
    """Return a kind in words."""
    if isinstance(kind, Matrix):
        return Phrase("a neighbourhood of {columns} x {rows} pixels", columns=kind.columns, rows=kind.rows)
    if kind == LOGICAL:
        return Phrase("a comparison")
    return Phrase("a number") if kind == NUMBER else Phrase("a vector of {kind}", kind=kind)


def small(kind: Kind) -> bool:
    """Return whether a kind can be used as a number: a vector of one band can, too."""
    return kind in (NUMBER, 1)


def bands(kind: Kind) -> int:
    """Return how many bands a value gives.

    Raises:
        Misfit: it is a matrix.
    """
    if isinstance(kind, Matrix):
        raise Misfit(
            Phrase("does not take {kind}: use its mean, var, median, vmin, vmax or vnorm.", kind=describe(kind))
        )
    return max(kind, 1)


def _size(kind: Kind) -> Kind:
    """Return what must be alike where elements meet one by one."""
    return kind if isinstance(kind, Matrix) else max(kind, 1)


# ------------------------------------------------------------- what they return


def _no_logical(kinds: Kinds) -> None:
    if LOGICAL in kinds:
        raise Misfit(Phrase("does not take a comparison: convert it to a number with (... ? 1 : 0)."))


def _numbers(hint: str = "") -> Callable[[Kinds], Kind]:
    def kind(kinds: Kinds) -> Kind:
        _no_logical(kinds)
        wide = next((kind for kind in kinds if not small(kind)), None)
        if wide is not None:
            raise Misfit(Phrase("takes numbers, but this is {wide}{hint}.", wide=describe(wide), hint=hint))
        return NUMBER

    return kind


def _together(kinds: Kinds) -> Kind:
    """The kind of two operands of which each may be a number, or both are vectors of as many bands."""
    _no_logical(kinds)
    wide = {kind for kind in kinds if kind != NUMBER}
    if len(wide) > 1 and 1 in wide:
        wide.discard(1)
    if len(wide) > 1:
        raise Misfit(
            Phrase(
                "takes vectors with the same number of bands, but these are {kinds}.",
                kinds=Phrase(" and ").join(map(describe, kinds)),
            )
        )
    return wide.pop() if wide else NUMBER


def _product(kinds: Kinds) -> Kind:
    if not any(small(kind) for kind in kinds):
        raise Misfit(
            Phrase("takes at least one number; band by band, vectors are multiplied by mult (dotpr gives the sum).")
        )
    return _together(kinds)


def _by_number(other: str) -> Callable[[Kinds], Kind]:
    def kind(kinds: Kinds) -> Kind:
        _no_logical(kinds)
        if not small(kinds[1]):
            raise Misfit(
                Phrase(
                    "takes a number on its right, but this is {kind}: band by band it is {other}.",
                    kind=describe(kinds[1]),
                    other=other,
                )
            )
        return kinds[0]

    return kind


def _equal(kinds: Kinds) -> Kind:
    _no_logical(kinds)
    if len({_size(kind) for kind in kinds}) > 1:
        raise Misfit(
            Phrase(
                "takes vectors with the same number of bands, but these are {kinds}.",
                kinds=Phrase(" and ").join(map(describe, kinds)),
            )
        )
    return next((kind for kind in kinds if kind != NUMBER), NUMBER)


def _comparison(kinds: Kinds) -> Kind:
    _numbers(Phrase(": compare its bands one by one"))(kinds)
    return LOGICAL


def _equality(kinds: Kinds) -> Kind:
    return LOGICAL if set(kinds) == {LOGICAL} else _comparison(kinds)


def _logical(kinds: Kinds) -> Kind:
    if any(kind != LOGICAL for kind in kinds):
        raise Misfit(Phrase("takes comparisons, such as (im1b1 > 2)."))
    return LOGICAL


def _choice(kinds: Kinds) -> Kind:
    if kinds[0] != LOGICAL:
        raise Misfit(
            Phrase("takes a comparison before the ?, such as (im1b1 > 2), but this is {kind}.", kind=describe(kinds[0]))
        )
    if kinds[1] == kinds[2] == LOGICAL:
        return LOGICAL
    return _together(kinds[1:])


def _same(kinds: Kinds) -> Kind:
    _no_logical(kinds)
    return kinds[0]


def _number(kinds: Kinds) -> Kind:
    _no_logical(kinds)
    return NUMBER


def _dot(kinds: Kinds) -> Kind:
    _equal(kinds)
    return NUMBER if len(kinds) == 2 else len(kinds) - 1


def _one_each(kinds: Kinds) -> Kind:
    _no_logical(kinds)
    return NUMBER if len(kinds) == 1 else len(kinds)


def _side_by_side(kinds: Kinds) -> Kind:
    _no_logical(kinds)
    return sum(bands(kind) for kind in kinds)


def _one_number(kinds: Kinds) -> Kind:
    _equal(kinds)
    return NUMBER


def _single(kinds: Kinds) -> Kind:
    _numbers(Phrase(", and only a vector of one band is one"))(kinds)
    return NUMBER


# ------------------------------------------------------------- how they are computed


def _by_name(name: str) -> Callable[..., Any]:
    return lambda ops, *operands: getattr(ops, name)(*operands)


def _folded(name: str) -> Callable[..., Any]:
    def compute(ops: Any, first: Any, *others: Any) -> Any:
        for other in others:
            first = getattr(ops, name)(first, other)
        return first

    return compute


def _over_bands(name: str) -> Callable[..., Any]:
    return lambda ops, x: getattr(ops, name)(x, axis=-1, keepdims=True)


def _each(reduce: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Reduce each operand to a number, and put them side by side."""
    return lambda ops, *operands: ops.concatenate([reduce(ops, operand) for operand in operands], axis=-1)


def _median(ops: Any, x: Any) -> Any:
    middle = x.shape[-1] // 2  # the upper one of two
    return ops.sort(x, axis=-1)[..., middle : middle + 1]


def _norm(ops: Any, x: Any) -> Any:
    return ops.sqrt(ops.sum(ops.square(x), axis=-1, keepdims=True))


def _dot_products(ops: Any, first: Any, *others: Any) -> Any:
    products = [ops.sum(first * other, axis=-1, keepdims=True) for other in others]
    return ops.concatenate(products, axis=-1)


def _correlation(ops: Any, one: Any, two: Any) -> Any:
    one = one - ops.mean(one, axis=-1, keepdims=True)
    two = two - ops.mean(two, axis=-1, keepdims=True)
    return ops.sum(one * two, axis=-1, keepdims=True) / (_norm(ops, one) * _norm(ops, two))


def _ndvi(ops: Any, red: Any, infrared: Any) -> Any:
    total = infrared + red
    empty = ops.abs(total) < 1e-6
    return ops.where(empty, ops.zeros_like(total), (infrared - red) / ops.where(empty, ops.ones_like(total), total))


OPERATORS = {
    "neg": Meaning(1, 1, _same, _by_name("negative")),
    "+": Meaning(2, 2, _together, _by_name("add")),
    "-": Meaning(2, 2, _together, _by_name("subtract")),
    "*": Meaning(2, 2, _product, _by_name("multiply")),
    "/": Meaning(2, 2, _by_number("div"), _by_name("divide")),
    "^": Meaning(2, 2, _numbers(Phrase(": a vector's bands are raised by pw or pow")), _by_name("power")),
    "mlt": Meaning(2, 2, _by_number("mult"), _by_name("multiply")),
    "dv": Meaning(2, 2, _by_number("div"), _by_name("divide")),
    "pw": Meaning(2, 2, _by_number("pow"), _by_name("power")),
    "mult": Meaning(2, 2, _equal, _by_name("multiply")),
    "div": Meaning(2, 2, _equal, _by_name("divide")),
    "pow": Meaning(2, 2, _equal, _by_name("power")),
    "<": Meaning(2, 2, _comparison, _by_name("less")),
    "<=": Meaning(2, 2, _comparison, _by_name("less_equal")),
    ">": Meaning(2, 2, _comparison, _by_name("greater")),
    ">=": Meaning(2, 2, _comparison, _by_name("greater_equal")),
    "==": Meaning(2, 2, _equality, _by_name("equal")),
    "!=": Meaning(2, 2, _equality, _by_name("not_equal")),
    "and": Meaning(2, 2, _logical, _by_name("logical_and")),
    "or": Meaning(2, 2, _logical, _by_name("logical_or")),
    "?:": Meaning(3, 3, _choice, _by_name("where")),
}

_ELEMENTWISE = {
    **{name: name for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "log", "log10", "sqrt", "abs")},
    **{name: f"arc{name[1:]}" for name in ("asin", "acos", "atan")},
}
"""Functions of numbers that have one of vectors beside them (vsin, ...), and Keras's names of them."""

MOST_OPERANDS = 1000

FUNCTIONS = {
    **{
        name: Meaning(1, 1, _numbers(Phrase(": v{name} takes vectors", name=name)), _by_name(keras_name))
        for name, keras_name in _ELEMENTWISE.items()
    },
    **{f"v{name}": Meaning(1, 1, _same, _by_name(keras_name)) for name, keras_name in _ELEMENTWISE.items()},
    **{f"{name}h": Meaning(1, 1, _numbers(), _by_name(f"arc{name[1:]}h")) for name in ("asin", "acos", "atan")},
    "ln": Meaning(1, 1, _numbers(Phrase(": vlog takes vectors")), _by_name("log")),
    "log2": Meaning(1, 1, _numbers(), _by_name("log2")),
    "pow": Meaning(2, 2, _numbers(), _by_name("power")),
    "min": Meaning(1, MOST_OPERANDS, _numbers(Phrase(": vmin takes a vector")), _folded("minimum")),
    "max": Meaning(1, MOST_OPERANDS, _numbers(Phrase(": vmax takes a vector")), _folded("maximum")),
    "sum": Meaning(1, MOST_OPERANDS, _numbers(), _folded("add")),
    "ndvi": Meaning(2, 2, _numbers(), _ndvi),
    "vmin": Meaning(1, 1, _number, _over_bands("min")),
    "vmax": Meaning(1, 1, _number, _over_bands("max")),
    "vnorm": Meaning(1, 1, _number, _norm),
    "vect2scal": Meaning(1, 1, _single, lambda ops, x: x),
    "dotpr": Meaning(2, MOST_OPERANDS, _dot, _dot_products),
    "corr": Meaning(2, 2, _one_number, _correlation),
    "trunc": Meaning(
        1, 1, _numbers(Phrase(": (int) takes numbers")), lambda ops, x: ops.sign(x) * ops.floor(ops.abs(x))
    ),
    "real": Meaning(1, 1, _numbers(Phrase(": (float) takes numbers")), lambda ops, x: x),
    "mean": Meaning(1, MOST_OPERANDS, _one_each, _each(_over_bands("mean"))),
    "var": Meaning(1, MOST_OPERANDS, _one_each, _each(_over_bands("var"))),
    "median": Meaning(1, MOST_OPERANDS, _one_each, _each(_median)),
    "cat": Meaning(1, MOST_OPERANDS, _side_by_side, lambda ops, *operands: ops.concatenate(operands, axis=-1)),
}
"""Beside these, `bands(vector, {1, 3})` chooses bands; see `chosen_bands`."""

BANDMATHX = Language("BandMathX", CONSTANTS, OPERATORS, FUNCTIONS, True)


def chosen_bands(operands: tuple[Node, ...], kind: Kind) -> list[int]:
    """Return which bands, from 0 on, `bands(x, {...})` chooses of a value of that kind.

    Raises:
        Misfit: they are no whole numbers in brackets, or there are no such bands.
    """
    if len(operands) != 2 or not isinstance(operands[1], Vector):
        raise Misfit(Phrase("takes a vector and the numbers of its bands in curly brackets: bands(im1, {{1, 3}})."))
    numbers = [item.value if isinstance(item, Number) else 0.0 for item in operands[1].items]
    most = bands(kind)
    for number in numbers:
        if not number.is_integer() or not 1 <= number <= most:
            raise Misfit(Phrase("takes whole numbers from 1 to {most}, the bands of its first operand.", most=most))
    return [int(number) - 1 for number in numbers]
