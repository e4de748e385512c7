"""RunCommandLine: OTBTF's command lines, shown as the Processing calls that do the same, and run."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..base.progress import Part, Progress
from ..errors import Cancelled, OtbtfError
from ..operations.runcommandline import RunCommandLine
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
        progress.info(f"Running {call.algorithm} ({number + 1} of {len(calls)}).")
        try:
            results.append((perform or _here)(call, part))
        except OtbtfError as error:
            # Its keys as text: they are those of the command, not of ours.
            raise type(error)(f"Line {call.line}, {call.application}: {error}{_done(number)}") from error
        except Cancelled:
            progress.warning(f"{call.application} of line {call.line} was cancelled.{_done(number)}")
            raise
    return {"calls": shown, "count": count, "results": json.dumps(results, ensure_ascii=False, default=str)}


def _done(number: int) -> str:
    return f" The output of the {number} commands before it is kept." if number else ""


def _here(call: Call, progress: Progress) -> dict[str, Any]:
    return run_operation(call.application, call.values, progress)
