"""The temperature and the calibration error, against values that loops and brute force find."""

from __future__ import annotations

import numpy as np
import pytest

from otbtf_qgis.core.accuracy.reliability import BINS, reliability_of
from otbtf_qgis.core.training.temperaturefit import LabelledLogits, fit_temperature, why_no_temperature


def overconfident(count: int, classes: int, factor: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from softmax(logits), and the logits times a factor, which is the temperature they need."""
    random = np.random.default_rng(seed)
    logits = 1.5 * random.normal(size=(count, classes))
    weights = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (random.random((count, 1)) > weights.cumsum(axis=1)).sum(axis=1)
    return labels, (factor * logits).astype("float32")


def collected(labels: np.ndarray, logits: np.ndarray, **more: int) -> LabelledLogits:
    found = LabelledLogits(max(logits.shape[-1], 2), **more)
    for start in range(0, len(labels), 70):
        found.add(labels[start : start + 70], logits[start : start + 70])
    return found


def loss(labels: np.ndarray, logits: np.ndarray, temperature: float) -> float:
    """The negative log-likelihood, written out."""
    scaled = logits.astype(float) / temperature
    every = [np.log(np.exp(row).sum()) - row[label] for row, label in zip(scaled, labels)]
    return float(np.mean(every))


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_the_temperature_is_that_of_brute_force(factor: float) -> None:
    labels, logits = overconfident(800, 4, factor)
    samples = collected(labels, logits)
    found = fit_temperature(samples)
    tried = found * np.linspace(0.9, 1.1, 41)
    best = tried[np.argmin([loss(labels, logits, each) for each in tried])]
    assert found == pytest.approx(best, rel=1e-9), "the middle of those that were tried"
    assert found == pytest.approx(factor, rel=0.15)
    assert samples.negative_log_likelihood(found) == pytest.approx(loss(labels, logits, found), rel=1e-9)


@pytest.mark.parametrize("count", [40, 400])
def test_its_standard_error_is_that_of_the_curvature(count: int) -> None:
    """The second derivative of the negative log-likelihood by ln T, from differences."""
    labels, logits = overconfident(count, 4, 2.0)
    samples = collected(labels, logits)
    found, step = fit_temperature(samples), 1e-3
    around = [loss(labels, logits, found * np.exp(each)) for each in (-step, 0, step)]
    curvature = count * (around[0] - 2 * around[1] + around[2]) / step**2
    assert samples.uncertainty(found) == pytest.approx(1 / np.sqrt(curvature), rel=1e-3)


def test_one_band_is_the_logit_of_the_second_class() -> None:
    labels, logits = overconfident(500, 2, 2.0)
    single = (logits[:, 1:] - logits[:, :1]).astype("float32")
    assert fit_temperature(collected(labels, single)) == pytest.approx(
        fit_temperature(collected(labels, logits)), rel=1e-5
    )


def test_labels_that_do_not_count_and_nan_are_left_out() -> None:
    labels, logits = overconfident(300, 3, 2.0)
    worse, other = labels.copy(), logits.copy()
    worse[::3], other[1::3, 2] = -1, np.nan
    samples = collected(worse, other)
    assert samples.kept == samples.seen == samples.counts().sum() == 100
    assert samples.counts().tolist() == [int((worse[2::3] == each).sum()) for each in range(3)]
    assert fit_temperature(samples) == fit_temperature(collected(labels[2::3], logits[2::3]))


def test_of_many_samples_every_fourth_is_kept() -> None:
    labels, logits = overconfident(1000, 3, 2.0)
    samples = collected(labels, logits, most_values=3 * 300)
    assert (samples.seen, samples.kept) == (1000, 250)
    assert fit_temperature(samples) == pytest.approx(fit_temperature(collected(labels[::4], logits[::4])), rel=1e-9)


def test_where_no_temperature_is_the_best() -> None:
    labels, logits = overconfident(200, 3, 1.0)
    assert why_no_temperature(collected(labels, logits)) == ""
    assert "all samples are classified right" in why_no_temperature(collected(logits.argmax(axis=1), logits))
    assert "no better than equal ones" in why_no_temperature(collected(logits.argmin(axis=1), logits))
    assert "no sample has a label" in why_no_temperature(collected(labels[:0], logits[:0]))


def test_the_calibration_error_is_that_of_a_loop() -> None:
    random = np.random.default_rng(1)
    confidence = np.concatenate([random.uniform(0.2, 1, 400), np.arange(16) / 15, [1.0, 0.0]])
    right = random.random(len(confidence)) < confidence**2
    error = 0.0
    for number in range(1, BINS + 1):
        inside = [
            at for at, p in enumerate(confidence) if (number - 1) / BINS < p <= number / BINS or p == 0 == number - 1
        ]
        if inside:
            gap = abs(np.mean(right[inside]) - np.mean(confidence[inside]))
            error += len(inside) / len(confidence) * gap
    found = reliability_of(confidence, right)
    assert BINS == 15 and found.samples == len(confidence)
    assert found.error == pytest.approx(error, rel=1e-12)
    assert np.isnan(found.accuracy[0]) == (found.counts[0] == 0)
    assert np.isnan(reliability_of(confidence[:0], right[:0]).error)


def test_reliability_at_a_temperature() -> None:
    labels, logits = overconfident(400, 5, 3.0)
    scaled = np.exp(logits.astype(float) / 2.5)
    probabilities = scaled / scaled.sum(axis=1, keepdims=True)
    expected = reliability_of(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)
    found = collected(labels, logits).reliability(2.5)
    np.testing.assert_array_equal(found.counts, expected.counts)
    assert found.error == pytest.approx(expected.error, rel=1e-9)
