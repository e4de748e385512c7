"""A Dask cluster of worker processes for tests and benchmarks, and tasks that such workers do."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.cluster.daskcluster import end_at_once
from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.tables.rowrun import RowOutcome, RowTask, run_row


@contextlib.contextmanager
def dask_cluster(workers: int = 2, **more: Any) -> Iterator[Any]:
    """Yield a `LocalCluster` on the loopback address; a task that kills two workers is given up."""
    import distributed

    with distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        memory_limit=None,
        silence_logs=50,
        **more,
    ) as cluster:
        cluster.scheduler.allowed_failures = 1
        with distributed.Client(cluster, set_as_default=False) as client:
            end_at_once(distributed, client)
        yield cluster


def double(task: int, progress: Progress) -> int:
    """Do a task."""
    progress.fraction(0.5)
    progress.warning(f"task {task}")
    return 2 * task


def fails_at_three(folder: str, task: int, progress: Progress) -> int:
    """Fail once at a task by an error of nobody's, in the other way at each attempt."""
    with open(Path(folder) / f"tries{task}", "a") as file:
        file.write("x")
    if task == 3:
        raise ValueError("an odd value")
    return task


def fails_twice(folder: str, task: int, progress: Progress) -> int:
    """Fail at the first two attempts."""
    tries = Path(folder) / f"tries{task}"
    with open(tries, "a") as file:
        file.write("x")
    if tries.stat().st_size <= 2:
        raise OSError("the network was away")
    return task


def refuses_three(folder: str, task: int, progress: Progress) -> int:
    """Refuse a task by an error of the user's."""
    with open(Path(folder) / f"tries{task}", "a") as file:
        file.write("x")
    if task == 3:
        raise ParameterError("three is no value.")
    return task


def kills_at_three(task: int, progress: Progress) -> int:
    """Kill the worker at a task."""
    if task == 3:
        os._exit(1)
    return task


def waits(task: int, progress: Progress) -> None:
    """Do a task until it is cancelled."""
    while True:
        progress.check()
        time.sleep(0.01)


def kills_at_row_two(text: str, progress: Progress) -> RowOutcome:
    """Kill the worker at the second row of a table; run other rows."""
    task = RowTask.of_text(text)
    if task.number == 2:
        os._exit(1)
    return run_row(task, progress, "run")


def process(progress: Progress) -> int:
    """Return the number of the worker's process."""
    return os.getpid()
