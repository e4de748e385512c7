"""The results of a table: what became of each row, as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from ..parameters.kinds import parameter_name
from ..parameters.operation import NumberResult, Operation
from .rowcalls import RowCall, outputs_of
from .rowrun import RowOutcome

DONE, KEPT, EMPTY, FAILED = "done", "kept", "empty", "failed"


def status(outcome: RowOutcome) -> str:
    """Return what became of a row in one word."""
    return FAILED if outcome.error else KEPT if outcome.kept else EMPTY if outcome.empty else DONE


def results_table(operation: type[Operation], calls: Sequence[RowCall], outcomes: Sequence[RowOutcome]) -> str:
    """Return a CSV text with a line for each row: its number, what it is called, what became of it, outputs and numbers.

    Args:
        operation: what was run.
        calls: in the order of the rows.
        outcomes: as many.
    """
    given = [outputs_of(call, operation) for call in calls]
    outputs = list(dict.fromkeys(name for each in given for name in each))
    numbers = [result.name for result in operation.RESULTS if isinstance(result, NumberResult)]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["row", "name", "status", *map(parameter_name, [*outputs, *numbers]), "seconds", "error"])
    for call, outcome, own in zip(calls, outcomes, given):
        results = outcome.results
        paths = [results.get(name, "") if not outcome.error and name in own else "" for name in outputs]
        found = ["" if results.get(name) is None else results[name] for name in numbers]
        told = [*paths, *found, f"{outcome.seconds:.3f}", str(outcome.error)]
        writer.writerow([outcome.number, call.label, status(outcome), *told])
    return buffer.getvalue()
