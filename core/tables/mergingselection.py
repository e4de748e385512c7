"""SampleSelection over a table: each row chooses its share of the samples that one run over all would choose.

How many samples each class gets follows from the pixels of all rows together. A row then takes of each class the share that
it has of its pixels, by largest remainders, so that the numbers of all rows are exactly those.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..base.progress import Progress
from ..errors import EngineError, ParameterError, field
from ..files.staging import Staging
from ..operations.polygonclassstatistics import PolygonClassStatistics
from ..operations.sampleselection import SampleSelection
from ..parameters.kinds import parameter_name
from ..parameters.parsing import keys
from ..phrases import Phrase
from ..registry import read
from ..registry.givenvalues import understood
from ..samples.allocation import Rates
from ..samples.classtotals import natural_order, read_statistics
from ..samples.layersamples import rates_of, wanted_numbers
from .rowcalls import RowCall
from .rowrun import RowOutcome, RowTask

_STRATEGY = "strategy"
_NUMBERS = "strategy.byclass.in"
_MOST_TOLD = 10

Run = Callable[[Sequence[RowTask], Callable[[RowOutcome], None], Progress], None]


def shared_out(calls: Sequence[RowCall], out: str, run: Run, progress: Progress) -> list[RowCall]:
    """Return the calls, each with its numbers of samples by class; those that get none are `idle`.

    Args:
        calls: of SampleSelection.
        out: path of the results, beside which the statistics of the rows lie meanwhile.
        run: runs tasks.
        progress: told what is chosen.

    Raises:
        ParameterError: rows have different strategies, or their own statistics.
        EngineError: the pixels of rows cannot be counted.
    """
    _check(calls)
    totals = _totals(calls, out, run, progress)
    every: Counter[str] = Counter()
    for own in totals:
        every.update(own)
    parameters = read(SampleSelection, understood(SampleSelection, calls[0].values, Progress()))
    ordered = {name: every[name] for name in sorted(every, key=natural_order)}
    rates = rates_of(parameters, ordered, wanted_numbers(parameters))
    for name, rate in rates.items():
        progress.info(
            Phrase(
                "Class {name}: {needed} of {total} {total:pixel|pixels} of all rows.",
                name=name,
                needed=rate.needed,
                total=rate.total,
            )
        )
    return [_with_numbers(call, numbers) for call, numbers in zip(calls, allotted(totals, rates))]


def allotted(totals: Sequence[Mapping[str, int]], rates: Rates) -> list[dict[str, int]]:
    """Return for each row how many samples it takes of each class that it has.

    Args:
        totals: pixels of each class, for each row.
        rates: of each class, over all rows.
    """
    found: list[dict[str, int]] = [{} for _ in totals]
    for name, rate in rates.items():
        exact = [rate.needed * own.get(name, 0) / rate.total if rate.total else 0.0 for own in totals]
        whole = [math.floor(share) for share in exact]
        order = sorted(range(len(exact)), key=lambda row: (whole[row] - exact[row], row))
        for row in order[: rate.needed - sum(whole)]:
            whole[row] += 1
        for row, number in enumerate(whole):
            if totals[row].get(name):  # numbers of classes that a row does not have would be warned of
                found[row][name] = number
    return found


def _check(calls: Sequence[RowCall]) -> None:
    names = {key.name for key in keys(SampleSelection) if key.name.startswith(_STRATEGY)}
    first = {name: calls[0].values.get(name) for name in names}
    for call in calls:
        if "instats" in call.values:
            raise ParameterError(
                "{row} gives {instats}, but {merge} is on: leave it out; the pixels of all rows are counted together.",
                row=call.name,
                instats=parameter_name("instats"),
                merge=field("merge"),
            )
        if any(call.values.get(name) != value for name, value in first.items()):
            raise ParameterError(
                "{row} has another strategy than the first row, but {merge} is on: give the strategy once, in {parameters}.",
                row=call.name,
                merge=field("merge"),
                parameters=field("parameters"),
            )


def _totals(calls: Sequence[RowCall], out: str, run: Run, progress: Progress) -> list[dict[str, int]]:
    """Return the pixels of each class, for each row."""
    known = {key.name for key in keys(PolygonClassStatistics)} - {"out", "outtable"}
    found: dict[int, dict[str, int]] = {}
    failed: dict[int, Phrase] = {}
    names = {call.row.number: call.name for call in calls}
    with Staging(f"{out}.statistics", progress, field("out")) as staging:
        tasks = []
        for call in calls:
            values = {name: value for name, value in call.values.items() if name in known}
            values["out"] = str(Path(staging.folder) / f"{call.row.number}.xml")
            counting = dataclasses.replace(call, values=values)
            tasks.append(RowTask.of(counting, "PolygonClassStatistics"))

        def arrived(outcome: RowOutcome) -> None:
            if outcome.error and not outcome.empty:
                failed[outcome.number] = Phrase("{row}: {error}", row=names[outcome.number], error=outcome.error)
                return
            counted = {} if outcome.empty else read_statistics(str(outcome.results["out"])).per_class
            found[outcome.number] = {name: number for name, number in counted.items() if name}

        run(tasks, arrived, progress)
    if failed:
        told = [failed[number] for number in sorted(failed)]
        raise EngineError(
            "The pixels of {count} {count:row|rows} cannot be counted, so that no samples are chosen in any "
            "row. Correct them, or take "
            "them out of the table:\n{told}",
            count=len(told),
            told=Phrase("\n").join(told[:_MOST_TOLD]),
        )
    return [found[call.row.number] for call in calls]


def _with_numbers(call: RowCall, numbers: Mapping[str, int]) -> RowCall:
    values = {name: value for name, value in call.values.items() if not name.startswith(f"{_STRATEGY}.")}
    values[_STRATEGY] = "byclass"
    buffer = io.StringIO()
    # `samples.allocation.read_numbers` takes a tab for the separator where it finds one, and a # that begins a line for a
    # comment: neither must depend on the names of classes.
    csv.writer(buffer, delimiter="\t", quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n").writerows(numbers.items())
    return dataclasses.replace(call, values=values, texts={_NUMBERS: buffer.getvalue()}, idle=not any(numbers.values()))
