"""The learning rate range test: its losses, what it suggests, and that nothing of it stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import Cancelled
from otbtf_qgis.core.training.ratecurve import RateCurve, rising_rates, smooth

keras = pytest.importorskip("keras")


def linear(optimizer: Any) -> Any:
    """Two weights from which a value follows, by a mean squared error."""
    keras.utils.set_random_seed(1)
    image = keras.Input((2,), name="image")
    model = keras.Model({"image": image}, keras.layers.Dense(1, use_bias=False, name="values")(image))
    model.compile(optimizer=optimizer, loss="mse", jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


class Batches:
    """Batches in one order."""

    def __init__(self, inputs: np.ndarray, targets: np.ndarray, size: int) -> None:
        import tensorflow as tf

        self.seeds: list[int] = []
        self.steps = len(inputs) // size
        self.data = tf.data.Dataset.from_tensor_slices(({"image": inputs}, targets)).batch(size)

    def begin(self, seed: int) -> None:
        self.seeds.append(seed)


@pytest.fixture(scope="module")
def samples() -> tuple[np.ndarray, np.ndarray]:
    inputs = np.random.default_rng(0).choice([-1.0, 1.0], (20, 2)).astype("float32")
    return inputs, (inputs @ np.array([[2.0], [-1.0]])).astype("float32")


def curve_from(model: Any, feed: Any, rates: Any, progress: Progress | None = None) -> RateCurve:
    from otbtf_qgis.core.training.rangetest import try_rates

    return try_rates(model, feed, rates, 7, {}, progress or Progress())


def test_losses_are_those_of_gradient_descent(samples: tuple[np.ndarray, np.ndarray]) -> None:
    """Against gradient descent in NumPy, over two and a half epochs; the order of each has a seed of its own."""
    inputs, targets = samples
    model, feed = linear(keras.optimizers.SGD(0.5)), Batches(inputs, targets, 5)
    weights, rates, wanted = model.get_weights()[0].astype("float64"), rising_rates(1e-3, 0.1, 10), []
    for number, rate in enumerate(rates):
        part = slice(5 * (number % 4), 5 * (number % 4) + 5)
        errors = inputs[part] @ weights - targets[part]
        wanted.append(float((errors**2).mean()))
        weights -= rate * 2 / 5 * inputs[part].T @ errors
    curve = curve_from(model, feed, rates.tolist())
    np.testing.assert_allclose(curve.losses, wanted, rtol=1e-4)
    assert curve.rates == tuple(rates.tolist()) and not curve.ended_early
    assert feed.seeds == [7, 8, 9]
    mean, smoothed = 0.0, []
    for number, loss in enumerate(wanted):
        mean = 0.9 * mean + 0.1 * loss
        smoothed.append(mean / (1 - 0.9 ** (number + 1)))
    np.testing.assert_allclose(curve.smoothed, smoothed, rtol=1e-4)


def test_weights_and_optimizer_are_as_before(samples: tuple[np.ndarray, np.ndarray]) -> None:
    model = linear(keras.optimizers.Adam(0.25))
    model.fit({"image": samples[0]}, samples[1], verbose=0)  # so that the optimizer has moments
    before = [np.array(v) for v in (*model.variables, *model.optimizer.variables)]
    curve = curve_from(model, Batches(*samples, 5), rising_rates(1e-3, 1.0, 20).tolist())
    assert len(set(curve.losses)) > 10, "it was trained"
    after = [np.array(v) for v in (*model.variables, *model.optimizer.variables)]
    assert all((one == other).all() for one, other in zip(before, after))
    assert float(model.optimizer.learning_rate) == 0.25


def test_it_ends_where_the_loss_diverges(samples: tuple[np.ndarray, np.ndarray]) -> None:
    rates = rising_rates(1e-2, 1e4, 60)
    model = linear(keras.optimizers.SGD(1.0))
    curve = curve_from(model, Batches(*samples, 5), rates.tolist())
    assert curve.ended_early and curve.planned == 60
    smoothed = curve.smoothed
    assert smoothed[-1] > 4 * smoothed.min()
    assert not any(smoothed[n] > 4 * smoothed[: n + 1].min() for n in range(6, len(smoothed) - 1))


def test_a_loss_that_is_no_number_ends_it(samples: tuple[np.ndarray, np.ndarray]) -> None:
    curve = curve_from(linear(keras.optimizers.SGD(1.0)), Batches(*samples, 5), [0.1, 1e38, 1e38, 0.1])
    assert 1 <= len(curve.losses) < 4 and np.isfinite(curve.losses).all()


def test_cancelling_leaves_the_model_as_it_was(samples: tuple[np.ndarray, np.ndarray]) -> None:
    class Impatient(Progress):
        asked = 0

        def cancelled(self) -> bool:
            self.asked += 1
            return self.asked > 3

    model = linear(keras.optimizers.SGD(1.0))
    before = model.get_weights()[0]
    with pytest.raises(Cancelled):
        curve_from(model, Batches(*samples, 5), rising_rates(1e-2, 0.1, 20).tolist(), Impatient())
    assert (model.get_weights()[0] == before).all()


def curve_of(losses: list[float]) -> RateCurve:
    return RateCurve(tuple(rising_rates(1e-4, 1.0, len(losses)).tolist()), tuple(losses), len(losses))


def test_the_suggestion_is_a_tenth_of_the_rate_with_the_smallest_loss() -> None:
    losses = [1.0] * 15 + [1.0 - 0.04 * n for n in range(20)] + [0.3 + 0.02 * n for n in range(15)]
    curve = curve_of(losses)
    place = min(range(50), key=lambda n: smooth(losses)[n])
    assert curve.suggested == pytest.approx(curve.rates[place] / 10)
    drops = [smooth(losses)[n + 1] - smooth(losses)[n - 1] for n in range(1, place)]
    assert curve.steepest == curve.rates[1 + int(np.argmin(drops))]
    assert curve.falls and not curve.falls_to_the_end


def test_nothing_is_suggested_where_the_loss_does_not_fall() -> None:
    for losses in ([1.0] * 50, [1.0 + 0.01 * n for n in range(50)], [1.0, 0.98] * 25):
        curve = curve_of(losses)
        assert not curve.falls and curve.suggested is None and curve.steepest is None


def test_a_loss_that_falls_to_the_end_is_told() -> None:
    curve = curve_of([1.0 - 0.01 * n for n in range(50)])
    assert curve.falls_to_the_end and curve.suggested == pytest.approx(0.1)
    assert not RateCurve(curve.rates[:20], curve.losses[:20], 50).falls_to_the_end


def test_a_curve_of_one_batch_suggests_nothing() -> None:
    """The first step has destroyed the network."""
    curve = RateCurve((1e30,), (0.7,), 20)
    assert (curve.suggested, curve.steepest, curve.place) == (None, None, 0)
