"""Training a Keras model: compile, fit, score, and write what came of it."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from ..accuracy.quantitynames import readable
from ..accuracy.scores import described, numbers
from ..base.progress import Progress
from ..errors import Cancelled, ParameterError, field
from ..machine.devices import device_scope
from ..parameters.sampleroles import SampleRole
from ..parameters.traininggroups import OVER_ALL_EPOCHS, GraphTraining
from ..phrases import Phrase
from .calibrating import FittedTemperature, calibrate
from .callback import TrainingCallback, TrainingRules
from .checkpoints import Checkpoints, TrainingState, checkpoint_folder
from .compilednetwork import compile_network
from .fitting import fit
from .network import Network, load_network
from .opensamples import original_errors
from .samplebatches import Feed, Samples
from .samplesets import SampleSets
from .scoring import SCORED_WHILE_TRAINING, Scores, deciding_scores, score
from .strategies import is_chief, make_strategy
from .traineddefaults import patch_sizes, serving_defaults_of_training
from .trainedmodel import FinishedModel
from .trainingfiles import TrainingFiles
from .trainingpreparation import prepare_training
from .trainingreport import history_csv, report_html
from .trainingtask import Task, predictor

if TYPE_CHECKING:
    from ..operations.tensorflowmodeltrain import TensorflowModelTrain


def run_keras_training(parameters: TensorflowModelTrain, progress: Progress) -> dict[str, Any]:
    """Train a Keras model; see `trainingrun.run_training`."""
    _check_keys(parameters)
    strategy = make_strategy(parameters.strategy)  # several workers: before TensorFlow does anything else
    scope = _scope(parameters, strategy)
    chief = is_chief(strategy)
    with ExitStack() as stack:
        files = TrainingFiles(parameters, stack, progress) if chief else None
        with scope(), original_errors():
            keras.utils.set_random_seed(parameters.seed)
            sets, network, task = prepare_training(parameters, progress)
            if network.calibrated and not parameters.calibrate and files is not None and files.writes_model:
                progress.warning(_no_longer_calibrated())
            run = _KerasRun(parameters, sets, network, task, strategy, progress)
            run.fit()
            scores = run.score()
            calibrated = run.calibrate() if parameters.calibrate else None
        results = {**run.results(scores), **(calibrated.results() if calibrated else {})}
        if files is not None:
            results.update(run.write(files, scores, calibrated))
    if parameters.checkpoints is None:
        run.checkpoints.remove()
    return results


def _check_keys(parameters: TensorflowModelTrain) -> None:
    for each in dataclasses.fields(GraphTraining):
        value = getattr(parameters, each.name)
        if value.strip():
            raise ParameterError(
                "{each} is {value!r}, but {model_dir} is a Keras model, which is trained by {loss} and {optimizer}: "
                "leave it out.",
                each=field(each.name),
                value=value,
                model_dir=parameters.model_dir,
                loss=field("loss"),
                optimizer=field("optimizer"),
            )
    if parameters.strategy != "none" and parameters.device.strip().lower() not in ("", "auto"):
        raise ParameterError(
            "{device} is {parameters_device}, but {strategy} is {parameters_strategy}, which chooses the devices: "
            "set {device} to auto.",
            device=field("device"),
            parameters_device=parameters.device,
            strategy=field("strategy"),
            parameters_strategy=parameters.strategy,
        )


def _no_longer_calibrated() -> str:
    return Phrase(
        "The model has calibrated probabilities, but its training changes the temperature that suits it: the trained model is "
        "not calibrated. Set {calibrate} to calibrate it again.",
        calibrate=field("calibrate"),
    )


def _scope(parameters: TensorflowModelTrain, strategy: Any) -> Callable[[], AbstractContextManager[Any]]:
    if parameters.strategy == "none":
        return device_scope(parameters.device)
    scope: Callable[[], AbstractContextManager[Any]] = strategy.scope
    return scope


class _KerasRun:
    """One training of a Keras model.

    Attributes:
        checkpoints: where its state is kept.
    """

    def __init__(
        self,
        parameters: TensorflowModelTrain,
        sets: SampleSets,
        network: Network,
        task: Task,
        strategy: Any,
        progress: Progress,
    ) -> None:
        """Compile the network.

        Raises:
            ParameterError: loss, metrics, layers to freeze or checkpoints do not fit.
        """
        self._parameters, self._sets, self._network, self._task = parameters, sets, network, task
        self._progress, self._strategy = progress, strategy
        self._feed = self._feed_of(SampleRole.TRAINING, sets.training, shuffled=True)
        self._compiled = compile_network(parameters, sets.training, network, task, self._feed)
        self._finished = FinishedModel(
            network,
            task,
            serving_defaults_of_training(parameters, sets.training, task, network),
            patch_sizes(sets.training, task),
            self._compiled.loss,
        )
        if parameters.model_saveto and is_chief(strategy):
            self._finished.check_exportable()
        self.checkpoints = Checkpoints(checkpoint_folder(parameters), self._identity(), progress, is_chief(strategy))
        self._callback = self._make_callback()
        loss = self._compiled.loss
        counted = sum(int(np.prod(weight.shape)) for weight in network.trained.trainable_weights)
        progress.info(
            Phrase(
                "Training {network}: {counted} weights, loss {loss}, {optimizer}, {steps} {steps:batch|batches} "
                "of {batchsize} in "
                "an epoch.",
                network=network.name,
                counted=counted,
                loss=Phrase("{loss} in standard deviations", loss=loss) if self._compiled.scaled else loss,
                optimizer=parameters.optimizer,
                steps=self._feed.steps,
                batchsize=parameters.batchsize,
            )
        )
        if self._compiled.frozen:
            progress.info(Phrase("Frozen layers: {frozen}.", frozen=", ".join(self._compiled.frozen)))

    # ----------------------------------------------------------- fitting

    def fit(self) -> None:
        """Train, from the last checkpoint where that is asked for, and take the best weights.

        Raises:
            TrainingError: the loss is no number, or a checkpoint cannot be written.
            Cancelled: the user asked to stop.
        """
        self._resume()
        state = self._callback.state
        if not self._rules.is_over(state):
            try:
                self._fit(state)
            except Cancelled:
                self._log_stop(state)
                raise
        best = self._callback.best_weights
        if self._rules.validated and best is not None:
            self._network.trained.set_weights(best)
            self._progress.info(
                Phrase(
                    "The weights are those of epoch {best_epoch}, with the smallest {monitor}: {best:.4g}.",
                    best_epoch=state.best_epoch,
                    monitor=readable(self._rules.monitor),
                    best=state.best,
                )
            )
        self._network.adopt_trained_weights()

    def _fit(self, state: TrainingState) -> None:
        validation = self._sets.validation
        fit(
            self._network.trained,
            self._feed.data,
            epochs=self._parameters.epochs,
            initial_epoch=state.epoch,
            validation_data=self._feed_of(SampleRole.VALIDATION, validation).data if validation is not None else None,
            callbacks=[self._callback, *self._logging()],
            class_weight=self._task.weights or None,
            shuffle=False,  # the data set does it
        )

    def _resume(self) -> None:
        """Resume from the last checkpoint, or remove the files of older runs."""
        found = self.checkpoints.read() if self._parameters.resume else None
        if found is None:
            self.checkpoints.clear()
            if self._parameters.resume:
                self._progress.info("No checkpoint exists: training starts from the beginning.")
            return
        state, values = found
        best = self.checkpoints.best
        weights = None
        if best is not None:
            older = load_network(str(best), False)
            older.choose_output(self._task.output.name)
            weights = older.trained.get_weights()
        self._callback.resume_from(state, values, weights)
        self._progress.info(
            Phrase("Resuming after epoch {epoch}, from {folder}.", epoch=state.epoch, folder=self.checkpoints.folder)
        )

    def _log_stop(self, state: TrainingState) -> None:
        if self.checkpoints.best is not None:
            self._progress.info(
                Phrase(
                    "Stopped. The best weights so far, of epoch {best_epoch}, are in {best}. With {resume} on, "
                    "training resumes after the last complete epoch.",
                    best_epoch=state.best_epoch,
                    best=self.checkpoints.best,
                    resume=field("resume"),
                )
            )

    def _make_callback(self) -> TrainingCallback:
        parameters, validation = self._parameters, self._sets.validation
        scored = parameters.validation_mode != "none"
        self._rules = TrainingRules(
            parameters.epochs,
            parameters.seed,
            validation is not None,
            parameters.patience,
            parameters.schedule == "plateau",
            parameters.validation_step if scored else 0,
        )
        self._scorers = {role: self._scorer(role, samples) for role, samples in self._sets.by_role.items()}
        while_training = {role: scorer for role, scorer in self._scorers.items() if role in SCORED_WHILE_TRAINING}
        return TrainingCallback(
            self._network.trained,
            self._rules,
            self._feed,
            TrainingState(),
            self.checkpoints,
            while_training,
            self._finished.save,
            self._progress,
        )

    def _feed_of(self, role: SampleRole, samples: Samples, shuffled: bool = False) -> Feed:
        change = self._task.change(role, augmented=shuffled)
        whole = shuffled and self._strategy.num_replicas_in_sync > 1
        return samples.feed(self._parameters.batchsize, shuffled, change, whole)

    def _logging(self) -> list[keras.callbacks.Callback]:
        if not self._parameters.tensorboard_dir:
            return []
        folder = Path(self._parameters.tensorboard_dir) / time.strftime("%Y%m%d-%H%M%S")
        return [keras.callbacks.TensorBoard(str(folder), write_graph=False)]

    def _identity(self) -> dict[str, Any]:
        """Return what a resumed run must have in common with the stopped one."""
        own = self._parameters
        shapes = [list(weight.shape) for weight in self._network.trained.weights]
        found = {
            "the network (shapes of its weights)": hashlib.sha256(repr(shapes).encode()).hexdigest()[:12],
            "the number of samples for training": self._sets.training.size,
            field("batchsize"): own.batchsize,
            field("loss"): self._compiled.loss,
            field("optimizer"): own.optimizer,
            field("learning_rate"): own.learning_rate,
            field("schedule"): own.schedule,
            field("augmentation"): own.augmentation,
            field("class_weights"): own.class_weights,
            field("freeze"): own.freeze,
            field("mixed_precision"): own.mixed_precision,
            field("seed"): own.seed,
            "the monitored loss": "val_loss" if self._sets.validation is not None else "loss",
        }
        if own.schedule in OVER_ALL_EPOCHS:
            found[field("epochs")] = own.epochs
        return found

    # ------------------------------------------------------------ scores

    def _scorer(self, role: SampleRole, samples: Samples) -> Callable[[], Scores]:
        data = self._feed_of(role, samples).data
        predict = predictor(self._network, self._task, data)
        return lambda: score(predict, data, self._task.tally(), self._progress)

    def score(self) -> dict[SampleRole, Scores]:
        """Return the scores of the final weights, by role."""
        order = (SampleRole.VALIDATION, SampleRole.TEST, SampleRole.TRAINING)
        chosen = [role for role in order if role in self._scorers]
        if self._parameters.validation_mode == "none" and SampleRole.VALIDATION in chosen:
            chosen.remove(SampleRole.TRAINING)
        found: dict[SampleRole, Scores] = {}
        for role in chosen:
            found[role] = self._scorers[role]()
            self._progress.info(
                Phrase(
                    "Final scores on data for {role}: {described_role}.",
                    role=role,
                    described_role=described(found[role]),
                )
            )
        return found

    def calibrate(self) -> FittedTemperature:
        """Calibrate the probabilities, last of all: the network returns them in another way from then on."""
        roles = [role for role in (SampleRole.VALIDATION, SampleRole.TEST) if role in self._sets.by_role]
        data: dict[SampleRole, Any] = {role: self._feed_of(role, self._sets.by_role[role]).data for role in roles}
        found = calibrate(self._network, self._task, data, self._progress)
        self._finished.calibrate(found)
        return found

    def results(self, scores: dict[SampleRole, Scores]) -> dict[str, Any]:
        """Return the numbers that the operation results in."""
        deciding = deciding_scores(scores)
        return {
            **(numbers(deciding) if deciding else {}),
            "epochs_run": self._callback.state.epoch,
            "samples_per_epoch": self._feed.used,
        }

    # ----------------------------------------------------------- outputs

    def write(
        self, files: TrainingFiles, scores: dict[SampleRole, Scores], calibrated: FittedTemperature | None
    ) -> dict[str, Any]:
        """Write what is asked for, and return the paths by key."""
        rows = self._callback.state.history
        files.write_model(self._finished, device_scope(self._parameters.device))
        files.write_text("out.history", history_csv(rows))
        if files.wants("out.report"):
            counts = {role: samples.size for role, samples in self._sets.by_role.items()}
            facts: dict[str, str] = {
                Phrase("Model"): self._network.name,
                Phrase("Loss"): self._compiled.loss,
                Phrase("Epochs"): str(self._callback.state.epoch),
            }
            if self._rules.validated:
                facts[Phrase("Best epoch")] = str(self._callback.state.best_epoch)
            files.write_text("out.report", report_html(self._parameters, rows, scores, counts, facts, calibrated))
        return files.commit()
