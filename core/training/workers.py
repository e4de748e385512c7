"""Fitting by several processes together, under MultiWorkerMirroredStrategy.

All workers run the same steps in the same order: what one of them decides alone (its data are at an end, a
callback stops the training) is told to the others before the next step.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..errors import ParameterError, TrainingError
from ..phrases import Phrase
from .strategies import is_chief, out_of_scope, worker_of

_WRITERS = (
    keras.callbacks.BackupAndRestore,
    keras.callbacks.CSVLogger,
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.TensorBoard,
)
_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError)

Logs = dict[str, Any]


def fit(
    model: keras.Model,
    data: tf.data.Dataset,
    *,
    epochs: int,
    initial_epoch: int,
    validation_data: tf.data.Dataset | None,
    callbacks: Sequence[keras.callbacks.Callback],
    steps_per_epoch: int | None,
    validation_steps: int | None,
    validation_freq: int,
    verbose: Any,
) -> keras.callbacks.History:
    """Fit the model with the other workers; see `fitting.fit`."""
    strategy = model.distribute_strategy
    with out_of_scope(), _lost_workers():
        _build_optimizer(model)
        group = _worker_group(model)
        group.check_shares(data)
        listed = _listed(model, callbacks, verbose, epochs, steps_per_epoch or _length(data))
        shared = strategy.experimental_distribute_dataset(data.repeat() if steps_per_epoch else data)
        endless = iter(shared) if steps_per_epoch else None
        validation = None
        if validation_data is not None:
            validation = strategy.experimental_distribute_dataset(validation_data)

        model.stop_training = False
        listed.on_train_begin()
        # BackupAndRestore may have brought back weights and epoch, on the chief.
        initial_epoch = group.take_over_from_chief(getattr(model, "_initial_epoch", None) or initial_epoch)
        logs: Logs = {}
        for epoch in range(initial_epoch, epochs):
            model.reset_metrics()
            listed.on_epoch_begin(epoch)
            group.train_epoch(
                iter(shared) if endless is None else endless, _full(data, strategy), steps_per_epoch, listed
            )
            logs = group.results()
            if validation is not None and (epoch + 1) % validation_freq == 0:
                found = group.evaluate(validation, validation_steps, listed)
                logs.update({f"val_{name}": value for name, value in found.items()})
            listed.on_epoch_end(epoch, logs)
            if group.any_stops():
                break
        with strategy.scope():
            model.optimizer.finalize_variable_values(model.trainable_weights)
        listed.on_train_end(logs)
    return model.history


def evaluate(
    model: keras.Model,
    data: tf.data.Dataset,
    *,
    steps: int | None,
    callbacks: Sequence[keras.callbacks.Callback],
    verbose: Any,
) -> Logs:
    """Return loss and metrics over the data of all workers, by name; see `fitting.evaluate`."""
    strategy = model.distribute_strategy
    with out_of_scope(), _lost_workers():
        listed = _listed(model, callbacks, verbose, 1, steps or _length(data), history=False)
        return _worker_group(model).evaluate(strategy.experimental_distribute_dataset(data), steps, listed)


def _worker_group(model: keras.Model) -> _WorkerGroup:
    """Return what the workers do with a model; kept where Keras keeps its own function until the next `compile`."""
    if not isinstance(model.train_function, _WorkerGroup):
        model.train_function = _WorkerGroup(model)
    return model.train_function


class _WorkerGroup:
    """The workers of a training, and what they do together."""

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._strategy = model.distribute_strategy
        self._worker, self._workers = worker_of(self._strategy)
        compiled: Callable[..., Any] = (lambda function: function) if model.run_eagerly else tf.function
        self._train = compiled(lambda batch: self._on_replicas(model.train_step, batch))
        self._test = compiled(lambda batch: self._on_replicas(model.test_step, batch))
        self._fetch = tf.function(self._next_batch)
        self._metrics = tf.function(model.get_metrics_result)
        self._copy = tf.function(self._copy_from_chief)
        self._average = tf.function(self._average_state)

    def check_shares(self, data: tf.data.Dataset) -> None:
        """Raise ParameterError, on all workers, where one of them has no full batch.

        A worker that found this out later would leave the others waiting.
        """
        failure: tf.errors.OpError | None = None
        try:
            # Without an end, so that the workers do not wait for each other here.
            first = next(iter(self._strategy.experimental_distribute_dataset(data.take(1).repeat())), None)
        except tf.errors.InvalidArgumentError as error:
            if "FILE based sharding" not in error.message:
                failure = error
            first = None
        except tf.errors.OpError as error:
            first, failure = None, error
        if self._sum(int(first is None)) == 0:
            return
        if failure is not None:
            raise failure
        batch = _full(data, self._strategy) * self._strategy.num_replicas_in_sync
        whose = Phrase("Worker {number}", number=self._worker) if first is None else Phrase("Another worker")
        raise ParameterError(
            "{whose} of {workers} gets no full batch. Files of records are shared among the workers, and each needs "
            "one at least, with {batch} samples altogether (the whole batch): write more files (a smaller "
            "n_samples_per_shard), lower batch_size, use fewer workers, or read with "
            "shard_policy=AutoShardPolicy.DATA.",
            whose=whose,
            workers=self._workers,
            batch=batch,
        )

    def take_over_from_chief(self, epoch: int) -> int:
        """Give all workers the chief's weights and state of the optimizer, and return its epoch."""
        with self._strategy.scope():
            self._copy()
        return int(self._sum(epoch if self._worker == 0 else 0))

    def train_epoch(
        self, batches: Iterator[Any], full: int, steps: int | None, callbacks: keras.callbacks.CallbackList
    ) -> None:
        """Train until a worker has no full batch left, a callback of one stops, or there were so many steps.

        Args:
            batches: the data.
            full: number of samples for a replica.
            steps: the most steps; None for any number.
            callbacks: told of each batch.
        """
        step = 0
        while steps is None or step < steps:
            try:
                batch, go_on = self._fetch(batches, full, tf.constant(self._model.stop_training))
            except tf.errors.OutOfRangeError:
                break
            if not go_on:
                break
            callbacks.on_train_batch_begin(step)
            logs = self._train(batch)
            callbacks.on_train_batch_end(step, logs)
            step += 1
        with self._strategy.scope():
            self._average()

    def evaluate(self, batches: Any, steps: int | None, callbacks: keras.callbacks.CallbackList) -> Logs:
        """Return loss and metrics over all batches, or so many."""
        self._model.reset_metrics()
        callbacks.on_test_begin()
        for step, batch in enumerate(batches):
            callbacks.on_test_batch_begin(step)
            # A worker whose data are at an end gets empty batches until the others are done.
            logs = self._test(batch) if self._filled(batch) else None
            callbacks.on_test_batch_end(step, logs)
            if step + 1 == steps:
                break
        results = self.results()
        callbacks.on_test_end(results)
        return results

    def results(self) -> Logs:
        """Return loss and metrics over all workers' batches since they were reset."""
        arrays = {name: np.asarray(value) for name, value in self._metrics().items()}
        return {name: array if array.ndim else float(array) for name, array in arrays.items()}

    def any_stops(self) -> bool:
        """Return whether a callback of any worker has asked to stop."""
        return bool(self._sum(int(self._model.stop_training)) > 0)

    def _next_batch(self, batches: Any, full: int, stop: Any) -> Any:
        """Return the next batch, and whether all replicas have a full one and no worker stops."""
        batch = batches.get_next()
        parts = self._local(tf.nest.flatten(batch)[0])
        missing = tf.add_n([tf.cast(tf.shape(part)[0] != full, tf.int32) for part in parts])
        return batch, self._strategy.reduce("SUM", missing + tf.cast(stop, tf.int32), axis=None) == 0

    def _filled(self, batch: Any) -> bool:
        return all(part.shape[0] for part in self._local(tf.nest.flatten(batch)[0]))

    def _on_replicas(self, step: Callable[..., Any], batch: Any) -> Any:
        """Return what the step returns, the mean over this worker's replicas."""
        found = self._strategy.run(step, args=(batch,))
        return tf.nest.map_structure(lambda value: tf.reduce_mean(tf.stack(self._local(value)), axis=0), found)

    def _local(self, value: Any) -> Any:
        return self._strategy.experimental_local_results(value)

    def _sum(self, number: int) -> int:
        return int(self._strategy.reduce("SUM", tf.constant(number), axis=None))

    def _copy_from_chief(self) -> None:
        for variable in (*self._model.weights, *self._model.optimizer.variables):
            own = self._local(variable.value)[0]
            self._assign_sum(variable, own if self._worker == 0 else tf.zeros_like(own))

    def _average_state(self) -> None:
        """Average what each replica has taken over its own batches, such as the means of BatchNormalization."""
        for weight in self._model.non_trainable_weights:
            if tf.as_dtype(weight.dtype).is_floating:
                own = tf.add_n(self._local(weight.value))
                self._assign_sum(weight, own / self._strategy.num_replicas_in_sync)

    def _assign_sum(self, variable: Any, own: Any) -> None:
        variable.assign(self._strategy.reduce("SUM", own, axis=None))


def _build_optimizer(model: keras.Model) -> None:
    if model.optimizer.built:
        return
    try:
        with model.distribute_strategy.scope():
            model.optimizer.build(model.trainable_variables)
    except RuntimeError as error:
        raise ParameterError(
            "The optimizer was made outside the strategy's scope: make it, and compile the model, inside "
            "`with strategy.scope():`."
        ) from error


def _listed(
    model: keras.Model,
    callbacks: Sequence[keras.callbacks.Callback],
    verbose: Any,
    epochs: int,
    steps: int | None,
    history: bool = True,
) -> keras.callbacks.CallbackList:
    """Return the callbacks of this worker: only the chief's write."""
    chief = is_chief(model.distribute_strategy)
    verbose = {"auto": 1}.get(verbose, verbose) if chief else 0
    return keras.callbacks.CallbackList(
        [callback for callback in callbacks if chief or not isinstance(callback, _WRITERS)],
        add_history=history,
        add_progbar=verbose != 0,
        model=model,
        verbose=verbose,
        epochs=epochs,
        steps=steps,
    )


def _length(data: tf.data.Dataset) -> int | None:
    """Return the number of batches, if it is known."""
    found = int(data.cardinality())
    return found if found >= 0 else None


def _full(data: tf.data.Dataset, strategy: tf.distribute.Strategy) -> int:
    """Return the number of samples that a replica gets of a batch."""
    return int(tf.nest.flatten(data.element_spec)[0].shape[0]) // strategy.num_replicas_in_sync


@contextlib.contextmanager
def _lost_workers() -> Iterator[None]:
    """Say what it means when the others can no longer be reached."""
    try:
        yield
    except _LOST as error:
        raise TrainingError(
            "Another worker has stopped or cannot be reached: look for the reason in its log, then start all "
            "workers again. ({reason})",
            reason=error.message,
        ) from error
