"""RunCommandLine: OTBTF's command lines, shown as the Processing calls that do the same, and run."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..base.progress import Part, Progress
from ..errors import Cancelled, OtbtfError
from ..operations.runcommandline import RunCommandLine
from ..phrases import Phrase
from ..registry import run as run_operation
from .commandline import Call, described, parse_commands

Perform = Callable[[Call, Progress], dict[str, Any]]


def run_command_lines(parameters: RunCommandLine, progress: Progress, perform: Perform | None = None) -> dict[str, Any]:
    """Show the calls that the commands stand for and, unless they are only to be shown, run them in order.

    Args:
        parameters: the commands.
        progress: receives the calls as text, and what each run reports.
        perform: runs one call and returns its results; in this process by default.

    Returns:
        `calls`, the equivalent Processing calls as text; `count`, how many; `results`, a JSON text: the results of each
        run in order, empty where nothing was run.

    Raises:
        ParameterError: a command cannot be read; nothing has run then.
        OtbtfError: a run failed; those before it are done.
        Cancelled: `progress` asked to stop.
    """
    calls = parse_commands(parameters.command)
    count = len(calls)
    shown = described(calls)
    progress.info(shown)
    results = []
    calls = [] if parameters.show_only else [call for call in calls if not call.help]
    for number, call in enumerate(calls):
        progress.check()
        part = Part(progress, number / len(calls), (number + 1) / len(calls))
        progress.info(
            Phrase(
                "Running {algorithm} ({number} of {calls_count}).",
                algorithm=call.algorithm,
                number=number + 1,
                calls_count=len(calls),
            )
        )
        try:
            results.append((perform or _here)(call, part))
        except OtbtfError as error:
            # Its keys as text: they are those of the command, not of ours.
            raise type(error)(
                Phrase(
                    "Line {line}, {application}: {error}{done}",
                    line=call.line,
                    application=call.application,
                    error=error,
                    done=_done(number),
                )
            ) from error
        except Cancelled:
            progress.warning(
                Phrase(
                    "{application} of line {line} was cancelled.{done}",
                    application=call.application,
                    line=call.line,
                    done=_done(number),
                )
            )
            raise
    return {"calls": shown, "count": count, "results": json.dumps(results, ensure_ascii=False, default=str)}


def _done(number: int) -> str:
    return Phrase(" The output of the {number} commands before it is kept.", number=number) if number else ""


def _here(call: Call, progress: Progress) -> dict[str, Any]:
    return run_operation(call.application, call.values, progress)
