"""Accuracies and areas adjusted for what each class covers, against the paper's own example."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable

import numpy as np
import pytest

from otbtf_qgis.core.accuracy.olofsson import estimate
from otbtf_qgis.core.errors import ParameterError

# Olofsson et al. (2014), table 8 (rows: map; here turned): deforestation, forest gain, stable forest, stable non-forest,
# in pixels of 30 m. The matrix and the pixels are those of the example of R's package mapaccuracy 0.1.2, and the results
# (table 9 and page 54) those against which the Python package acc_assessment tests itself. Two intervals of producer's
# accuracies that the paper prints, 0.23 and 0.01, do not follow from its formulas; the latter project leaves them out
# for that reason, and so do we.
MATRIX = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]]).T
PIXELS = [200_000, 150_000, 3_200_000, 6_450_000]


def test_the_example_of_the_paper() -> None:
    found = estimate(MATRIX, np.array(PIXELS) * 30 * 30 / 1e4)
    assert found.users.round(2).tolist() == [0.88, 0.73, 0.93, 0.96]
    assert found.users_ci.round(2).tolist() == [0.07, 0.10, 0.04, 0.02]
    assert found.producers.round(2).tolist() == [0.75, 0.85, 0.93, 0.96]
    assert found.producers_ci.round(2)[[0, 2]].tolist() == [0.21, 0.03]
    assert round(found.overall, 2) == 0.95
    assert round(found.overall_ci, 2) == 0.02
    np.testing.assert_allclose(found.area, [21_158, 11_686, 285_770, 581_386], atol=0.6)
    np.testing.assert_allclose(found.area_ci, [6_158, 3_756, 15_510, 16_282], atol=0.6)
    assert found.mapped.tolist() == [18_000, 13_500, 288_000, 580_500]
    assert found.area.sum() == pytest.approx(found.mapped.sum())


def test_the_area_of_deforestation_in_pixels() -> None:
    found = estimate(MATRIX, PIXELS)
    assert found.area[0] == pytest.approx(235_086, abs=0.6)
    assert found.area_ci[0] == pytest.approx(68_418, abs=10)  # the paper multiplies a rounded standard error


def test_users_accuracy_from_four_samples() -> None:
    """Equation 6 by hand: 1.96 sqrt(3/4 x 1/4 / (4 - 1)) = 1.96 x 1/4."""
    found = estimate(np.array([[3, 0], [1, 10]]), [100, 200])
    assert found.users[0] == pytest.approx(0.75)
    assert found.users_ci[0] == pytest.approx(0.49)


def variance_of_mean(samples: Iterable[bool]) -> float:
    """Return the variance of the share of those that are true: the unbiased one of the samples, by their number."""
    values = [float(sample) for sample in samples]
    return statistics.variance(values) / len(values)


@pytest.mark.parametrize("pixels", [[500, 300, 200], [1, 3, 2]])
def test_intervals_follow_from_the_variances_of_few_samples(pixels: list[int]) -> None:
    """The stratified estimators, from the samples one by one: a matrix so small that n and n - 1 are far apart."""
    matrix = np.array([[2, 1, 1], [1, 3, 0], [0, 1, 2]])
    strata = [[row for row in range(3) for _ in range(matrix[row, column])] for column in range(3)]
    found = estimate(matrix, pixels)
    for label in range(3):
        parts = [variance_of_mean(sample == label for sample in stratum) for stratum in strata]
        area = sum(count * stratum.count(label) / len(stratum) for count, stratum in zip(pixels, strata))
        assert found.area[label] == pytest.approx(area)
        error = math.sqrt(sum(count**2 * part for count, part in zip(pixels, parts)))
        assert found.area_ci[label] == pytest.approx(1.96 * error)
        assert found.users_ci[label] == pytest.approx(1.96 * math.sqrt(parts[label]))
        producers = pixels[label] * strata[label].count(label) / len(strata[label]) / area
        assert found.producers[label] == pytest.approx(producers)
        weights = [(1 - producers if column == label else producers) * pixels[column] / area for column in range(3)]
        error = math.sqrt(sum(weight**2 * part for weight, part in zip(weights, parts)))
        assert found.producers_ci[label] == pytest.approx(1.96 * error)
    right = [variance_of_mean(sample == label for sample in stratum) for label, stratum in enumerate(strata)]
    error = math.sqrt(sum((count / sum(pixels)) ** 2 * part for count, part in zip(pixels, right)))
    assert found.overall_ci == pytest.approx(1.96 * error)


def test_samples_in_proportion_to_the_area_change_nothing() -> None:
    matrix = np.array([[40, 10], [0, 50]])
    found = estimate(matrix, matrix.sum(axis=0) * 7)
    assert found.overall == pytest.approx(0.9)
    np.testing.assert_allclose(found.producers, [40 / 50, 1])
    np.testing.assert_allclose(found.area, matrix.sum(axis=1) * 7)


def test_a_class_that_the_map_does_not_have() -> None:
    found = estimate(np.array([[8, 0, 0], [0, 9, 0], [2, 1, 0]]), [100, 200, 0])
    assert np.isnan(found.users[2])
    assert found.producers[2] == 0
    assert found.area[2] == pytest.approx(100 * 0.2 + 200 * 0.1)
    assert found.overall == pytest.approx((100 * 0.8 + 200 * 0.9) / 300)
    assert np.isfinite([found.overall_ci, *found.area_ci]).all()


def test_one_sample_tells_nothing_of_its_error() -> None:
    found = estimate(np.array([[1, 0], [0, 9]]), [10, 90])
    assert found.overall == pytest.approx(1)
    assert np.isnan(found.overall_ci)


def test_a_mapped_class_without_samples_is_refused() -> None:
    with pytest.raises(ParameterError, match="1 of 2 mapped classes have no sample"):
        estimate(np.array([[5, 0], [1, 0]]), [10, 90])
    with pytest.raises(ParameterError, match="1 of 2 mapped classes have no sample"):
        estimate(np.array([[5, 0], [1, 0]]), [10, 1])
