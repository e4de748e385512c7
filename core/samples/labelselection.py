"""Choosing labelled pixels: their number in each class, and their positions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ParameterError, field

_HYPERGEOMETRIC = 1_000_000_000  # NumPy draws from populations below


@dataclass(frozen=True)
class Quota:
    """What is taken of a class: of its `count` pixels every `step`-th, until there are `target`."""

    count: int
    target: int
    step: int


def quotas(counts: Mapping[int, int], strategy: str, constant: int, total: int) -> dict[int, Quota]:
    """Return per class what OTBTF's LabelImageSampleSelection takes of it.

    Args:
        counts: class to its number of pixels, all above 0.
        strategy: `constant`, `total`, `smallest`, `all`, or `atmost`, which OTBTF does not have.
        constant: samples per class, for `constant` and `atmost`.
        total: samples altogether, for `total`.

    Raises:
        ParameterError: a class would get no sample.
    """
    smallest = min(counts.values())
    if strategy == "all":
        return {label: Quota(n, n, 1) for label, n in counts.items()}
    if strategy == "atmost":
        return {label: Quota(n, min(n, constant), n // min(n, constant)) for label, n in counts.items()}
    if strategy == "total":
        step = max(1, sum(counts.values()) // total)
        for label, n in counts.items():
            if n < step:
                raise ParameterError(
                    "{strategy_total_v} is {total}, which selects every {step}th pixel, so class {label} with {n} "
                    "pixels gets no sample: set at least {counts}, or choose another strategy.",
                    strategy_total_v=field("strategy_total_v"),
                    total=total,
                    step=step,
                    label=label,
                    n=n,
                    counts=sum(counts.values()) // n,
                )
        return {label: Quota(n, n // step, step) for label, n in counts.items()}
    target = min(constant, smallest) if strategy == "constant" else smallest
    return {label: Quota(n, target, n // target) for label, n in counts.items()}


class ClassPicker:
    """Picks the samples of one class as its pixels come by in scan order."""

    def __init__(self, quota: Quota, random: np.random.Generator | None) -> None:
        """Start before the first pixel; `random` draws where it is given, else every `step`-th is taken."""
        self._quota, self._random = quota, random
        self._seen = 0
        self._missing = quota.target

    def pick(self, here: int) -> np.ndarray:
        """Return which of the next `here` pixels of the class are taken, as sorted indices from 0."""
        if not self._missing or not here:
            self._seen += here
            return np.empty(0, "int64")
        taken = self._draw(self._random, here) if self._random is not None else self._periodic(here)
        self._seen += here
        self._missing -= len(taken)
        return taken

    def _periodic(self, here: int) -> np.ndarray:
        step = self._quota.step
        first = (step - 1 - self._seen % step) % step
        return np.arange(first, here, step, dtype="int64")[: self._missing]

    def _draw(self, random: np.random.Generator, here: int) -> np.ndarray:
        """Draw so that every subset of the class is as likely as any other, whatever the parts it comes in."""
        later = self._quota.count - self._seen - here
        if here + later < _HYPERGEOMETRIC:
            number = int(random.hypergeometric(here, later, self._missing))
        else:  # so many that drawing with replacement is the same
            number = int(random.binomial(self._missing, here / (here + later)))
            number = min(here, self._missing, max(number, self._missing - later))
        return np.sort(random.choice(here, number, replace=False, shuffle=False))  # nosec B311 (draws samples, not secrets)


def pickers(wanted: Mapping[int, Quota], seed: int | None) -> list[ClassPicker]:
    """Return a picker per class in the order of the classes; with a seed they draw at random."""
    streams: list[Any] = [None] * len(wanted)
    if seed is not None:
        streams = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(len(wanted))]
    return [ClassPicker(wanted[label], stream) for label, stream in zip(sorted(wanted), streams)]
