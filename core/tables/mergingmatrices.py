"""Confusion matrices, added up."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from ..accuracy.mapaccuracy import classes_of_map
from ..accuracy.matrixfile import read, text
from ..accuracy.scores import ClassScores, class_scores_of, described, numbers
from ..base.progress import Progress, Quiet
from ..errors import field
from ..files.staging import write_text_file
from ..operations.computeconfusionmatrix import ComputeConfusionMatrix
from ..phrases import Phrase
from ..registry import read as read_parameters
from ..registry.givenvalues import understood
from .rowcalls import RowCall
from .rowrun import RowOutcome, RowTask


def merge_matrices(
    calls: Sequence[RowCall], outcomes: Sequence[RowOutcome], path: str, progress: Progress
) -> dict[str, Any]:
    """Write the confusion matrix of all rows, in the format of the first; see `merging.Merge`."""
    found = [read(str(outcome.results["out"])) for outcome in outcomes if outcome.results.get("out")]
    without = [call for call, outcome in zip(calls, outcomes) if not outcome.results.get("out")]
    scores = _sum(found, {label for call in without for label in _classes_of_map(call, progress)})
    write_text_file(
        path, text(scores, str(calls[0].values.get("format", "confusionmatrix"))), progress, field("out_merged")
    )
    samples = int(scores.support.sum())
    progress.info(Phrase("All rows: {samples} samples: {scores}.", samples=samples, scores=described(scores)))
    return {**numbers(scores), "samples": samples}


def _classes_of_map(call: RowCall, progress: Progress) -> frozenset[int]:
    """Return the classes of a map where no reference lies: one run over all would list them, too."""
    values = RowTask.of(call, "ComputeConfusionMatrix").opened(progress)
    parameters = read_parameters(ComputeConfusionMatrix, understood(ComputeConfusionMatrix, values, progress))
    return classes_of_map(parameters, Quiet(progress))


def _sum(found: Sequence[ClassScores], others: Collection[int]) -> ClassScores:
    """Return the scores of the sum of matrices, over the classes of all, and other classes, which have no samples."""
    every = {*others, *(label for scores in found for label in scores.labels)}
    plain = all(isinstance(label, int) for label in every)
    labels = sorted(every) if plain else sorted(every, key=lambda label: (isinstance(label, str), label))
    at = {label: place for place, label in enumerate(labels)}
    matrix = np.zeros((len(labels), len(labels)), np.int64)
    for scores in found:
        places = [at[label] for label in scores.labels]
        matrix[np.ix_(places, places)] += scores.matrix
    return class_scores_of(matrix, labels)
