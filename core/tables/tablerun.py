"""RunTable: one operation over the rows of a table."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..base.addresses import masked
from ..base.progress import Part, Progress
from ..errors import EngineError, ParameterError, field
from ..files.staging import Staging, check_file
from ..operations.runtable import RunTable
from ..parameters.operation import Operation
from ..phrases import Phrase, plain
from ..registry import declaration
from ..tablefiles.reading import read_table
from ..tablefiles.table import Table
from ..vectors.vectoroutput import check_vector_output
from .givenonce import given_once
from .journal import ENDING, Journal
from .merging import MERGES
from .mergingpoints import merge_points
from .mergingselection import shared_out
from .overlaps import warn_of_overlaps
from .resultitems import results_as_items
from .rowcalls import RowCall, file_place, outputs_of, row_calls
from .rowrun import RowOutcome, RowTask
from .scheduling import Workers, workers_for
from .tablechecks import merged_path
from .tableresults import DONE, EMPTY, FAILED, KEPT, results_table, status
from .views import Views, mask_of, warn_of_offsets

_MERGING = 0.95
"""The share of the progress until all rows have run."""

_COUNTING = 0.4
"""The share of it until the pixels of all rows are counted, where that comes first."""


def run_table(parameters: RunTable, progress: Progress) -> dict[str, Any]:
    """Run an operation for each row, and write what became of them.

    Returns:
        `out`, `out.items` and `out.merged`, the paths of what was written; `rows`, `done` and `failed`, their numbers, and
        `kept`, how many of those that are done an earlier run has done; `merged`, numbers of the merged result as JSON.

    Raises:
        ParameterError, VectorError: the table or a row cannot be right, or results cannot be written; nothing has run then.
        EngineError: all rows failed, or one did and the results were to be merged; the results are written.
        Cancelled: `progress` asked to stop; rows that are done are in the journal.
    """
    operation = declaration(parameters.operation)
    table = read_table(parameters.table)
    once = given_once(operation, parameters.parameters)
    views = Views(parameters.pixelvalues, mask_of(parameters.mask))
    views.check_table(table)
    _tell_more(table, progress)
    calls = row_calls(table, operation, once, views, _taken(parameters), progress)
    views.check_used(call.views for call in calls)
    warn_of_offsets(((call.name, call.views) for call in calls), progress)
    _check_outputs(parameters, operation, calls)
    with ExitStack() as stack:
        out = stack.enter_context(Staging.of_file(parameters.out, progress, field("out")))
        items = None
        if parameters.out_items:
            items = stack.enter_context(Staging.of_file(parameters.out_items, progress, field("out_items")))
        journal = stack.enter_context(Journal(parameters.out, parameters.resume))
        calls, outcomes = _run_rows(parameters, operation, calls, journal, progress)
        out.write_text(results_table(operation, calls, outcomes))
        out.commit()
        if items is not None:
            items.write_text(results_as_items(parameters, operation, calls, outcomes))
            items.commit()
    failed = [outcome for outcome in outcomes if outcome.error]
    _tell(parameters, calls, outcomes, progress)
    merged = _merged(parameters, calls, outcomes, Part(progress, _MERGING, 1.0))
    return {
        "out": parameters.out,
        **({"out.items": parameters.out_items} if parameters.out_items else {}),
        "rows": len(outcomes),
        "done": len(outcomes) - len(failed),
        "kept": sum(outcome.kept for outcome in outcomes),
        "failed": len(failed),
        **merged,
    }


def _tell_more(table: Table, progress: Progress) -> None:
    if table.more:
        progress.warning(
            Phrase(
                "{table} is {path}, which says that there are more items at {address}: only those in the file are run. Save "
                "all items of the search, or give its address.",
                table=field("table"),
                path=table.path,
                address=masked(table.more),
            )
        )


def _check_outputs(parameters: RunTable, operation: type[Operation], calls: Sequence[RowCall]) -> None:
    """Raise ParameterError or VectorError where what all rows are to be for cannot be written, or rows begin clusters.

    Rows run in workers, of which none begins others.
    """
    path = merged_path(parameters)
    if path:
        check = check_vector_output if MERGES[parameters.operation] is merge_points else check_file
        check(path, field("out_merged"))
    if parameters.cluster and (busy := next((call for call in calls if call.values.get("cluster")), None)):
        raise ParameterError(
            "{cluster} is given, and so it is for {operation} in {row}: keep one. Rows run at the same time, or the parts of "
            "each.",
            cluster=field("cluster"),
            operation=operation.__name__,
            row=busy.name,
        )


def _run_rows(
    parameters: RunTable, operation: type[Operation], calls: list[RowCall], journal: Journal, progress: Progress
) -> tuple[list[RowCall], list[RowOutcome]]:
    """Return the calls as they were run, and what became of each."""
    folder, started = Path(parameters.out).absolute().parent, 0.0
    with workers_for(operation, parameters.cluster, parameters.cluster_tls, folder, progress) as workers:
        if parameters.merge:
            warn_of_overlaps(calls, progress)
        if parameters.merge and parameters.operation == "SampleSelection":
            started = _COUNTING
            calls = shared_out(calls, parameters.out, workers.run, Part(progress, 0.0, started))
        part = Part(progress, started, _MERGING if parameters.merge else 1.0)
        return calls, _outcomes(parameters, operation, calls, journal, workers, part)


def _taken(parameters: RunTable) -> dict[str, str]:
    """Return paths that are no row's output, each with what it is."""
    places = {
        parameters.table: field("table"),
        parameters.out: field("out"),
        parameters.out + ENDING: Phrase("the journal of {out}", out=field("out")),
        parameters.out_items or "": field("out_items"),
        merged_path(parameters): field("out_merged"),
    }
    return {file_place(path): what for path, what in places.items() if path}


def _outcomes(
    parameters: RunTable,
    operation: type[Operation],
    calls: Sequence[RowCall],
    journal: Journal,
    workers: Workers,
    progress: Progress,
) -> list[RowOutcome]:
    """Return what became of each row, in order; those that are not done yet are run."""
    tasks = [RowTask.of(call, parameters.operation) for call in calls]
    given = {call.row.number: outputs_of(call, operation) for call in calls}
    found = {call.row.number: RowOutcome(call.row.number, {}, 0.0, empty=True) for call in calls if call.idle}
    for task in [task for task in tasks if len(journal) and task.number not in found]:
        progress.check()
        if (kept := journal.kept(task.number, task.identity(workers.terms.run))) is not None:
            found[task.number] = kept
    _tell_earlier(journal, sum(outcome.kept for outcome in found.values()), len(tasks), progress)
    names = {call.row.number: call.name for call in calls}

    def arrived(outcome: RowOutcome) -> None:
        if outcome.empty and parameters.merge:
            progress.warning(
                Phrase("{row} adds nothing: {error}", row=names[outcome.number], error=plain(outcome.error))
            )
            outcome = dataclasses.replace(outcome, error="")
        found[outcome.number] = outcome
        if not outcome.error:
            paths = {name: str(outcome.results.get(name, path)) for name, path in given[outcome.number].items()}
            journal.note(outcome, paths.values())
        _tell_row(names[outcome.number], outcome, len(found), len(tasks), progress)

    workers.run([task for task in tasks if task.number not in found], arrived, progress)
    return [found[task.number] for task in tasks]


def _tell_earlier(journal: Journal, kept: int, count: int, progress: Progress) -> None:
    if kept:
        told = "{kept} of {count} rows are done already, as {journal} says."
        progress.info(Phrase(told, kept=kept, count=count, journal=journal.path))
    elif journal.earlier and not len(journal):
        progress.info(
            Phrase(
                "An earlier run has noted {count} {count:row|rows} in {journal}: all rows are run again, "
                "because {resume} is off.",
                count=journal.earlier,
                journal=journal.path,
                resume=field("resume"),
            )
        )


def _tell_row(name: str, outcome: RowOutcome, count: int, of: int, progress: Progress) -> None:
    if outcome.empty and not outcome.error:
        return
    if outcome.error:
        progress.warning(Phrase("{row} failed: {error}", row=name, error=outcome.error))
    else:
        progress.info(
            Phrase(
                "{row}: done in {seconds:.1f} s ({count} of {of}).",
                row=name,
                seconds=outcome.seconds,
                count=count,
                of=of,
            )
        )


def _tell(parameters: RunTable, calls: Sequence[RowCall], outcomes: Sequence[RowOutcome], progress: Progress) -> None:
    """Tell how many rows are done and which failed.

    Raises:
        EngineError: all rows failed.
    """
    failed = [(call, outcome) for call, outcome in zip(calls, outcomes) if outcome.error]
    if len(failed) == len(outcomes):
        raise EngineError(
            "All {count} rows failed; {out} lists their errors. The first: {row}: {error}",
            count=len(outcomes),
            out=parameters.out,
            row=failed[0][0].name,
            error=failed[0][1].error,
        )
    words = Counter(map(status, outcomes))
    progress.info(
        Phrase(
            "{done} {done:row|rows} done, {kept} kept from an earlier run, {failed} failed.",
            done=words[DONE] + words[EMPTY],
            kept=words[KEPT],
            failed=words[FAILED],
        )
    )
    if failed:
        names = Phrase("; ").join([call.name for call, _ in failed[:20]])
        more = Phrase(" and {more} more", more=len(failed) - 20) if len(failed) > 20 else plain("")
        progress.warning(
            Phrase(
                "Failed: {names}{more}. {out} lists their errors. Correct them and run again with {resume} to run only these.",
                names=names,
                more=more,
                out=parameters.out,
                resume=field("resume"),
            )
        )


def _merged(
    parameters: RunTable, calls: Sequence[RowCall], outcomes: Sequence[RowOutcome], progress: Progress
) -> dict[str, Any]:
    """Write the sum of all rows, where it is asked for; return its path and numbers.

    Raises:
        EngineError: a row failed, so that there is no sum.
    """
    if not parameters.merge:
        return {}
    if any(outcome.error for outcome in outcomes):
        raise EngineError(
            "The results are not merged, because rows failed and their sum would not be that of all rows: correct them (see "
            "{out}), or take them out of the table, and run again with {resume}.",
            out=parameters.out,
            resume=field("resume"),
        )
    if not any(outcome.results.get("out") for outcome in outcomes):
        raise EngineError(
            "There is nothing to merge: no row has a feature, a point or a labelled pixel in its image. Check that layer and "
            "images overlap."
        )
    path = merged_path(parameters)
    numbers = MERGES[parameters.operation](calls, outcomes, path, progress)
    return {"out.merged": path, "merged": json.dumps(numbers)}
