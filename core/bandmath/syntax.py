"""Parsing an expression: its words, and their tree.

The language is that part of muParserX that OTB's BandMathX uses:

    im1b2             second band of the first image (a number)
    im1               the first image (a vector: all its bands)
    im1b2N3x5         the pixels of a band around the pixel: 3 columns, 5 rows (a matrix)
    im1b2Mini ...     statistics of a band: Mini, Maxi, Mean, Sum, Var
    idxX idxY         column and row of the pixel, from 0
    im1PhyX im1PhyY   spacing of the first image
    {im1b1, 2}        a vector
    + - * /  ^        arithmetic; -x^2 is -(x^2), and 2^3^2 is 2^(3^2)
    mlt dv pw         a vector and a number;  mult div pow: two vectors, band by band
    < <= > >= == !=   comparisons;  and or && ||: of them
    c ? a : b         choice
    f(a, b)           functions (core.bandmath.meaning)
    a ; b             several results, one after the other

As OTB does, `;` inside of brackets is read as `,`, and once there is a `;` in an expression, so is `,` outside of them as
`;`. BandMath's language (`core.bandmath.scalarmeaning`) has the same words, but for what is marked with its language.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Union

from ..errors import ParameterError
from ..phrases import Phrase

MOST_LEVELS, MOST_WORDS = 60, 500
"""Deepest nesting of brackets and greatest length of an expression: trees are walked by recursion."""

_WORDS = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign><=|>=|==|!=|&&|\|\||[-+*/^<>?:;,(){}])"
)
_VARIABLE = re.compile(r"im([1-9]\d*)(?:b([1-9]\d*)(?:(Mini|Maxi|Mean|Sum|Var)|N(\d+)x(\d+))?)?")
_PLACE = re.compile(r"(?:im([1-9]\d*)Phy|idx|idxPhy)([XY])")
LARGEST_WINDOW = 99
"""Columns and rows of the largest neighbourhood."""

_LEVELS = {
    **dict.fromkeys(("or", "||"), 1),
    **dict.fromkeys(("and", "&&"), 2),
    **dict.fromkeys(("==", "!="), 3),
    **dict.fromkeys(("<", "<=", ">", ">="), 4),
    **dict.fromkeys(("+", "-"), 5),
    **dict.fromkeys(("*", "/", "mlt", "dv", "pw", "mult", "div"), 6),
    **dict.fromkeys(("^", "pow"), 8),
}
"""How tightly operators bind; a sign in front (7) binds tighter than * and looser than ^."""

_SIGN = 7
_SAME = {"&&": "and", "||": "or"}
_CASTS = {"int": "trunc", "float": "real"}
CONSTANTS = {"pi": math.pi, "e": math.e}
"""Constants of BandMathX."""


@dataclass(frozen=True)
class Number:
    """A number."""

    value: float
    at: int


@dataclass(frozen=True)
class Truth:
    """`true` or `false`."""

    value: bool
    at: int


@dataclass(frozen=True)
class Variable:
    """An image (band 0), one of its bands, or a statistic or the neighbourhood of a band; counted from 1.

    Attributes:
        window: columns and rows of the neighbourhood; (1, 1) for the pixel itself.
        neighbourhood: whether it was written as one.
    """

    image: int
    band: int
    statistic: str
    at: int
    window: tuple[int, int] = (1, 1)
    neighbourhood: bool = False

    @property
    def name(self) -> str:
        """As the expression has it."""
        around = f"N{self.window[0]}x{self.window[1]}" if self.neighbourhood else ""
        return f"im{self.image}" + (f"b{self.band}{self.statistic}{around}" if self.band else "")


@dataclass(frozen=True)
class Place:
    """Where the pixel lies, or an image's spacing.

    Attributes:
        name: as the expression has it: idxX, idxY, im1PhyX, im1PhyY and, in BandMath, idxPhyX and idxPhyY.
        image: whose spacing it is, from 1; 0 where it is no spacing.
    """

    name: str
    image: int
    at: int


@dataclass(frozen=True)
class Vector:
    """Numbers side by side."""

    items: tuple[Node, ...]
    at: int


@dataclass(frozen=True)
class Call:
    """A function or an operator (`?:`, `neg` and the binary ones by their own signs) and what it is applied to."""

    name: str
    operands: tuple[Node, ...]
    at: int
    operator: bool = False


Node = Union[Number, Truth, Variable, Place, Vector, Call]


@dataclass(frozen=True)
class _Word:
    kind: str  # number, name, sign, end
    text: str
    at: int


def fault(text: str, at: int, problem: str) -> ParameterError:
    """Return the error for what is wrong at character `at` (from 0) of the expression."""
    shown = f"{text[max(0, at - 30) : at]}>>>{text[at : at + 30]}"
    return ParameterError(
        "The expression, character {at}: {problem} Here: {shown}", at=at + 1, problem=problem, shown=shown
    )


def parse(text: str, constants: Mapping[str, float] = CONSTANTS) -> tuple[Node, ...]:
    """Return the trees of an expression's parts, of which each gives one or more bands.

    Args:
        text: the expression.
        constants: names of numbers.

    Raises:
        ParameterError: it is no expression; the message says where.
    """
    return _Parser(text, constants).parts()


def leaves(nodes: tuple[Node, ...]) -> Iterator[Node]:
    """Yield what trees are made of (numbers, variables, places) from left to right."""
    for node in nodes:
        if isinstance(node, Vector):
            yield from leaves(node.items)
        elif isinstance(node, Call):
            yield from leaves(node.operands)
        else:
            yield node


def _words(text: str) -> Iterator[_Word]:
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        found = _WORDS.match(text, at)
        if found is None:
            if text[at] in "[]":
                raise fault(
                    text, at, Phrase("elements by index are not supported: write im1b1 for the first band of im1.")
                )
            raise fault(text, at, Phrase("{text!r} has no meaning in expressions.", text=text[at]))
        yield _Word(str(found.lastgroup), found[0], at)
        at = found.end()
    yield _Word("end", "", len(text))


class _Parser:
    """Reads words from left to right; each operator takes what binds tighter than itself."""

    def __init__(self, text: str, constants: Mapping[str, float]) -> None:
        self._text, self._words, self._next, self._depth = text, list(_words(text)), 0, 0
        self._constants = constants
        if len(self._words) > MOST_WORDS:
            raise fault(
                text,
                self._words[MOST_WORDS].at,
                Phrase("more than {most_words} words: split the expression.", most_words=MOST_WORDS),
            )

    @property
    def _word(self) -> _Word:
        return self._words[self._next]

    def _take(self) -> _Word:
        word = self._word
        self._next += 1
        return word

    def _fault(self, word: _Word, problem: str) -> ParameterError:
        return fault(self._text, word.at, problem)

    def _expect(self, sign: str, opened: _Word) -> None:
        if self._word.text != sign:
            found = repr(self._word.text) if self._word.text else Phrase("the end")
            raise self._fault(
                self._word,
                Phrase(
                    "{sign!r} is missing for the {opened!r} at {at}; found {found}.",
                    sign=sign,
                    opened=opened.text,
                    at=opened.at + 1,
                    found=found,
                ),
            )
        self._take()

    def parts(self) -> tuple[Node, ...]:
        between = (";", ",") if any(word.text == ";" for word in self._words) else (";",)
        found = [self._choice()]
        while self._word.text in between:
            self._take()
            found.append(self._choice())
        if self._word.kind != "end":
            raise self._fault(
                self._word, Phrase("{word!r} is unexpected: is an operator missing before it?", word=self._word.text)
            )
        return tuple(found)

    def _choice(self) -> Node:
        self._depth += 1
        if self._depth > MOST_LEVELS:
            raise self._fault(
                self._word,
                Phrase("more than {most_levels} levels of brackets: simplify the expression.", most_levels=MOST_LEVELS),
            )
        condition = self._binary(1)
        if self._word.text == "?":
            mark = self._take()
            first = self._choice()
            self._expect(":", mark)
            condition = Call("?:", (condition, first, self._choice()), mark.at, True)
        self._depth -= 1
        return condition

    def _binary(self, level: int) -> Node:
        """Return operands joined by operators that bind at least as tightly as `level`."""
        left = self._operand()
        while _LEVELS.get(self._word.text, 0) >= level:
            word = self._take()
            own = _LEVELS[word.text]
            right = self._binary(own if own == _LEVELS["^"] else own + 1)  # powers go from right to left
            left = Call(_SAME.get(word.text, word.text), (left, right), word.at, True)
        return left

    def _operand(self) -> Node:
        word = self._take()
        if word.kind == "number":
            return Number(float(word.text), word.at)
        if word.text == "-":
            return Call("neg", (self._signed(word),), word.at, True)
        if word.text == "+":
            return self._signed(word)
        if word.text == "(" and self._word.text in _CASTS and self._words[self._next + 1].text == ")":
            cast = self._take()
            self._take()
            return Call(_CASTS[cast.text], (self._signed(word),), cast.at)
        if word.text == "(":
            inner = self._choice()
            self._expect(")", word)
            return inner
        if word.text == "{":
            return Vector(self._list("}", word), word.at)
        if word.kind == "name" and self._word.text == "(":
            return Call(word.text, self._list(")", self._take()), word.at)
        if word.kind == "name":
            return self._name(word)
        found_text = repr(word.text) if word.text else Phrase("the end")
        raise self._fault(
            word,
            Phrase(
                "a number, a variable, a function or a bracket is missing; found {found_text}.", found_text=found_text
            ),
        )

    def _signed(self, word: _Word) -> Node:
        """Return what follows a sign, or a cast."""
        self._depth += 1
        if self._depth > MOST_LEVELS:
            raise self._fault(
                word, Phrase("more than {most_levels} signs: simplify the expression.", most_levels=MOST_LEVELS)
            )
        found = self._binary(_SIGN)
        self._depth -= 1
        return found

    def _list(self, sign: str, opened: _Word) -> tuple[Node, ...]:
        found = [self._choice()]
        while self._word.text in (",", ";"):
            self._take()
            found.append(self._choice())
        self._expect(sign, opened)
        return tuple(found)

    def _name(self, word: _Word) -> Node:
        if word.text in self._constants:
            return Number(self._constants[word.text], word.at)
        if word.text in ("true", "false"):
            return Truth(word.text == "true", word.at)
        found = _VARIABLE.fullmatch(word.text)
        if found:
            return self._variable(word, found)
        place = _PLACE.fullmatch(word.text)
        if place:
            return Place(word.text, int(place[1] or 0), word.at)
        raise self._fault(
            word,
            Phrase(
                "{word!r} is unknown. Variables are im1 (all bands), im1b1, im1b1N3x3 (its neighbourhood), im1b1Mini, "
                "Maxi, Mean, Sum and Var, idxX, idxY, im1PhyX and im1PhyY; images and bands are counted from 1.",
                word=word.text,
            ),
        )

    def _variable(self, word: _Word, found: re.Match[str]) -> Variable:
        image, band, statistic = int(found[1]), int(found[2] or 0), found[3] or ""
        if not found[4]:
            return Variable(image, band, statistic, word.at)
        columns, rows = int(found[4]), int(found[5])
        if not (columns % 2 and rows % 2 and max(columns, rows) <= LARGEST_WINDOW):
            raise self._fault(
                word,
                Phrase(
                    "{word}: a neighbourhood must have odd numbers of columns and rows, at most {largest_window}.",
                    word=word.text,
                    largest_window=LARGEST_WINDOW,
                ),
            )
        return Variable(image, band, "", word.at, (columns, rows), True)
