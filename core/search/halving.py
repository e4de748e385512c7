"""Rungs of a search: how many trials have how many epochs.

Successive halving is that of K. Jamieson and A. Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter
Optimization, AISTATS 2016; that a third goes on, with three times as many epochs, is the choice of L. Li et al., Hyperband,
JMLR 18, 2018.
"""

from __future__ import annotations

from dataclasses import dataclass

FACTOR = 3


@dataclass(frozen=True)
class Rung:
    """One rung.

    Attributes:
        trials: that it has at most.
        epochs: that each of them has altogether when it ends.
    """

    trials: int
    epochs: int


def rungs_of(method: str, trials: int, epochs: int) -> list[Rung]:
    """Return the rungs of a method, from the first to the last.

    Args:
        method: METHOD.
        trials: of the first rung.
        epochs: of the last rung.
    """
    steps = 0
    if method == "halving":
        while FACTOR ** (steps + 1) <= min(trials, epochs):
            steps += 1
    return [Rung(trials // FACTOR**step, epochs // FACTOR ** (steps - step)) for step in range(steps + 1)]


def epochs_altogether(rungs: list[Rung]) -> int:
    """Return how many epochs are trained at most; a trial goes on where it has ended."""
    before = [0, *(rung.epochs for rung in rungs)]
    return sum(rung.trials * (rung.epochs - done) for rung, done in zip(rungs, before))
