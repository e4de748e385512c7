"""An expression of BandMathX or BandMath after parsing: its variables, the check against the images, and its value."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..phrases import Phrase
from .meaning import (
    BANDMATHX,
    LOGICAL,
    NUMBER,
    Kind,
    Language,
    Matrix,
    Meaning,
    Misfit,
    bands,
    chosen_bands,
    describe,
    small,
)
from .syntax import Call, Node, Number, Place, Truth, Variable, Vector, fault, leaves, parse


@dataclass(frozen=True)
class Surroundings:
    """What lies around the pixels that are computed.

    Attributes:
        margins: columns and rows that the images have more, on each side, than the result.
        places: by name (idxX, im1PhyX, ...) a number, or an array that goes with the result's.
    """

    margins: tuple[int, int] = (0, 0)
    places: Mapping[str, Any] = field(default_factory=dict)


class Expression:
    """An expression of BandMathX or BandMath.

    Attributes:
        text: as it was written.
        language: which of the two.
        statistics: names of the statistics in it, such as im1b1Maxi.
        images_with_statistics: the images that they are of, from 1.
        margins: columns and rows around a pixel that are needed on each side, for neighbourhoods.
        places: names of what depends on where a pixel lies, such as idxX.
    """

    def __init__(self, text: str, language: Language = BANDMATHX) -> None:
        """Read it.

        Raises:
            ParameterError: it is no expression; the message says where.
        """
        self.text, self.language, self._parts = text, language, parse(text, language.constants)
        self._leaves = tuple(leaves(self._parts))
        variables = [leaf for leaf in self._leaves if isinstance(leaf, Variable)]
        found = [variable for variable in variables if variable.statistic]
        self.statistics = tuple(dict.fromkeys(variable.name for variable in found))
        self.images_with_statistics = tuple(sorted({variable.image for variable in found}))
        columns, rows = zip((1, 1), *(variable.window for variable in variables))
        self.margins: tuple[int, int] = (max(columns) // 2, max(rows) // 2)
        self.places = tuple(dict.fromkeys(leaf.name for leaf in self._leaves if isinstance(leaf, Place)))

    @classmethod
    def of_pixels(cls, text: str) -> Expression:
        """Read an expression of BandMathX that computes each pixel by itself, as a model does.

        Raises:
            ParameterError: it is none.
        """
        expression = cls(text)
        for leaf in expression._leaves:
            if isinstance(leaf, Variable) and leaf.neighbourhood:
                what = Phrase(
                    "{leaf}: a model computes each pixel by itself, without neighbourhoods: use BandMathX "
                    "(otbtf:bandmathx).",
                    leaf=leaf.name,
                )
                raise fault(text, leaf.at, what)
            if isinstance(leaf, Place):
                what = Phrase(
                    "{leaf}: a model does not know the position of a pixel: use BandMathX (otbtf:bandmathx).",
                    leaf=leaf.name,
                )
                raise fault(text, leaf.at, what)
        return expression

    def check(self, images: Sequence[int]) -> int:
        """Return the number of bands of the result, for images of so many bands.

        Raises:
            ParameterError: it does not fit them, or an operator or function does not fit its operands.
        """
        if not self.language.vectors and len(self._parts) > 1:
            raise fault(
                self.text, self._parts[1].at, Phrase("BandMath gives one band: use BandMathX for several results.")
            )
        total = 0
        for part in self._parts:
            kind = self._kind(part, images)
            if kind == LOGICAL:
                raise fault(
                    self.text, part.at, Phrase("the result is a comparison, not a number: write (... ? 1 : 0).")
                )
            try:
                total += bands(kind)
            except Misfit as misfit:
                raise fault(self.text, part.at, Phrase("the result {misfit}", misfit=misfit)) from None
        return total

    def _kind(self, node: Node, images: Sequence[int]) -> Kind:
        if isinstance(node, Variable):
            return self._variable_kind(node, images)
        if isinstance(node, Vector):
            return self._vector_kind(node, images)
        if isinstance(node, Call):
            return self._call_kind(node, images)
        if isinstance(node, Place) and node.image > len(images):
            raise fault(
                self.text,
                node.at,
                Phrase(
                    "{node} refers to image {image}, but the number of images is {images_count}.",
                    node=node.name,
                    image=node.image,
                    images_count=len(images),
                ),
            )
        return LOGICAL if isinstance(node, Truth) else NUMBER

    def _vector_kind(self, vector: Vector, images: Sequence[int]) -> Kind:
        if not self.language.vectors:
            raise fault(self.text, vector.at, Phrase("BandMath has no vectors: use BandMathX."))
        for item in vector.items:
            kind = self._kind(item, images)
            if not small(kind):
                raise fault(
                    self.text,
                    item.at,
                    Phrase("curly brackets hold numbers, but this is {kind}: use cat.", kind=describe(kind)),
                )
        return len(vector.items)

    def _variable_kind(self, variable: Variable, images: Sequence[int]) -> Kind:
        if variable.image > len(images):
            raise fault(
                self.text,
                variable.at,
                Phrase(
                    "{variable} refers to image {image}, but the number of images is {images_count}.",
                    variable=variable.name,
                    image=variable.image,
                    images_count=len(images),
                ),
            )
        most = images[variable.image - 1]
        if variable.band > most:
            raise fault(
                self.text,
                variable.at,
                Phrase(
                    "{variable} does not exist: im{image} has {most} bands.",
                    variable=variable.name,
                    image=variable.image,
                    most=most,
                ),
            )
        plain = variable.band and not variable.statistic and not variable.neighbourhood
        if not self.language.vectors and not plain:
            raise fault(
                self.text,
                variable.at,
                Phrase(
                    "{variable}: BandMath takes single bands only, such as im1b1: use BandMathX.",
                    variable=variable.name,
                ),
            )
        if not variable.band:
            return most
        columns, rows = variable.window
        if not variable.neighbourhood:
            return NUMBER
        return columns if rows == 1 else Matrix(rows, columns)

    def _call_kind(self, call: Call, images: Sequence[int]) -> Kind:
        kinds = [self._kind(operand, images) for operand in call.operands]
        try:
            if call.name == "bands" and self.language.vectors:
                return len(chosen_bands(call.operands, kinds[0]))
            meaning = self._meaning(call)
            if not meaning.least <= len(kinds) <= meaning.most:
                raise Misfit(
                    Phrase("takes {number}, but has {kinds_count}.", number=_number_of(meaning), kinds_count=len(kinds))
                )
            return meaning.kind(kinds)
        except Misfit as misfit:
            name = "-" if call.name == "neg" else call.name
            raise fault(self.text, call.at, Phrase("{name!r} {misfit}", name=name, misfit=misfit)) from None

    def _meaning(self, call: Call) -> Meaning:
        functions = self.language.functions
        if call.operator:
            return self.language.operators[call.name]
        if call.name not in functions:
            known = [*functions, *(["bands"] if self.language.vectors else [])]
            near = difflib.get_close_matches(call.name, known, n=1)
            hint = (
                Phrase("Did you mean {near}?", near=near[0])
                if near
                else Phrase("Functions are: {known}.", known=", ".join(sorted(known)))
            )
            raise fault(
                self.text,
                call.at,
                Phrase(
                    "{language} has no function {call!r} here. {hint}",
                    language=self.language.name,
                    call=call.name,
                    hint=hint,
                ),
            )
        return functions[call.name]

    def compute(
        self,
        ops: Any,
        images: Sequence[Any],
        statistics: Mapping[str, float],
        surroundings: Surroundings = Surroundings(),
    ) -> Any:
        """Return the value.

        Args:
            ops: Keras's operations, or NumPy.
            images: float arrays of shape (..., rows, columns, bands), alike but for the bands, with the surroundings'
                margins.
            statistics: values by name.
            surroundings: for neighbourhoods and places.

        Returns:
            An array of shape (..., rows, columns, bands of the result), without the margins.
        """
        computing = _Computing(ops, images, statistics, self.language, surroundings)
        return ops.concatenate([computing.value(part) for part in self._parts], axis=-1)


class _Computing:
    """Computes tensors from the trees of an expression that was checked."""

    def __init__(
        self,
        ops: Any,
        images: Sequence[Any],
        statistics: Mapping[str, float],
        language: Language,
        surroundings: Surroundings,
    ) -> None:
        self._ops, self._images, self._statistics = ops, images, statistics
        self._language, self._surroundings = language, surroundings
        self._zero = ops.zeros_like(self._shifted(images[0][..., :1], 0, 0))

    def value(self, node: Node) -> Any:
        if isinstance(node, Number):
            return self._zero + node.value
        if isinstance(node, Truth):
            return self._ops.equal(self._zero, 0.0 if node.value else 1.0)
        if isinstance(node, Variable):
            return self._variable(node)
        if isinstance(node, Place):
            return self._zero + self._surroundings.places[node.name]
        if isinstance(node, Vector):
            return self._ops.concatenate([self.value(item) for item in node.items], axis=-1)
        operands = [self.value(operand) for operand in node.operands]
        if node.name == "bands" and not node.operator:
            chosen = chosen_bands(node.operands, operands[0].shape[-1])
            return self._ops.take(operands[0], chosen, axis=-1)
        meanings = self._language.operators if node.operator else self._language.functions
        return meanings[node.name].compute(self._ops, *operands)

    def _variable(self, variable: Variable) -> Any:
        if variable.statistic:
            return self._zero + self._statistics[variable.name]
        image = self._images[variable.image - 1]
        image = image[..., variable.band - 1 : variable.band] if variable.band else image
        columns, rows = variable.window
        shifts = [(x - columns // 2, y - rows // 2) for y in range(rows) for x in range(columns)]
        found = [self._shifted(image, x, y) for x, y in shifts]
        return found[0] if len(found) == 1 else self._ops.concatenate(found, axis=-1)

    def _shifted(self, image: Any, x: int, y: int) -> Any:
        """Return the pixels so many columns and rows further on, without the margins."""
        width, height = self._surroundings.margins
        if not width and not height:
            return image
        rows = slice(height + y, image.shape[-3] - height + y)
        return image[..., rows, slice(width + x, image.shape[-2] - width + x), :]


def _number_of(meaning: Meaning) -> str:
    number = Phrase("1 value") if meaning.least == 1 else Phrase("{count} values", count=meaning.least)
    return number if meaning.most == meaning.least else Phrase("at least {number}", number=number)
