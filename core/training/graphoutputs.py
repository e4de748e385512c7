"""What is written of a TensorFlow 1 graph that was trained."""

from __future__ import annotations

import dataclasses
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..base.progress import Progress
from ..errors import OtbtfError, ParameterError
from ..files.staging import Staging
from ..machine.devices import device_scope
from ..models.loading import load_model
from ..models.sidecar import write_sidecar
from ..probing.describerun import item
from ..probing.describing import describe as describe_model
from ..serving.defaultsapplied import meant_by
from .graph import is_prefix, variables_of
from .scoring import Scores
from .trainingfiles import Outputs
from .trainingreport import history_csv

if TYPE_CHECKING:
    from ..operations.tensorflowmodeltrain import TensorflowModelTrain
    from .graphtraining import GraphRun


class GraphOutputs:
    """The files of a training: a SavedModel or variables alone, history, report, logs for TensorBoard."""

    def __init__(self, parameters: TensorflowModelTrain, stack: ExitStack, progress: Progress) -> None:
        self._parameters, self._progress = parameters, progress
        self._variables: Staging | None = None
        saveto = parameters.model_saveto
        if saveto and is_prefix(saveto):
            prefix = Path(saveto).absolute()
            if prefix.is_dir():
                raise ParameterError(f"MODEL_SAVETO is {saveto}, which is a folder, but should name files: remove it.")
            prefix.parent.mkdir(parents=True, exist_ok=True)
            self._variables = stack.enter_context(Staging(f"{prefix}.index", progress))
            parameters = dataclasses.replace(parameters, model_saveto=None)
        self._outputs = Outputs(parameters, stack, progress, kept=self._variables is not None)

    def write(self, run: GraphRun, scores: Mapping[str, Scores]) -> dict[str, Any]:
        """Write what is asked for, and return the paths by key."""
        if self._variables is not None:
            run.graph.save(self._variables.folder / Path(self._parameters.model_saveto or "").name)
        elif self._outputs.wants("model.saveto"):
            self._write_model(run, scores, self._outputs.path("model.saveto"))
        self._outputs.write_text("out.history", history_csv(run.state.history))
        if self._outputs.wants("out.report"):
            self._outputs.write_text("out.report", run.report(scores))
        if self._parameters.tensorboard_dir:
            _write_logs(Path(self._parameters.tensorboard_dir), run.state.history)
        results = self._outputs.commit()
        if self._variables is not None:
            self._variables.commit()
            results["model.saveto"] = self._parameters.model_saveto
        return results

    def _write_model(self, run: GraphRun, scores: Mapping[str, Scores], folder: Path) -> None:
        """The graph as it was loaded, with the variables as they are now."""
        old = ("variables", "mlm.json")
        shutil.copytree(run.graph.folder, folder, ignore=lambda _, names: [name for name in names if name in old])
        run.graph.save(variables_of(folder))
        scope = device_scope(self._parameters.device)
        try:
            model = load_model(str(folder), self._parameters.model_tagsets, self._parameters.trust_model)
            values = self._parameters.validation_userplaceholders
            described = describe_model(model, (), scope, self._progress, placeholders=values, true_fields=False)
            meant = meant_by(str(run.graph.folder))
            write_sidecar(str(folder), item(described, run.classes(scores), ".", run.alpha, meant))
        except OtbtfError as error:
            self._progress.warning(f"The trained graph gets no sidecar, serving will probe it: {error}")


def _write_logs(folder: Path, history: Sequence[Mapping[str, float]]) -> None:
    import tensorflow as tf

    with tf.summary.create_file_writer(str(folder / time.strftime("%Y%m%d-%H%M%S"))).as_default():
        for row in history:
            for name, value in row.items():
                if name != "epoch" and math.isfinite(value):
                    tf.summary.scalar(name, value, step=int(row["epoch"]))
