"""How many samples each class gets: the strategies of OTB's SampleSelection."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..errors import ParameterError, field


@dataclass(frozen=True)
class Rate:
    """The share of a class that is sampled.

    Attributes:
        required: samples asked for; may be more than there are.
        total: pixels of the class.
        rate: share of the pixels, at most 1, as OTB reports it.
    """

    required: int
    total: int
    rate: float

    @property
    def needed(self) -> int:
        """How many samples are taken."""
        return min(self.required, self.total)

    @classmethod
    def of(cls, required: int, total: int) -> Rate:
        """Return the rate of `required` samples out of `total` pixels."""
        return cls(required, total, min(1.0, required / total) if total else 0.0)


Totals = Mapping[str, int]
Rates = dict[str, Rate]


def every(totals: Totals) -> Rates:
    """`all`: every pixel."""
    return {name: Rate(total, total, 1.0) for name, total in totals.items()}


def constant(totals: Totals, number: int) -> Rates:
    """`constant`: the same number for each class that has pixels."""
    return {name: Rate.of(number if total else 0, total) for name, total in totals.items()}


def smallest(totals: Totals) -> Rates:
    """`smallest`: as many for each as the smallest class has, empty ones left aside."""
    return constant(totals, min((total for total in totals.values() if total), default=0))


def percent(totals: Totals, share: float) -> Rates:
    """`percent`: the same share of each class, from 0 to 1."""
    share = min(share, 1.0)
    return {name: Rate(_share_of(total, share), total, share) for name, total in totals.items()}


def total(totals: Totals, number: int) -> Rates:
    """`total`: about `number` samples in all, in the classes' proportions."""
    pixels = sum(totals.values())
    share = number / pixels if pixels else 0.0
    return {name: Rate.of(_share_of(total, share), total) for name, total in totals.items()}


def by_class(totals: Totals, numbers: Mapping[str, int]) -> Rates:
    """`byclass`: the given numbers; none for a class without one."""
    return {name: Rate.of(numbers.get(name, 0), total) for name, total in totals.items()}


def _share_of(total: int, share: float) -> int:
    return math.floor(total * share + 0.5)


def read_numbers(path: str) -> dict[str, int]:
    """Read the table of `byclass`: class and number of samples, separated by tab, semicolon or comma.

    Empty lines and those that begin with # are passed over.

    Raises:
        ParameterError: it cannot be read, or a line is no such pair.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = [(number, line.strip()) for number, line in enumerate(file, 1)]
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(
            "{strategy_byclass_in}: cannot read {path}: {error}.",
            strategy_byclass_in=field("strategy_byclass_in"),
            path=path,
            error=error,
        ) from error
    numbers: dict[str, int] = {}
    separator = ""
    for number, line in lines:
        if not line or line.startswith("#"):
            continue
        separator = separator or next((mark for mark in "\t;," if mark in line), ",")
        words = [word.strip() for word in next(csv.reader([line], delimiter=separator))]
        if len(words) < 2 or not words[0] or not words[1].isdecimal():
            raise ParameterError(
                "{strategy_byclass_in}: line {number} of {path} is {line!r}, but must be a class and a whole number "
                "of samples, such as 3,500.",
                strategy_byclass_in=field("strategy_byclass_in"),
                number=number,
                path=path,
                line=line,
            )
        numbers[words[0]] = int(words[1])
    if not numbers:
        raise ParameterError(
            "{strategy_byclass_in}: {path} names no class: each line must be a class and a number of samples, such "
            "as 3,500.",
            strategy_byclass_in=field("strategy_byclass_in"),
            path=path,
        )
    return numbers


def rates_table(rates: Mapping[str, Rate]) -> str:
    """Return the rates as the text that OTB writes to `outrates`."""
    lines: Iterable[str] = (f"{name}\t{r.required}\t{r.total}\t{r.rate:g}\n" for name, r in rates.items())
    return "".join(["#className requiredSamples totalSamples rate\n", *lines])


def even_shares(total: int, available: Sequence[int]) -> list[int]:
    """Return how many each gives of `total`: the same number, or all that it has; what is missing comes from the others.

        even_shares(100, [20, 70, 90])  ->  [20, 40, 40]

    What cannot be divided goes to the first ones.
    """
    shares = [0] * len(available)
    left = min(total, sum(available))
    while left:
        open_ = [place for place, most in enumerate(available) if shares[place] < most]
        each = max(1, left // len(open_))
        for place in open_:
            given = min(each, available[place] - shares[place], left)
            shares[place] += given
            left -= given
    return shares
