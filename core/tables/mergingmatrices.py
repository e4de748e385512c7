"""Confusion matrices, added up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..accuracy.matrixfile import read, text
from ..accuracy.scores import ClassScores, class_scores_of, described, numbers
from ..base.progress import Progress
from ..errors import field
from ..files.staging import write_text_file
from ..phrases import Phrase
from .rowcalls import RowCall
from .rowrun import RowOutcome


def merge_matrices(
    calls: Sequence[RowCall], outcomes: Sequence[RowOutcome], path: str, progress: Progress
) -> dict[str, Any]:
    """Write the confusion matrix of all rows, in the format of the first; see `merging.Merge`."""
    found = [read(str(outcome.results["out"])) for outcome in outcomes if outcome.results.get("out")]
    scores = _sum(found)
    write_text_file(
        path, text(scores, str(calls[0].values.get("format", "confusionmatrix"))), progress, field("out_merged")
    )
    samples = int(scores.support.sum())
    progress.info(
        Phrase("All rows: {samples} {samples:sample|samples}: {scores}.", samples=samples, scores=described(scores))
    )
    return {**numbers(scores), "samples": samples}


def _sum(found: Sequence[ClassScores]) -> ClassScores:
    """Return the scores of the sum of matrices, over the classes of all."""
    every = {label for scores in found for label in scores.labels}
    labels = sorted(every, key=lambda label: (isinstance(label, str), label))
    at = {label: place for place, label in enumerate(labels)}
    matrix = np.zeros((len(labels), len(labels)), np.int64)
    for scores in found:
        places = [at[label] for label in scores.labels]
        matrix[np.ix_(places, places)] += scores.matrix
    return class_scores_of(matrix, labels)
