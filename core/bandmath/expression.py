"""An expression that was read: what it needs, whether it fits the images, and its value."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from .meaning import FUNCTIONS, LOGICAL, NUMBER, OPERATORS, Meaning, Misfit, chosen_bands, describe
from .syntax import Call, Node, Number, Truth, Variable, Vector, fault, parse, variables


class Expression:
    """An expression of BandMathX.

    Attributes:
        text: as it was written.
        statistics: names of the statistics in it, such as im1b1Maxi.
    """

    def __init__(self, text: str) -> None:
        """Read it.

        Raises:
            ParameterError: it is no expression; the message says where.
        """
        self.text, self._parts = text, parse(text)
        found = [variable for variable in variables(self._parts) if variable.statistic]
        self.statistics = tuple(dict.fromkeys(variable.name for variable in found))
        self.images_with_statistics = tuple(sorted({variable.image for variable in found}))

    def check(self, bands: Sequence[int]) -> int:
        """Return the number of bands of the result, for images of so many bands.

        Raises:
            ParameterError: it does not fit them, or an operator or function does not fit its operands.
        """
        kinds = [self._kind(part, bands) for part in self._parts]
        for part, kind in zip(self._parts, kinds):
            if kind == LOGICAL:
                raise fault(self.text, part.at, "the result is a comparison, which is no number: write (... ? 1 : 0).")
        return sum(max(kind, 1) for kind in kinds)

    def _kind(self, node: Node, bands: Sequence[int]) -> int:
        if isinstance(node, Variable):
            return self._variable_kind(node, bands)
        if isinstance(node, Vector):
            for item in node.items:
                kind = self._kind(item, bands)
                if kind not in (NUMBER, 1):
                    raise fault(
                        self.text, item.at, f"curly brackets hold numbers, but this is {describe(kind)}: use cat."
                    )
            return len(node.items)
        if isinstance(node, Call):
            return self._call_kind(node, bands)
        return LOGICAL if isinstance(node, Truth) else NUMBER

    def _variable_kind(self, variable: Variable, bands: Sequence[int]) -> int:
        if variable.image > len(bands):
            raise fault(
                self.text,
                variable.at,
                f"{variable.name} stands for image {variable.image}, but there are {len(bands)}.",
            )
        most = bands[variable.image - 1]
        if variable.band > most:
            raise fault(self.text, variable.at, f"{variable.name} does not exist: im{variable.image} has {most} bands.")
        return NUMBER if variable.band else most

    def _call_kind(self, call: Call, bands: Sequence[int]) -> int:
        kinds = [self._kind(operand, bands) for operand in call.operands]
        try:
            if call.name == "bands":
                return len(chosen_bands(call.operands, kinds[0]))
            meaning = self._meaning(call)
            if not meaning.least <= len(kinds) <= meaning.most:
                raise Misfit(f"takes {_number_of(meaning)}, but has {len(kinds)}.")
            return meaning.kind(kinds)
        except Misfit as misfit:
            name = "-" if call.name == "neg" else call.name
            raise fault(self.text, call.at, f"{name!r} {misfit}") from None

    def _meaning(self, call: Call) -> Meaning:
        if call.operator:
            return OPERATORS[call.name]
        if call.name not in FUNCTIONS:
            near = difflib.get_close_matches(call.name, [*FUNCTIONS, "bands"], n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Functions are: {', '.join(sorted([*FUNCTIONS, 'bands']))}."
            raise fault(self.text, call.at, f"there is no function {call.name!r}. {hint}")
        return FUNCTIONS[call.name]

    def compute(self, ops: Any, images: Sequence[Any], statistics: Mapping[str, float]) -> Any:
        """Return the value.

        Args:
            ops: Keras's operations.
            images: float tensors of shape (..., bands), alike but for the bands.
            statistics: values by name.

        Returns:
            A tensor of shape (..., bands of the result).
        """
        computing = _Computing(ops, images, statistics)
        return ops.concatenate([computing.value(part) for part in self._parts], axis=-1)


class _Computing:
    """Computes tensors from the trees of an expression that was checked."""

    def __init__(self, ops: Any, images: Sequence[Any], statistics: Mapping[str, float]) -> None:
        self._ops, self._images, self._statistics = ops, images, statistics
        self._zero = ops.zeros_like(images[0][..., :1])

    def value(self, node: Node) -> Any:
        if isinstance(node, Number):
            return self._zero + node.value
        if isinstance(node, Truth):
            return self._ops.equal(self._zero, 0.0 if node.value else 1.0)
        if isinstance(node, Variable):
            return self._variable(node)
        if isinstance(node, Vector):
            return self._ops.concatenate([self.value(item) for item in node.items], axis=-1)
        operands = [self.value(operand) for operand in node.operands]
        if node.name == "bands":
            chosen = chosen_bands(node.operands, operands[0].shape[-1])
            return self._ops.take(operands[0], chosen, axis=-1)
        meanings = OPERATORS if node.operator else FUNCTIONS
        return meanings[node.name].compute(self._ops, *operands)

    def _variable(self, variable: Variable) -> Any:
        if variable.statistic:
            return self._zero + self._statistics[variable.name]
        image = self._images[variable.image - 1]
        return image[..., variable.band - 1 : variable.band] if variable.band else image


def _number_of(meaning: Meaning) -> str:
    values = "value" if meaning.least == 1 else "values"
    return f"{'' if meaning.most == meaning.least else 'at least '}{meaning.least} {values}"
