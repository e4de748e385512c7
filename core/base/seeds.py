"""The seed of a run whose user gives none: it is drawn, and logged, so that the run can be repeated."""

from __future__ import annotations

import secrets

from ..phrases import Phrase
from .progress import Progress

_SEEDS = 2**31
"""The number of seeds that are drawn from: all fit into what TensorFlow, NumPy and scikit-learn take."""


def given_or_drawn(seed: int | None, name: str, progress: Progress) -> int:
    """Return the seed that the user gives, or a new one.

    Args:
        seed: what the user gives; None for none.
        name: mention of the parameter, by `errors.field`, for the log.
        progress: hears of a seed that was drawn.
    """
    if seed is not None:
        return seed
    drawn = secrets.randbelow(_SEEDS)
    progress.info(Phrase("{name} was not set, so {seed} was drawn: set it to repeat this run.", name=name, seed=drawn))
    return drawn
