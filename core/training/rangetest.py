"""The learning rate range test: a network is trained for some batches at rising rates, and is then as it was before."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from ..base.progress import Progress
from ..errors import TrainingError
from ..machine.devices import device_scope
from ..parameters.sampleroles import SampleRole
from .compilednetwork import compile_network
from .fitting import fit
from .network import template_shadowed_by_path
from .opensamples import original_errors
from .ratecurve import RateCurve, has_diverged
from .samplebatches import Feed
from .trainingpreparation import prepare_training

if TYPE_CHECKING:
    from ..operations.tensorflowmodeltrain import TensorflowModelTrain


def run_range_test(parameters: TensorflowModelTrain, rates: Sequence[float], progress: Progress) -> RateCurve:
    """Prepare a training as its run does, and test rates instead of it.

    Args:
        parameters: of the training of a template or a Keras model; its rate and schedule do not count.
        rates: of the batches.
        progress: asked to stop after each batch.

    Raises:
        ParameterError, RasterError, ModelError: bad input.
        TrainingError: the loss of the first batch is no number.
        Cancelled: `progress` asked to stop.
    """
    if doubt := template_shadowed_by_path(parameters.model_dir):
        progress.warning(doubt)
    with device_scope(parameters.device)(), original_errors():
        keras.utils.set_random_seed(parameters.seed)
        sets, network, task = prepare_training(parameters, progress)
        change = task.change(SampleRole.TRAINING, augmented=True)
        feed = sets.training.feed(parameters.batchsize, True, change)
        compile_network(parameters, sets.training, network, task, feed)
        return try_rates(network.trained, feed, rates, parameters.seed, task.weights, progress)


def try_rates(
    model: keras.Model, feed: Feed, rates: Sequence[float], seed: int, weights: Mapping[int, float], progress: Progress
) -> RateCurve:
    """Train a model for one batch at each rate, until the loss diverges; model and optimizer are then as before.

    Args:
        model: compiled, with a learning rate that is no schedule.
        feed: batches, which are used again once all of them were.
        rates: of the batches, rising.
        seed: of the first epoch's order; each further epoch adds 1, as in a training.
        weights: of the classes in the loss, by number; empty where all count the same.
        progress: asked to stop after each batch.

    Raises:
        TrainingError: the loss of the first batch is no number.
        Cancelled: `progress` asked to stop.
    """
    variables = [*model.variables, *model.optimizer.variables]
    before = [np.array(variable) for variable in variables]
    test = _Test(feed, rates, seed, progress)
    try:
        fit(
            model,
            feed.data,
            epochs=-(-len(rates) // feed.steps),
            callbacks=[test],
            class_weight=weights or None,
            shuffle=False,  # the data set does it
        )
    finally:
        for variable, value in zip(variables, before):
            variable.assign(value)
    return RateCurve(tuple(map(float, rates[: len(test.losses)])), tuple(test.losses), len(rates))


class _Test(keras.callbacks.Callback):
    """Sets the rate of each batch, and keeps its loss."""

    def __init__(self, feed: Feed, rates: Sequence[float], seed: int, progress: Progress) -> None:
        super().__init__()
        self.losses: list[float] = []
        self._feed, self._rates, self._seed, self._progress = feed, rates, seed, progress

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._feed.begin(self._seed + epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.model.reset_metrics()  # the loss is the batch's alone
        self.model.optimizer.learning_rate = self._rates[len(self.losses)]

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._progress.check()
        loss = float((logs or {}).get("loss", math.nan))
        if not math.isfinite(loss):
            self._check_begun(loss)
            self.model.stop_training = True
            return
        self.losses.append(loss)
        self._progress.fraction(len(self.losses) / len(self._rates))
        if len(self.losses) == len(self._rates) or has_diverged(self.losses, len(self._rates)):
            self.model.stop_training = True

    def _check_begun(self, loss: float) -> None:
        if not self.losses:
            raise TrainingError(
                "The loss of the first batch is {loss}, at a learning rate of {rate:.3g}: check the patches for NaN or very "
                "large values.",
                loss=loss,
                rate=self._rates[0],
            )
