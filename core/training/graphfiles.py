"""The files that the training of a graph writes."""

from __future__ import annotations

import dataclasses
import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from ..base.progress import Progress, Quiet
from ..classes.modelclasses import Classes
from ..errors import OtbtfError, ParameterError, field
from ..files.staging import Staging
from ..machine.devices import device_scope
from ..models.loading import load_model
from ..models.sidecar import write_sidecar
from ..phrases import Phrase
from ..probing.modeldescription import describe as describe_model
from ..probing.modeldescription import item
from ..serving.defaultsapplied import serving_defaults_of
from .trainablegraph import TrainableGraph, is_prefix, variables_of
from .trainingfiles import TrainingFiles
from .trainingreport import history_csv

if TYPE_CHECKING:
    from ..operations.tensorflowmodeltrain import TensorflowModelTrain


class GraphFiles:
    """The files of a training: a SavedModel or variables alone, history, report, logs for TensorBoard."""

    def __init__(self, parameters: TensorflowModelTrain, stack: ExitStack, progress: Progress) -> None:
        self._parameters, self._progress = parameters, progress
        self._variables: Staging | None = None
        saveto = parameters.model_saveto
        if saveto and is_prefix(saveto):
            prefix = Path(saveto).absolute()
            if prefix.is_dir():
                raise ParameterError(
                    "{model_saveto} is {saveto}, which is a folder, but must be the prefix of files: remove the "
                    "folder, or name another prefix.",
                    model_saveto=field("model_saveto"),
                    saveto=saveto,
                )
            prefix.parent.mkdir(parents=True, exist_ok=True)
            self._variables = stack.enter_context(Staging(f"{prefix}.index", progress))
            parameters = dataclasses.replace(parameters, model_saveto=None)
        self._files = TrainingFiles(parameters, stack, progress, saved_elsewhere=self._variables is not None)

    def write(
        self,
        graph: TrainableGraph,
        history: Sequence[Mapping[str, float]],
        classes: dict[str, Classes],
        alpha: Mapping[str, str],
        report: Callable[[], str],
    ) -> dict[str, Any]:
        """Write what is asked for, and return the paths by key.

        Args:
            graph: with the variables as they are now.
            history: a row of each epoch.
            classes: of the scored output, by its name.
            alpha: by name of the input, what bands marked as alpha were when its patches were cut.
            report: makes the report's page.
        """
        if self._variables is not None:
            graph.save(self._variables.folder / Path(self._parameters.model_saveto or "").name)
        elif self._files.wants("model.saveto"):
            self._write_model(graph, classes, alpha, self._files.path("model.saveto"))
        self._files.write_text("out.history", history_csv(history))
        if self._files.wants("out.report"):
            self._files.write_text("out.report", report())
        if self._parameters.tensorboard_dir:
            _write_logs(Path(self._parameters.tensorboard_dir), history)
        results = self._files.commit()
        if self._variables is not None:
            self._variables.commit()
            results["model.saveto"] = self._parameters.model_saveto
        return results

    def _write_model(
        self, graph: TrainableGraph, classes: dict[str, Classes], alpha: Mapping[str, str], folder: Path
    ) -> None:
        """The graph as it was loaded, with the variables as they are now."""
        old = ("variables", "mlm.json")
        shutil.copytree(graph.folder, folder, ignore=lambda _, names: [name for name in names if name in old])
        graph.save(variables_of(folder))
        scope = device_scope(self._parameters.device)
        try:
            model = load_model(str(folder), self._parameters.model_tagsets, self._parameters.trust_model)
            values = self._parameters.validation_userplaceholders
            described = describe_model(model, (), scope, Quiet(self._progress), placeholders=values, probing="fast")
            defaults = serving_defaults_of(str(graph.folder))
            write_sidecar(str(folder), item(described, classes, ".", alpha, defaults))
        except OtbtfError as error:
            self._progress.warning(
                Phrase(
                    "The trained graph is written without a sidecar, so serving probes it first: {reason}",
                    reason=error.message,
                )
            )


def _write_logs(folder: Path, history: Sequence[Mapping[str, float]]) -> None:
    with tf.summary.create_file_writer(str(folder / time.strftime("%Y%m%d-%H%M%S"))).as_default():
        for row in history:
            for name, value in row.items():
                if name != "epoch" and math.isfinite(value):
                    tf.summary.scalar(name, value, step=int(row["epoch"]))
