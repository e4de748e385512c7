"""The trials of a search: what each runs, and what has become of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..operations.searchsettings import SMALLER_IS_BETTER
from ..phrases import Phrase, encoded
from ..tables.fileidentity import digest
from ..tables.rowrun import RowOutcome, RowTask
from ..workflows.modeltraining import INNER
from .space import Drawn


@dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes:
        number: from 1.
        settings: keys of the training to values.
        folder: for its checkpoints.
    """

    number: int
    settings: Drawn
    folder: Path

    @property
    def name(self) -> Phrase:
        """What it is called in messages."""
        return Phrase("Trial {number}", number=self.number)

    def values(self, common: Mapping[str, Any], epochs: int) -> dict[str, Any]:
        """Return the values of its training, which goes on from its checkpoint.

        Args:
            common: what all trials have in common.
            epochs: that it has altogether when it ends.
        """
        kept = {"checkpoints": str(self.folder), "resume": True}
        return {**common, **self.settings, "training.epochs": epochs, "validation.step": epochs, **kept}

    def task(self, common: Mapping[str, Any], epochs: int, words: Mapping[str, str]) -> RowTask:
        """Return the training up to so many epochs, as it travels; `words` as for `nestedruns.run_nested`."""
        values = json.dumps(self.values(common, epochs), sort_keys=True)
        return RowTask(self.number, encoded(self.name), INNER, values, words=json.dumps(words))

    def identity(self, epochs: int) -> str:
        """Return what tells this trial, up to so many epochs, from others of the search."""
        return digest(json.dumps(self.settings, sort_keys=True), str(epochs))


@dataclass(frozen=True)
class Tried:
    """What has become of a trial.

    Attributes:
        trial: the trial.
        planned: number of epochs of the rung that it has reached.
        outcome: of its last training.
        score: that decides; None where it failed, or the score is not defined.
        seconds: of all of its trainings.
    """

    trial: Trial
    planned: int
    outcome: RowOutcome
    score: float | None
    seconds: float

    @property
    def epochs(self) -> int:
        """Number of epochs trained."""
        return int(self.outcome.results.get("epochs_run", 0))


def deciding_score(asked: str, results: Mapping[str, Any]) -> str:
    """Return the name of the score that decides: the one asked for, else what suits the kind of the target."""
    return asked if asked != "auto" else "rmse" if "rmse" in results else "kappa"


def ranked(tried: Sequence[Tried], score: str) -> list[Tried]:
    """Return trials that have a score, the best first.

    Those that have come further are before the others, since scores compare after equal epochs only; of equal ones the
    earlier is first.
    """
    sign = 1 if score in SMALLER_IS_BETTER else -1
    return sorted(
        (one for one in tried if one.score is not None),
        key=lambda one: (-one.planned, sign * (one.score or 0.0), one.trial.number),
    )
