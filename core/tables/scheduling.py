"""Running rows: one after the other in this process, where the model stays loaded, or several at a time on workers."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import uuid
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..base.progress import Passed, Progress
from ..cluster.executorpool import ExecutorPool
from ..cluster.pools import opened_pool
from ..cluster.tasks import Answer, Future, Pool, Tasks, WorkerProgress
from ..cluster.workerfacts import Share, Team, take_share, worker_facts
from ..errors import Cancelled, EngineError, OtbtfError
from ..machine.memory import MB, budget
from ..parameters.operation import Operation
from ..phrases import Phrase
from .rowrun import RowOutcome, RowTask, run_row

Arrived = Callable[[RowOutcome], None]

_OF_VALUES = ("tensorflow", "keras")
"""Packages that decide what models return."""


@dataclass(frozen=True)
class Terms:
    """What a worker must know beside its row; it travels with each.

    Attributes:
        memory: MB that a row may take unless it says so itself; None for the operation's default.
        shares: of workers in their machines, by name.
        run: stands for this run of a table.
    """

    memory: int | None = None
    shares: Mapping[str, Share] = dataclasses.field(default_factory=dict)
    run: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True)
class Workers:
    """Those who run rows.

    Attributes:
        pool: shares them out.
        terms: of each row.
    """

    pool: Pool
    terms: Terms

    def run(self, tasks: Sequence[RowTask], arrived: Arrived, progress: Progress) -> None:
        """Run rows.

        Args:
            tasks: the rows.
            arrived: called with what became of each, as it ends, in this thread.
            progress: told how far all are.

        Raises:
            EngineError: there are no workers any more.
            Cancelled: `progress` asked to stop; the rows that have arrived are done.
        """

        def failed(text: str, error: OtbtfError) -> None:
            arrived(RowOutcome(RowTask.of_text(text).number, {}, 0.0, error=error.phrase))

        names = {task.text(): task.called for task in tasks}
        function, sizes = partial(_run_on_worker, self.terms), dict.fromkeys(names, 1.0)
        Tasks(function, names, sizes, lambda _, outcome: arrived(outcome), failed).run(self.pool, progress)
        progress.fraction(1.0)


@contextlib.contextmanager
def workers_for(
    operation: type[Operation], cluster: Any, tls: str | None, folder: Path, progress: Progress
) -> Iterator[Workers]:
    """Yield who runs the rows of an operation.

    Args:
        operation: what they run.
        cluster: address of workers, or an executor; empty for this process.
        tls: folder of certificates.
        folder: that all workers see.
        progress: of the run.

    Raises:
        ParameterError, EngineError: there are no such workers, or they are of no use.
    """
    if not cluster:
        with concurrent.futures.ThreadPoolExecutor(1, "otbtf-row") as executor:
            yield Workers(HerePool(executor, progress), Terms())
        return
    with opened_pool(cluster, tls or "", folder, progress) as pool:
        yield Workers(pool, _agreed(operation, pool, folder, progress))


def _agreed(operation: type[Operation], pool: Pool, folder: Path, progress: Progress) -> Terms:
    """Return the terms on which workers run rows, once all are known to be of use.

    Raises:
        EngineError: one has other versions, too little memory, or does not see the folder of the results.
    """
    packages = _OF_VALUES if operation.NEEDS_ENGINE else ()
    facts = {}
    for name, answer in pool.on_each(_worker, packages, str(folder), progress=progress).items():
        if answer.error is not None:
            raise EngineError(
                "The worker {name} cannot be used: {error}", name=name, error=answer.error.message
            ) from answer.error
        facts[name] = answer.value
    if list(facts) == [""]:  # an executor: any of its workers is as this one
        facts[""] = dataclasses.replace(facts[""], threads=pool.workers())
    team = Team(facts)
    team.check(worker_facts(packages, progress).versions, progress)
    progress.info(Phrase("{count} {count:row runs|rows run} at a time.", count=pool.workers()))
    return Terms(team.memory(None, budget(None) // MB), team.shares() if pool.apart and "" not in facts else {})


def _worker(packages: Sequence[str], folder: str, progress: Progress) -> Any:
    """Return what this worker is, once it is known that it sees a folder."""
    if not Path(folder).is_dir():
        raise EngineError("it does not see the folder {folder}.", folder=folder)
    return worker_facts(packages, progress)


def _run_on_worker(terms: Terms, text: str, progress: Progress) -> RowOutcome:
    if isinstance(progress, WorkerProgress) and progress.worker in terms.shares:
        take_share(terms.shares[progress.worker])
    return run_row(RowTask.of_text(text), progress, terms.run, terms.memory)


class HerePool(ExecutorPool):
    """A single thread of this process. Rows ask and tell the progress of the run itself."""

    def __init__(self, executor: concurrent.futures.Executor, progress: Progress) -> None:
        """Take an executor of one thread."""
        super().__init__(executor)
        self._progress = progress
        self._far: dict[Hashable, float] = {}
        self._stopped = False

    def fractions(self) -> Mapping[Hashable, float]:
        """Return how far the row is."""
        return self._far

    def watch(self, task: Hashable) -> Any:
        """Return the progress of a row."""
        return _RowProgress(self._progress, self, task)

    def tell(self, task: Hashable, done: float) -> None:
        """Take how far a row is."""
        self._far[task] = done

    @property
    def stopped(self) -> bool:
        """Whether the run has ended early."""
        return self._stopped

    def submit(self, function: Callable[..., Any], task: Hashable, watch: Any) -> Future:
        """Have the thread call a function."""
        return self._executor.submit(_called, function, task, watch)

    def stop(self, futures: Any) -> None:
        """Have rows stop, and wait until they have."""
        self._stopped = True
        super().stop(futures)


class _RowProgress(Passed):
    """The progress of a row that runs in this process."""

    def __init__(self, to: Progress, pool: HerePool, task: Hashable) -> None:
        super().__init__(to)
        self._pool, self._task = pool, task

    def fraction(self, done: float) -> None:
        self._pool.tell(self._task, done)

    def cancelled(self) -> bool:
        return self._pool.stopped or super().cancelled()


def _called(function: Callable[..., Any], task: Hashable, progress: Progress) -> Answer:
    try:
        return Answer(function(task, progress))
    except Cancelled:
        return Answer(cancelled=True)
