"""Accuracies and areas of a map, adjusted for how much of it each class covers.

After P. Olofsson, G. M. Foody, M. Herold, S. V. Stehman, C. E. Woodcock and M. A. Wulder (2014), Good practices for
estimating area and assessing accuracy of land change, Remote Sensing of Environment 148, 42-57; the equations'
numbers are theirs. A confusion matrix counts samples, and a rare class often has more of them than its share of the
map; here each sample stands for its part of the mapped class that it lies in. Areas counted on the map are biased by
its errors; those estimated here are not.

The reference must be a random sample of each mapped class (or of the whole map). Its size counts: pixels of one
polygon are no independent samples, and make the intervals too narrow.

The paper's matrices have the map in rows; ours, as in OTB, the reference. In the formulas below, i is the mapped
class, j and k are reference classes, n_ij the samples, n_i. those of mapped class i, N_i. its pixels (here its area, since
pixels differ in size on the ground; a common factor cancels out) and W_i its share of the map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ParameterError

Z = 1.96
"""Half the width of a 95 % confidence interval, in standard errors, as in the paper."""


@dataclass(frozen=True)
class AreaEstimates:
    """Estimates, and the halves of their 95 % confidence intervals (`_ci`); arrays float64 (classes,).

    Attributes:
        mapped: area of each class on the map, in the unit that was given.
        area, area_ci: its estimated true area.
        users, users_ci: user's accuracy (precision).
        producers, producers_ci: producer's accuracy (recall).
        overall, overall_ci: overall accuracy.

    What is undefined is nan: the accuracy of a class without samples, an interval from a single sample.
    """

    mapped: np.ndarray
    area: np.ndarray
    area_ci: np.ndarray
    users: np.ndarray
    users_ci: np.ndarray
    producers: np.ndarray
    producers_ci: np.ndarray
    overall: float
    overall_ci: float


def estimate(matrix: Any, areas: Any) -> AreaEstimates:
    """Estimate accuracies and areas.

    Args:
        matrix: (classes, classes), the samples; rows are the reference, columns the map.
        areas: (classes,), the area of each class on the map, N_i., in the unit in which areas are wanted.

    Raises:
        ParameterError: a mapped class has no sample: nothing is known of its part of the map.
    """
    n = np.asarray(matrix, np.float64).T
    mapped = np.asarray(areas, np.float64)
    sampled = n.sum(axis=1)
    missing = np.flatnonzero((mapped > 0) & (sampled == 0))
    if not mapped.any() or len(missing):
        raise ParameterError(
            "{missing_count} of {value} mapped classes have no sample in the reference, so the errors in their "
            "areas are unknown: add samples in these classes.",
            missing_count=len(missing),
            value=int((mapped > 0).sum()),
        )
    share = mapped / mapped.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        users = np.diag(n) / sampled
        proportions = np.where(share[:, None] > 0, share[:, None] * n / sampled[:, None], 0.0)  # eq. 4
        producers = np.diag(proportions) / proportions.sum(axis=0)  # eq. 3
        overall_variance = _total(share**2 * users * (1 - users) / (sampled - 1), share)  # eq. 5
        users_variance = users * (1 - users) / (sampled - 1)  # eq. 6
    area = proportions.sum(axis=0)  # eq. 9
    whole = float(mapped.sum())
    return AreaEstimates(
        mapped,
        whole * area,
        Z * whole * _area_error(n, sampled, share),  # eq. 11
        users,
        Z * np.sqrt(users_variance),
        producers,
        Z * np.sqrt(_producers_variance(n, sampled, mapped, users, producers)),
        float(np.trace(proportions)),  # eq. 1
        Z * float(np.sqrt(overall_variance)),
    )


def _total(terms: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return the sum over the mapped classes (the first axis) that cover a part of the map."""
    return terms[share > 0].sum(axis=0)


def _within(n: np.ndarray, sampled: np.ndarray) -> np.ndarray:
    """Return n_ij/n_i. (1 - n_ij/n_i.) / (n_i. - 1), shape (classes, classes): the variance inside a mapped class."""
    with np.errstate(divide="ignore", invalid="ignore"):
        part = n / sampled[:, None]
        return part * (1 - part) / (sampled[:, None] - 1)


def _area_error(n: np.ndarray, sampled: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return the standard error of each class's share of the area.

    Eq. 10: S(p_.k) = sqrt(sum_i (W_i p_ik - p_ik^2) / (n_i. - 1)), with p_ik = W_i n_ik / n_i. the same as the sum of
    W_i^2 n_ik/n_i. (1 - n_ik/n_i.) / (n_i. - 1).
    """
    return np.sqrt(_total(share[:, None] ** 2 * _within(n, sampled), share))


def _producers_variance(
    n: np.ndarray, sampled: np.ndarray, mapped: np.ndarray, users: np.ndarray, producers: np.ndarray
) -> np.ndarray:
    """Return the variance of the producer's accuracies.

    Eq. 7: V(P_j) = (1 / N_.j^2) [N_j.^2 (1 - P_j)^2 U_j (1 - U_j) / (n_j. - 1)
    + P_j^2 sum over i other than j of N_i.^2 n_ij/n_i. (1 - n_ij/n_i.) / (n_i. - 1)],
    eq. 8: N_.j = sum_i N_i. n_ij / n_i., the estimated area of reference class j.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        reference = _total(mapped[:, None] * n / sampled[:, None], mapped)
        own = np.where(mapped > 0, mapped**2 * (1 - producers) ** 2 * users * (1 - users) / (sampled - 1), 0.0)
        others = mapped[:, None] ** 2 * _within(n, sampled)
        np.fill_diagonal(others, 0.0)
        return (own + producers**2 * _total(others, mapped)) / reference**2
