"""Training a TensorFlow 1 graph: run its target nodes for each batch, as OTBTF does, score it, and write the files."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import numpy as np

from ..accuracy.scores import ClassScores, described, numbers
from ..base.progress import Progress
from ..classes.legend import Legend
from ..classes.modelclasses import Classes
from ..errors import Cancelled, ParameterError, TrainingError, field
from ..models.modelinterface import plain_name
from ..parameters.sampleroles import SampleRole
from ..parameters.traininggroups import FOR_KERAS_ONLY, Fitting, NetworkSize, SampleUse, Scoring
from ..phrases import Phrase
from .augmentation import augment, check_augmentation
from .checkpoints import Checkpoints, TrainingState, checkpoint_folder
from .classlabels import alphas_of, described_classes, legend_of
from .graphfeeds import GraphFeeds, feedable, shaped_as_target
from .graphfiles import GraphFiles
from .samplesets import SampleSets, open_sets
from .scoring import (
    SCORED_WHILE_TRAINING,
    LabelTally,
    Scores,
    Tally,
    ValueTally,
    deciding_scores,
    log_scores,
    named_numbers,
)
from .trainablegraph import TrainableGraph, graph_to_train
from .trainingreport import report_html

if TYPE_CHECKING:
    from ..operations.tensorflowmodeltrain import TensorflowModelTrain

_LOG_INTERVAL = 3.0  # seconds between two lines about batches


def run_graph_training(parameters: TensorflowModelTrain, progress: Progress) -> dict[str, Any]:
    """Train a graph; see `trainingrun.run_training`."""
    graph_to_train(parameters.model_dir, parameters.model_tagsets)  # what is none has no use for the advice on keys
    _check_keys(parameters)
    with ExitStack() as stack:
        files = GraphFiles(parameters, stack, progress)
        graph = stack.enter_context(
            closing(
                TrainableGraph(
                    parameters.model_dir, parameters.model_tagsets, parameters.trust_model, parameters.device
                )
            )
        )
        if parameters.model_restorefrom:
            graph.restore(parameters.model_restorefrom)
        run = _GraphRun(parameters, graph, open_sets(parameters, progress), progress)
        run.fit()
        scores = run.score()
        written = files.write(graph, run.state.history, run.classes(scores), run.alpha, lambda: run.report(scores))
        results = {**run.results(scores), **written}
    if parameters.checkpoints is None:
        run.checkpoints.remove()
    return results


def _check_keys(parameters: TensorflowModelTrain) -> None:
    fields = {
        each.name: each for base in (Fitting, SampleUse, NetworkSize, Scoring) for each in dataclasses.fields(base)
    }
    for name in FOR_KERAS_ONLY:
        value = getattr(parameters, name)
        if value != fields[name].default:
            raise ParameterError(
                "{name} is {value}, but {model_dir} is a graph, which holds its own loss and optimizer: leave it "
                "out. Give values such as a learning rate in {training_userplaceholders}.",
                name=field(name),
                value=value,
                model_dir=parameters.model_dir,
                training_userplaceholders=field("training_userplaceholders"),
            )
    if parameters.out_keras:
        raise ParameterError(
            "{out_keras} is {parameters_out_keras}, but {model_dir} is a graph: name a folder in {model_saveto}.",
            out_keras=field("out_keras"),
            parameters_out_keras=parameters.out_keras,
            model_dir=parameters.model_dir,
            model_saveto=field("model_saveto"),
        )


class _GraphRun:
    """One training of a graph.

    Attributes:
        checkpoints: where its state is kept.
        state: where it is.
        legend: names and colours of the classes; empty for values.
    """

    def __init__(
        self, parameters: TensorflowModelTrain, graph: TrainableGraph, sets: SampleSets, progress: Progress
    ) -> None:
        """Find what is fed and run, and try it on one batch.

        Raises:
            ParameterError, ModelError: a name is not in the graph, or samples do not fit it.
        """
        self._parameters, self.graph, self._sets, self._progress = parameters, graph, sets, progress
        self._targets = graph.target_nodes(parameters.training_targetnodes.split())
        self._logged = {
            name: graph.tensor(name, field("training_outputtensors"))
            for name in parameters.training_outputtensors.split()
        }
        self._fed = GraphFeeds(parameters, graph, sets.training.keys)
        self._fed.check_all_fed([*self._targets, *self._logged.values()], SampleRole.TRAINING)
        self._fed.check_values_held(sets.by_role, progress)
        check_augmentation(parameters.augmentation, sets.training.shapes)
        kind = parameters.augmentation
        change = None if kind == "none" else lambda batch, seed: augment(batch, kind, seed)
        self._feed = sets.training.feed(parameters.batchsize, shuffled=True, change=change)
        self._fed.check_sizes(sets.training)
        self._tensors = self._fed.tensors
        if self._tensors.scored is not None:
            self._fed.check_all_fed([self._tensors.scored], SampleRole.VALIDATION)
        self.legend: Legend = {}
        if parameters.validation_mode == "class":
            self.legend = legend_of(sets.training, self._tensors.reference)
        self.checkpoints = Checkpoints(checkpoint_folder(parameters), self._identity(), progress)
        self.state = TrainingState()
        self.alpha = alphas_of(sets.training, self._fed.names)
        fed = Phrase(", ").join(
            (Phrase("{source} feeds {name}", source=source, name=name) for source, name in self._fed.names.items())
        )
        values = self._fed.describe_values()
        progress.info(
            Phrase(
                "Training {folder}: {fed}{value}{values}.",
                folder=graph.folder,
                fed=fed,
                value="; " if values else "",
                values=values,
            )
        )

    def _identity(self) -> dict[str, Any]:
        own = self._parameters
        return {
            "the graph (its variables)": [variable.op.name for variable in self.graph.variables],
            "the number of samples for training": self._sets.training.size,
            field("batchsize"): own.batchsize,
            field("training_targetnodes"): own.training_targetnodes,
            field("training_userplaceholders"): own.training_userplaceholders,
            field("augmentation"): own.augmentation,
            field("seed"): own.seed,
        }

    # ----------------------------------------------------------- fitting

    def fit(self) -> None:
        """Run the target nodes for each batch of each epoch.

        Raises:
            TrainingError: a logged value, or a variable, is no number; or a checkpoint cannot be written.
            Cancelled: the user asked to stop.
        """
        self._resume()
        run = self._compiled_step()
        while self.state.epoch < self._parameters.epochs:
            try:
                self._epoch(run)
            except Cancelled:
                if self.checkpoints.folder and self.state.epoch:
                    self._progress.info(
                        Phrase(
                            "Stopped. With {resume} on, training resumes after epoch {epoch}, from {folder}.",
                            resume=field("resume"),
                            epoch=self.state.epoch,
                            folder=self.checkpoints.folder,
                        )
                    )
                raise

    def _resume(self) -> None:
        found = self.checkpoints.read() if self._parameters.resume else None
        if found is None:
            self.checkpoints.clear()
            return
        self.state, values = found
        self.graph.set_values(values)
        self._progress.info(
            Phrase(
                "Resuming after epoch {epoch}, from {folder}.", epoch=self.state.epoch, folder=self.checkpoints.folder
            )
        )

    def _compiled_step(self) -> Any:
        """Return a function of a batch that trains on it and returns the values of the output tensors."""
        fed, user = self._fed.inputs(SampleRole.TRAINING), self._fed.values(SampleRole.TRAINING)
        call = self.graph.session.make_callable(
            [*self._targets, *self._logged.values()], [*fed.values(), *user], accept_options=False
        )

        def step(batch: Mapping[str, Any]) -> list[np.ndarray]:
            arrays = [feedable(tensor, batch[source].numpy(), source) for source, tensor in fed.items()]
            return [np.asarray(value) for value in call(*arrays, *user.values())[len(self._targets) :]]

        return step

    def _epoch(self, step: Any) -> None:
        epoch, parameters, feed = self.state.epoch, self._parameters, self._feed
        feed.begin(parameters.seed + epoch)
        start = logged = time.monotonic()
        waited = feed.waited
        sums = dict.fromkeys(self._logged, 0.0)
        for number, batch in enumerate(feed.data):
            self._progress.check()
            values = dict(zip(self._logged, step(batch)))
            size = len(next(iter(batch.values())))
            for name, value in values.items():
                self._check_number(name, value, epoch * feed.steps + number + 1)
                sums[name] += float(value.mean()) * size
            self._progress.fraction((epoch + (number + 1) / feed.steps) / parameters.epochs)
            if time.monotonic() - logged > _LOG_INTERVAL:
                logged = time.monotonic()
                shown = named_numbers((name, float(value.mean())) for name, value in values.items())
                self._progress.info(
                    Phrase(
                        "Epoch {epoch}/{epochs}, batch {number}/{steps}: {shown}",
                        epoch=epoch + 1,
                        epochs=parameters.epochs,
                        number=number + 1,
                        steps=feed.steps,
                        shown=shown,
                    )
                )
        row = {"epoch": float(epoch + 1), **{name: total / feed.used for name, total in sums.items()}}
        row.update(seconds=time.monotonic() - start, seconds_waited=feed.waited - waited)
        self._end_epoch(row)

    def _check_number(self, name: str, value: np.ndarray, step: int) -> None:
        if not np.all(np.isfinite(value.astype("float64"))):
            raise TrainingError(
                "{name} is {value} after step {step}: training stops. {advice}",
                name=name,
                value=float(value.mean()),
                step=step,
                advice=self._advice(),
            )

    def _advice(self) -> str:
        """Return which variables are kept when training stops at a value that is not finite, and what to try."""
        kept = Phrase(
            "The variables after epoch {epoch} are kept in {folder}.",
            epoch=self.state.epoch,
            folder=self.checkpoints.folder,
        )
        if not self.checkpoints.folder:
            kept = Phrase("Nothing is kept, because {model_saveto} is not given.", model_saveto=field("model_saveto"))
        rate = self._fed.describe_values() or Phrase("as the graph has it")
        return Phrase(
            "{kept} Try a smaller learning rate (now {rate}), or scale the inputs.",
            kept=kept if self.state.epoch else Phrase("No epoch was completed, so nothing is kept."),
            rate=rate,
        )

    def _end_epoch(self, row: dict[str, float]) -> None:
        values = self.graph.values()
        wrong = [
            variable.op.name
            for variable, value in zip(self.graph.variables, values)
            if value.dtype.kind == "f" and not np.all(np.isfinite(value))
        ]
        epoch, parameters = int(row["epoch"]), self._parameters
        if wrong:
            raise TrainingError(
                "The variable {wrong} is not finite after epoch {epoch} (step {epoch2}): training stops. {advice}",
                wrong=wrong[0],
                epoch=epoch,
                epoch2=epoch * self._feed.steps,
                advice=self._advice(),
            )
        shown = named_numbers((name, row[name]) for name in self._logged)
        self._progress.info(
            Phrase(
                "Epoch {epoch}/{epochs}: {shown} ({seconds:.1f} s)",
                epoch=epoch,
                epochs=parameters.epochs,
                shown=shown,
                seconds=row["seconds"],
            )
        )
        scored = parameters.validation_mode != "none"
        if scored and (epoch % parameters.validation_step == 0 or epoch == parameters.epochs):
            for role in SCORED_WHILE_TRAINING:
                if role in self._sets.by_role:
                    row.update(log_scores(role, self._scores(role), self._progress))
        self.state.epoch = epoch
        self.state.history.append(row)
        self.checkpoints.write(self.state, values)
        self._progress.check()

    # ------------------------------------------------------------ scores

    def _scores(self, role: SampleRole) -> Scores:
        samples, scored = self._sets.by_role[role], self._tensors.scored
        fed, user = self._fed.inputs(SampleRole.VALIDATION), self._fed.values(SampleRole.VALIDATION)
        given = {tensor.name for tensor in (*fed.values(), *user)}
        used = {tensor.name for tensor in self.graph.needed([scored], given)}
        user = {tensor: value for tensor, value in user.items() if tensor.name in used}
        call = self.graph.session.make_callable(scored, [*fed.values(), *user])
        mode = self._parameters.validation_mode
        tally: Tally = ValueTally() if mode == "rmse" else LabelTally(self.legend)
        parameter = SampleRole.VALIDATION.mention("name", self._tensors.reference)
        for batch in samples.feed(self._parameters.batchsize).data:
            self._progress.check()
            arrays = [feedable(tensor, batch[source].numpy(), source) for source, tensor in fed.items()]
            target = batch[self._tensors.reference].numpy()
            found = np.asarray(call(*arrays, *user.values()))
            tally.add(target, shaped_as_target(found, target, plain_name(scored.name), mode, parameter))
        return tally.scores()

    def score(self) -> dict[SampleRole, Scores]:
        """Return the scores of the final variables, by role."""
        if self._parameters.validation_mode == "none":
            return {}
        found = {}
        for role in self._sets.by_role:
            found[role] = self._scores(role)
            self._progress.info(
                Phrase(
                    "Final scores on data for {role}: {described_role}.",
                    role=role,
                    described_role=described(found[role]),
                )
            )
        return found

    def results(self, scores: Mapping[SampleRole, Scores]) -> dict[str, Any]:
        """Return the numbers that the operation results in."""
        deciding = deciding_scores(scores)
        return {
            **(numbers(deciding) if deciding else {}),
            "epochs_run": self.state.epoch,
            "samples_per_epoch": self._feed.used,
        }

    def report(self, scores: Mapping[SampleRole, Scores]) -> str:
        """Return the report's page."""
        counts = {role: samples.size for role, samples in self._sets.by_role.items()}
        facts: dict[str, str] = {Phrase("Model"): str(self.graph.folder), Phrase("Epochs"): str(self.state.epoch)}
        return report_html(self._parameters, self.state.history, scores, counts, facts)

    def classes(self, scores: Mapping[SampleRole, Scores]) -> dict[str, Classes]:
        """Return the classes of the scored output, by its name, for the sidecar."""
        deciding = deciding_scores(scores)
        if not isinstance(deciding, ClassScores):
            return {}
        scored = self._tensors.scored
        key = next((n for n, tensor in self.graph.outputs.items() if tensor == scored.name), plain_name(scored.name))
        return {key: described_classes(map(int, deciding.labels), self.legend)}
