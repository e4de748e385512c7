"""Conversion to a type that may not hold all values: nothing wraps around, and changed values are counted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..phrases import Phrase

_DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
"""Binary digits of a whole number that floating-point types hold exactly."""

_LARGEST = {"float16": 65504.0, "bfloat16": float(np.finfo("float32").max), "float32": float(np.finfo("float32").max)}


def holds_all(source: np.dtype, target: str) -> bool:
    """Return whether a type holds every value of another.

    Real numbers may be rounded on the way to fewer digits, whole numbers not.

    Args:
        source: dtype of the values.
        target: TensorFlow's or NumPy's name of the type.
    """
    if source.kind not in "iuf":
        return True
    if target in _DIGITS:
        if source.kind == "f":
            return target not in _LARGEST or float(np.finfo(source).max) <= _LARGEST[target]
        return 8 * source.itemsize - (source.kind == "i") <= _DIGITS[target]
    try:
        wanted = np.dtype(target)
    except TypeError:  # a type of TensorFlow's own, or text
        return True
    return wanted.kind not in "iu" or np.can_cast(source, wanted)


_COUNTED = ("outside", "without", "fractions", "rounded")


class Narrowing:
    """Brings values within what a type holds, and counts those that it does not hold.

    Attributes:
        needed: False where it holds all.
        whole: whether the type is one of whole numbers.
        outside, without, fractions, rounded: numbers of values that lay outside, were no numbers (NaN), had fractions, or
            were whole ones of too many digits.
    """

    def __init__(self, source: np.dtype, target: str) -> None:
        self.target, self.needed = target, not holds_all(source, target)
        self.whole = self.needed and target not in _DIGITS
        limits: tuple[float, float] = _limits(source, target) if self.needed else (0, 0)
        self._low, self._high = limits
        self._from_float = source.kind == "f"
        self.reset()

    def reset(self) -> None:
        """Count from zero on."""
        self.outside = self.without = self.fractions = self.rounded = 0

    def counts(self) -> dict[str, int]:
        """Return what was counted, by name."""
        return {name: getattr(self, name) for name in _COUNTED}

    def add(self, counts: Mapping[str, int]) -> None:
        """Add what another one has counted; other names are left out."""
        for name in _COUNTED:
            setattr(self, name, getattr(self, name) + counts[name])

    @property
    def range(self) -> str:
        """Smallest and largest value of a type of whole numbers, in words."""
        info = np.iinfo(self.target)
        return Phrase("{min} to {max}", min=info.min, max=info.max)

    def __call__(self, values: np.ndarray, ignored: np.ndarray | None = None) -> np.ndarray:
        """Return the values, changed in place where they must be.

        Args:
            values: shape (..., bands).
            ignored: where they do not count, shape (...); None for nowhere.
        """
        if not self.needed or not values.size:
            return values
        counted = np.ones(values.shape, bool) if ignored is None else np.broadcast_to(~ignored[..., None], values.shape)
        if self.whole and self._from_float:
            unknown = np.isnan(values)
            if unknown.any():
                self.without += int(np.count_nonzero(unknown & counted))
                values[unknown] = 0
            fractions = np.isfinite(values) & (values != np.trunc(values))
            self.fractions += int(np.count_nonzero(fractions & counted))
        with np.errstate(invalid="ignore"):
            outside = (values < self._low) | (values > self._high)
            if not self.whole and self._from_float:
                outside &= np.isfinite(values)  # infinity stays what it is
        if outside.any():
            self.outside += int(np.count_nonzero(outside & counted))
            values[outside] = np.clip(values[outside], self._low, self._high)
        if not self.whole and not self._from_float:
            self._count_rounded(values, counted)
        return values

    def _count_rounded(self, values: np.ndarray, counted: np.ndarray) -> None:
        limit = 2 ** _DIGITS[self.target]
        large = (values > limit) | (values < -limit if values.dtype.kind == "i" else False)
        if not large.any():
            return
        # Whole numbers of more digits are held where those are zeros at the end.
        numbers = np.abs(values[large & counted].astype("float64"))
        exponent = np.frexp(numbers)[1] - _DIGITS[self.target]
        step = np.ldexp(1.0, np.maximum(exponent, 0))
        self.rounded += int(np.count_nonzero(numbers % step))

    def told(self) -> str:
        """Return what was counted, in words; empty where nothing was."""
        parts = [
            (
                self.outside,
                Phrase("lie outside of it ({range})", range=self.range)
                if self.whole
                else Phrase("are too large for it"),
            ),
            (self.without, Phrase("are NaN")),
            (self.fractions, Phrase("have fractions")),
            (self.rounded, Phrase("are whole numbers of more digits than it holds")),
        ]
        return Phrase(", ").join(Phrase("{count} {words}", count=count, words=words) for count, words in parts if count)


def _limits(source: np.dtype, target: str) -> tuple[float, float]:
    """Return the smallest and the largest value of the source's type that the target holds."""
    if target in _DIGITS:
        largest = _LARGEST.get(target, np.inf)
        if source.kind == "f":
            return source.type(-largest), source.type(largest)
        info = np.iinfo(source)
        return max(info.min, int(max(-largest, -(2.0**64)))), min(info.max, int(min(largest, 2.0**64)))
    wanted = np.iinfo(target)
    if source.kind != "f":
        info = np.iinfo(source)
        return max(info.min, wanted.min), min(info.max, wanted.max)
    low, high = source.type(wanted.min), source.type(wanted.max)
    return low, high if int(high) <= wanted.max else np.nextafter(high, source.type(0))
