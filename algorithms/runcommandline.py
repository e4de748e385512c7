"""otbtf:runcommandline."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from qgis.core import (
    QgsProcessingContext,
)

from ..core.base.progress import Passed, Progress
from ..core.errors import EngineError
from ..core.operations.runcommandline import RunCommandLine as Operation
from ..core.parameters.parsing import keys, parse
from ..core.workflows.commandline import Call, parse_commands
from ..core.workflows.commandrun import run_command_lines
from .base import OtbtfAlgorithm, told
from .definitions import shown_as


class RunCommandLine(OtbtfAlgorithm):
    """OTBTF's command lines as they are."""

    OPERATION = Operation

    def initAlgorithm(self, configuration=None):
        super().initAlgorithm(configuration)
        self.parameterDefinition("COMMAND").setMultiLine(True)

    def processAlgorithm(self, parameters, context, feedback):
        results = super().processAlgorithm(parameters, context, feedback)
        calls = [call for call in parse_commands(self._inputs["command"]) if not call.help]
        for call, found in zip(calls, json.loads(results["RESULTS"])):
            self._load_outputs(call, found, context)
            self._child(call)._tell_outcome(told(found), feedback)
        return results

    def _run(self, values, progress):
        parameters = parse(self.OPERATION, values)

        def perform(call: Call, part: Progress):
            child = self._child(call)
            polled = _Polled(part, progress.poll)  # all that is asked of a FeedbackProgress
            return child._run(child._with_defaults(call.values), polled)  # type: ignore[arg-type]

        if not parameters.show_only:
            for call in (call for call in parse_commands(parameters.command) if not call.help):
                runnable, problem = self._child(call).canExecute()
                if not runnable:
                    raise EngineError(problem)
        return run_command_lines(parameters, progress, perform)

    def _child(self, call: Call) -> OtbtfAlgorithm:
        """Return the algorithm that runs a call."""
        return self.provider().algorithm(call.application.lower()).create()

    def _load_outputs(self, call: Call, found: dict, context: QgsProcessingContext) -> None:
        """Have a run's layers loaded and styled, as if its own algorithm had been run."""
        child = self._child(call)
        for key in keys(child.OPERATION):
            hint = shown_as(key).hint
            if hint is not None and found.get(key.name):  # a run in parts may have made no output yet
                path, name = found[key.name], Path(found[key.name]).stem
                details = QgsProcessingContext.LayerDetails(name, context.project(), key.parameter, hint)
                context.addLayerToLoadOnCompletion(path, details)
        child._style_layers(told(found), context)


class _Polled(Passed):
    """The progress of one run, with which it also lets qgis_process see its signals."""

    def __init__(self, part: Progress, poll: Callable[[], None]):
        super().__init__(part)
        self.poll = poll
