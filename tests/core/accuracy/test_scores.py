"""Scores of classes and of values."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import otbtf_qgis
from otbtf_qgis.core.accuracy.scores import class_scores, class_scores_of, numbers, regression_scores
from otbtf_qgis.core.errors import ParameterError

NAN = float("nan")


def test_scores_of_classes_worked_out_by_hand() -> None:
    scores = class_scores([1, 1, 1, 2, 2, 7], [1, 1, 2, 2, 2, 1])
    assert scores.labels == (1, 2, 7)
    assert scores.names == ("1", "2", "7")
    assert scores.matrix.tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert scores.matrix.dtype == np.int64
    np.testing.assert_allclose(scores.precision, [2 / 3, 2 / 3, NAN])
    np.testing.assert_allclose(scores.recall, [2 / 3, 1, 0])
    np.testing.assert_allclose(scores.fscore, [2 / 3, 0.8, 0])
    assert scores.support.tolist() == [3, 2, 1]
    assert scores.overall_accuracy == pytest.approx(4 / 6)
    by_chance = (3 * 3 + 2 * 3 + 1 * 0) / 36
    assert scores.kappa == pytest.approx((4 / 6 - by_chance) / (1 - by_chance))
    assert scores.f1_macro == pytest.approx((2 / 3 + 0.8) / 3)


def test_a_class_that_does_not_occur_has_no_scores() -> None:
    scores = class_scores([0, 1], [0, 1], labels=[0, 1, 2], names=["a", "b", "c"])
    assert scores.names == ("a", "b", "c")
    assert np.isnan([scores.precision[2], scores.recall[2], scores.fscore[2]]).all()
    assert scores.f1_macro == 1
    assert numbers(scores) == {"kappa": 1, "overall_accuracy": 1, "f1_macro": 1}


@pytest.mark.filterwarnings("error")
def test_what_is_undefined_is_left_out() -> None:
    assert numbers(class_scores([3, 3], [3, 3])) == {"overall_accuracy": 1, "f1_macro": 1}
    assert numbers(class_scores([], [], labels=[1, 2])) == {}
    assert numbers(class_scores([], [])) == {}


def test_texts_can_be_labels_and_keep_the_order_given() -> None:
    scores = class_scores(["b", "a"], ["b", "b"], labels=["b", "a"])
    assert scores.matrix.tolist() == [[1, 0], [1, 0]]


def test_a_label_that_is_no_class_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"Label 5 occurs, but the classes are 1, 2\."):
        class_scores([1, 5], [1, 2], labels=[1, 2])
    with pytest.raises(ParameterError, match="2 reference labels, but 1"):
        class_scores([1, 2], [1])
    with pytest.raises(ParameterError, match="does not fit 3 classes"):
        class_scores_of(np.eye(2), [1, 2, 3])
    with pytest.raises(ParameterError, match="does not fit 2 classes and their names"):
        class_scores_of(np.eye(2), [1, 2], names=["water"])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(-2, 3), st.integers(-2, 3)), min_size=2, max_size=40))
def test_the_matrix_tells_the_same_as_the_samples(pairs: list[tuple[int, int]]) -> None:
    from sklearn.metrics import f1_score

    reference, predicted = np.array(pairs).T
    scores = class_scores(reference, predicted)
    assert scores.matrix.sum() == len(pairs)
    assert scores.overall_accuracy == pytest.approx(np.mean(reference == predicted))
    assert scores.f1_macro == pytest.approx(f1_score(reference, predicted, average="macro"))


def test_scores_of_values() -> None:
    reference = np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]])
    scores = regression_scores(reference, reference + [[1, 0], [0, 0], [-1, 3]])
    np.testing.assert_allclose(scores.rmse, [np.sqrt(2 / 3), np.sqrt(3)])
    np.testing.assert_allclose(scores.mae, [2 / 3, 1])
    np.testing.assert_allclose(scores.r2, [0, NAN], atol=1e-12)
    found = numbers(scores)
    assert found["r2"] == pytest.approx(0, abs=1e-12)
    assert found["mae"] == pytest.approx(5 / 6)
    assert numbers(regression_scores(np.zeros((0, 2)), np.zeros((0, 2)))) == {}
    assert regression_scores([1, 2], [1, 2]).r2.tolist() == [1]


def test_values_that_are_not_finite_have_no_scores() -> None:
    assert numbers(regression_scores([1, 2], [1, NAN])) == {}


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    program = (
        "import sys; from otbtf_qgis.core.accuracy import figures, matrixfile, olofsson, report, scores; "
        "import otbtf_qgis.core.operations.computeconfusionmatrix; "
        "print({'tensorflow', 'sklearn', 'matplotlib', 'scipy'} & set(sys.modules))"
    )
    tree = Path(otbtf_qgis.__path__[0]).parent
    done = subprocess.run([sys.executable, "-c", program], cwd=tree, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "set()", done.stderr
