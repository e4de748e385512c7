"""What LandCoverMap adds to the report of the training: a random forest beside the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..accuracy.report import Report
from ..accuracy.scores import ClassScores, numbers
from ..base.progress import Progress
from ..errors import field
from ..files.staging import Staging
from ..parameters.sampleroles import SampleRole
from ..phrases import Phrase
from .scenereport import tell_scenes
from .scenes import Scene

_SCORES = ("kappa", "overall_accuracy", "f1_macro")


def add_forest(
    path: str,
    trained: Mapping[str, Any],
    forest: Mapping[SampleRole, ClassScores],
    decides: SampleRole,
    progress: Progress,
) -> None:
    """Add the scores of a random forest at the end of the report of the training.

    Args:
        path: of the report.
        trained: results of the training, with the scores of the network.
        forest: scores by role.
        decides: the role whose scores the training returns.
        progress: of the operation.
    """
    report, heading = Report(""), Phrase("Random forest on the same samples")
    header = (Phrase("Model"), Phrase("Data"), Phrase("Kappa"), Phrase("Overall accuracy"), Phrase("Mean F-score"))
    rows = [(Phrase("Network"), str(decides), *_cells(trained))]
    rows += [(Phrase("Random forest"), str(role), *_cells(numbers(forest[role]))) for role in forest]
    report.table(heading, header, rows)
    report.text(
        Phrase(
            "The forest classifies each pixel by its own bands. It learned from the pixels in the middle of the patches, or "
            "from the labelled pixels of the tiles; missing values were filled as in the network."
        )
    )
    report.class_scores(Phrase("Random forest ({decides})", decides=decides), forest[decides])
    _add(report, path, progress)


def add_scenes(
    path: str, scenes: Sequence[Scene[Any]], counts: Mapping[SampleRole, Mapping[str, int]], progress: Progress
) -> None:
    """Add the scenes at the end of the report of the training, and which of them the accuracy is of.

    Args:
        path: of the report.
        scenes: the scenes.
        counts: of patches, by role and scene.
        progress: of the operation.
    """
    report = Report("")
    tell_scenes(report, scenes, counts)
    _add(report, path, progress)


def _add(report: Report, path: str, progress: Progress) -> None:
    page = report.added_to(Path(path).read_text(encoding="utf-8"))
    with Staging.of_file(path, progress, field("out_report")) as place:
        place.path.write_text(page, encoding="utf-8")
        place.commit()


def _cells(scores: Mapping[str, Any]) -> list[float]:
    return [scores.get(name, float("nan")) for name in _SCORES]
