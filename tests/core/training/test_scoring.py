"""Scores as the log says them."""

from __future__ import annotations

import gettext

import numpy as np

from otbtf_qgis.core.accuracy.scores import class_scores_of, described
from otbtf_qgis.core.base.languages import Language
from otbtf_qgis.core.phrases import translated
from otbtf_qgis.core.training.scoring import describe_classes


def test_the_log_says_which_classes_each_class_is_taken_for() -> None:
    matrix = np.array([[6, 0, 3], [0, 0, 0], [1, 0, 4]])
    scores = class_scores_of(matrix, [1, 2, 5], ["water", "wood", "5"])
    assert describe_classes(scores) == [
        "  water: 9 labels, classified as water 6, 5 3; precision 0.857, recall 0.667, F-score 0.750",
        "  wood: no labels; precision undefined, recall undefined, F-score undefined",
        "  5: 5 labels, classified as 5 4, water 1; precision 0.571, recall 0.800, F-score 0.667",
    ]
    assert described(scores).startswith("kappa 0.4")
    assert "overall accuracy 0.7143, mean F-score 0.7" in described(scores)


def test_of_many_classes_the_most_frequent_are_told() -> None:
    matrix = np.diag(np.ones(8, "int64"))
    matrix[0] = [1, 2, 3, 4, 5, 6, 7, 8]
    (line, *_) = describe_classes(class_scores_of(matrix, list(range(8)), list("abcdefgh")))
    assert line.startswith("  a: 36 labels, classified as h 8, g 7, f 6, e 5, d 4, others 6; ")


def test_scores_are_written_as_the_language_does() -> None:
    scores = class_scores_of(np.array([[6, 3], [1, 4]]), [1, 2], ["water", "wood"])
    french = Language("fr", gettext.NullTranslations())
    line = translated(describe_classes(scores)[0], french)
    assert line.endswith("precision 0,857, recall 0,667, F-score 0,750")
