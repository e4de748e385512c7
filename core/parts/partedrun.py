"""An operation in parts: some of them, those that are missing, or all on a cluster; and the whole, once all are there."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..base import ownership
from ..base.progress import Part, Progress
from ..cluster.pools import opened_pool
from ..machine.memory import gdal_cache
from ..parameters.partshare import PartShare, part_share
from ..phrases import Phrase
from .partedoutput import PartedOperation, PartedOutput
from .partnotes import PartNote
from .partsfolder import PartsFolder
from .partsoncluster import (
    assignment,
    check_travel,
    check_workers,
    compute_on,
    parameters_of_parts,
    release,
    release_on_worker,
)
from .partsrun import PartsRun, agreed_run

Arrived = Callable[[int, PartNote], None]
Compute = Callable[[Sequence[int], Arrived, Progress], None]
"""Computes parts of these numbers, and hands on each that is done."""


def wants_parts(parameters: Any) -> bool:
    """Return whether an operation is to be run in parts."""
    return bool(parameters.part.strip() or parameters.resume or parameters.cluster)


def run_in_parts(parameters: Any, operation: PartedOperation, progress: Progress) -> dict[str, Any]:
    """Compute the parts that a run is asked for, and the whole output where these were the last.

    Args:
        parameters: of the operation.
        operation: what it is.
        progress: told how far all is.

    Raises:
        OtbtfError: bad input, as far as possible before work starts; or the parts that are there belong to another run.
        Cancelled: `progress` asked to stop; parts that are done are kept.
    """
    asked = operation.outputs(parameters)
    if parameters.cluster:
        return _run_on_cluster(parameters, asked, operation, progress)
    share = part_share(parameters.part, os.environ)
    run = agreed_run(parameters, operation.open_work(parameters, progress), asked, share.count, None, progress)
    with gdal_cache(run.plan.cache):
        notes = _complete(run, asked, share, parameters.resume, partial(_compute_here, run), progress)
    if not asked.virtual and len(notes) == len(run.plan.parts):
        _leave(run, True, progress)
    return _results(run, notes)


def _run_on_cluster(
    parameters: Any, asked: PartedOutput, operation: PartedOperation, progress: Progress
) -> dict[str, Any]:
    try:
        run, notes = _run_by_workers(parameters, asked, operation, progress)
    finally:  # of workers that died while nobody began another part
        ownership.remove_abandoned(PartsFolder(asked.out).path)
    if not asked.virtual:
        _leave(run, parameters.resume or asked.shares(run.plan), progress)
    return _results(run, notes)


def _run_by_workers(
    parameters: Any, asked: PartedOutput, operation: PartedOperation, progress: Progress
) -> tuple[PartsRun, Sequence[PartNote]]:
    """Have workers compute the parts that are missing, and make the whole; return the run, and the notes of its parts."""
    check_travel(parameters)
    beside = Path(asked.out).absolute().parent
    side = parameters.cluster_partsize
    with opened_pool(parameters.cluster, parameters.cluster_tls, beside, progress) as pool:
        followed, team = parameters_of_parts(parameters, pool, operation.packages, progress)
        work = operation.open_work(followed, progress)
        run = agreed_run(followed, work, asked, pool.workers(), side, progress)
        given = assignment(followed, operation, run, team, pool)
        check_workers(given, pool, progress)

        def compute(todo: Sequence[int], arrived: Arrived, progress: Progress) -> None:
            compute_on(pool, given, run, todo, arrived, progress)

        with gdal_cache(run.plan.cache):
            try:
                notes = _complete(run, asked, PartShare(), parameters.resume, compute, progress)
            finally:
                if not pool.apart:
                    release(everywhere=True)
        if pool.apart:
            pool.on_each(release_on_worker, progress=progress)
    return run, notes


def _leave(run: PartsRun, kept: bool, progress: Progress) -> None:
    """Keep or remove parts that the output does not refer to."""
    if kept:
        progress.info(
            Phrase("{path} still holds the parts: delete it when you no longer need them.", path=run.folder.path)
        )
    else:
        run.folder.remove(run.plan)


def _compute_here(run: PartsRun, todo: Sequence[int], arrived: Arrived, progress: Progress) -> None:
    """Compute parts in this process, one after the other."""
    total, done = sum(run.plan.parts[number].area for number in todo), 0
    for number in todo:
        area = run.plan.parts[number].area
        note = run.note(number)  # another run may have been sooner
        if note is None:
            note = run.compute_part(number, Part(progress, done / total, (done + area) / total))
        arrived(number, note)
        done += area
        progress.fraction(done / total)


def _complete(
    run: PartsRun, asked: PartedOutput, share: PartShare, thoroughly: bool, compute: Compute, progress: Progress
) -> Sequence[PartNote]:
    """Compute the parts of a share that are not done, and the whole where none is missing; return the notes of all done.

    Args:
        run: what is followed.
        asked: the outputs.
        share: of the parts.
        thoroughly: whether the content of those that are done is compared with their notes.
        compute: computes parts.
        progress: told how far it is.
    """
    count = len(run.plan.parts)
    mine = share.of(count)
    notes = {number: note for number in mine if (note := run.note(number, thoroughly))}
    todo = [number for number in mine if number not in notes]
    progress.info(
        Phrase(
            "{path}: {count} {count:part|parts} of {part} x {part2} {unit}; this run computes {mine} of them; {mine2} "
            "{mine2:is|are} already done.",
            path=run.folder.path,
            count=count,
            part=run.plan.part[0],
            part2=run.plan.part[1],
            unit=asked.unit,
            mine=len(mine),
            mine2=len(mine) - len(todo),
        )
    )
    if thoroughly:
        for number in todo:  # else who computes it would take its note for true
            run.folder.note(number).unlink(missing_ok=True)
    if share.count > 1:
        compute(todo, notes.__setitem__, Part(progress, 0.0, asked.computing))
        notes = {number: note for number in range(count) if (note := run.note(number))}
        todo = []
    if len(notes) + len(todo) < count:
        missing = count - len(notes)
        progress.info(
            Phrase(
                "{missing} of {count} {count:part|parts} {missing:is|are} missing; the run that completes the "
                "last part writes {paths}.",
                missing=missing,
                count=count,
                paths=asked.out,
            )
        )
        progress.fraction(1.0)
        return list(notes.values())
    with run.maker.whole(progress) as whole:
        for number, note in notes.items():
            whole.arrived(number, note, progress)

        def arrived(number: int, note: PartNote) -> None:
            notes[number] = note
            whole.arrived(number, note, progress)

        if todo:
            compute(todo, arrived, Part(progress, 0.0, asked.computing))
        whole.finish(progress)
        progress.fraction(1.0)
    return list(notes.values())


def _results(run: PartsRun, notes: Sequence[PartNote]) -> dict[str, Any]:
    """Return the results of the operation."""
    counts = {"parts.done": len(notes), "parts.missing": len(run.plan.parts) - len(notes)}
    return {**run.maker.results(notes), **counts}
