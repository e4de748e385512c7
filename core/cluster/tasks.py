"""Tasks on workers, with the same rules for every kind of cluster.

A user's error is not tried again; any other is, twice. After the first task that failed nothing more is submitted, those
that run come to their end, and what is done is kept; where the caller takes failures (`Tasks.failed`), the others go on. A
task that kills its workers is named.
"""

from __future__ import annotations

import asyncio
import queue
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..base.progress import Progress
from ..errors import Cancelled, EngineError, OtbtfError
from ..phrases import Phrase

AHEAD = 3
"""Tasks for each worker that are submitted at a time: one that it computes, and those that it goes on with at once."""

AGAIN = 2
"""How often a task is tried again after an error that is none of the user's."""

_POLL = 0.1
_ASKED_EACH = 5.0
"""Seconds after which it is asked again how many workers there are."""


class Watch(Protocol):
    """What a task on a worker hears of the run, and tells it; it travels to the worker."""

    def on_worker(self) -> Watch:
        """Return the watch to be asked, from any thread; called once, in the thread of the task."""

    @property
    def worker(self) -> str:
        """The name of the worker, where it has one."""

    def cancelled(self) -> bool:
        """Return whether the run wants the task no more."""

    def fraction(self, done: float) -> None:
        """Tell how far the task is; cheap, since it tells no more often than each second."""


class LostResult(Exception):
    """A task has ended, but its result was lost with the worker that kept it."""


class Future(Protocol):
    """A task that was submitted: what the futures of Dask and of `concurrent.futures` have in common."""

    def add_done_callback(self, function: Callable[[Any], Any], /) -> Any:
        """Have a function called, in any thread, once it has ended."""


class Pool(Protocol):
    """Workers. Used as a context manager: leaving it ends those that it has started."""

    @property
    def apart(self) -> bool:
        """Whether workers are processes of their own."""

    @property
    def recovers(self) -> bool:
        """Whether workers that were killed are replaced, so that a task can be tried with nothing beside it.

        It must: Dask accuses any task that a worker held when it died, also those that waited there for their turn.
        """

    def workers(self) -> int:
        """Return how many tasks can run at the same time."""

    def watch(self, task: Hashable) -> Watch:
        """Return what a task hears of this run."""

    def fractions(self) -> Mapping[Hashable, float]:
        """Return how far tasks are, as far as they have told."""

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future:
        """Have a worker call a function that it can import."""

    def on_each(self, function: Callable[..., Any], *arguments: Any, progress: Progress) -> dict[str, Any]:
        """Call a function on each worker of now, and return or raise what `call` does, by the worker's name."""

    def result(self, future: Any, progress: Progress) -> Answer:
        """Return the result of a task that has ended, or raise its error.

        Raises:
            LostResult: it went with its worker, and did not come back in time.
            Cancelled: `progress` asked to stop meanwhile.
        """

    def killed(self, error: BaseException) -> bool:
        """Return whether an error of a task means that it, or one beside it, has killed its worker."""

    def stop(self, futures: Iterable[Future]) -> None:
        """Have tasks stop, and wait some seconds until they have."""


@dataclass(frozen=True)
class Answer:
    """What a task returns, whatever becomes of it; errors of users travel as values, so that no scheduler tries again.

    Attributes:
        value: of the task.
        error: of the user.
        warnings: in the order they were given.
        worker: name of the worker.
        cancelled: whether the run wanted it no more.
    """

    value: Any = None
    error: OtbtfError | None = None
    warnings: tuple[str, ...] = ()
    worker: str = ""
    cancelled: bool = False


class WorkerProgress(Progress):
    """The progress of a task on a worker.

    Attributes:
        worker: its name, where it has one.
        warnings: so far.
    """

    keeps_mentions = True

    def __init__(self, watch: Watch) -> None:
        """Ask and tell a watch that is bound to the worker."""
        self._watch, self.worker = watch, watch.worker
        self.warnings: list[str] = []

    def fraction(self, done: float) -> None:
        """Tell how far the task is."""
        self._watch.fraction(done)

    def warning(self, message: str) -> None:
        """Keep a line for the driver."""
        self.warnings.append(message)

    def cancelled(self) -> bool:
        """Return whether the run wants the task no more."""
        return self._watch.cancelled()


def call(watch: Watch, function: Callable[..., Any], *arguments: Any) -> Answer:
    """Call `function(*arguments, progress)` on a worker."""
    here = watch.on_worker()
    progress, worker = WorkerProgress(here), here.worker
    try:
        value = function(*arguments, progress)
    except OtbtfError as error:
        return Answer(error=error, warnings=tuple(progress.warnings), worker=worker)
    except Cancelled:
        return Answer(cancelled=True, worker=worker)
    return Answer(value, None, tuple(progress.warnings), worker)


@dataclass
class Tasks:
    """Tasks to do.

    Attributes:
        function: called as `function(task, progress)` on a worker, which imports it; arguments may be bound.
        names: what each task is called in messages, by task, in the order in which they are begun.
        sizes: shares of the work.
        arrived: called with a task and its result, in the caller's thread.
        failed: called with a task that failed for good and its error, so that the others go on; without it, the first such
            task ends the run.
    """

    function: Callable[..., Any]
    names: Mapping[Any, str]
    sizes: Mapping[Any, float]
    arrived: Callable[[Any, Any], None]
    failed: Callable[[Any, OtbtfError], None] | None = None

    def run(self, pool: Pool, progress: Progress) -> None:
        """Have all tasks done.

        Raises:
            OtbtfError: a task failed; what was done by then has arrived.
            Cancelled: `progress` asked to stop; no task runs any more.
        """
        _Run(self, pool, progress).all()


class _Run:
    """One run of tasks."""

    def __init__(self, tasks: Tasks, pool: Pool, progress: Progress) -> None:
        self._tasks, self._pool, self._progress = tasks, pool, progress
        self._waiting = deque(tasks.names)
        self._suspects: deque[Hashable] = deque()  # each is computed with nothing beside it
        self._alone: Hashable = None
        self._running: dict[Any, Hashable] = {}
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._tries: Counter[Hashable] = Counter()
        self._failure: OtbtfError | None = None
        self._total, self._done = sum(tasks.sizes[task] for task in tasks.names), 0.0
        self._places, self._asked = pool.workers(), time.monotonic()

    def all(self) -> None:
        try:
            while self._running or (self._failure is None and (self._waiting or self._suspects)):
                self._progress.check()
                if self._failure is None:
                    self._submit()
                self._tell()
                try:
                    future = self._ended.get(timeout=_POLL)
                except queue.Empty:
                    continue
                self._take(future)
        except BaseException:
            self._pool.stop(list(self._running))
            self._keep()
            raise
        if self._failure is not None:
            raise self._failure

    def _keep(self) -> None:
        """Have those tasks arrive that have ended while the run was stopped."""
        while not self._ended.empty():
            future = self._ended.get()
            task = self._running.pop(future, None)
            try:
                answer = self._pool.result(future, Progress())
            except (Exception, asyncio.CancelledError):  # noqa: BLE001 - whatever a worker raises
                continue
            if answer.error is None and not answer.cancelled:
                self._tasks.arrived(task, answer.value)

    def _submit(self) -> None:
        if time.monotonic() - self._asked > _ASKED_EACH:
            self._places, self._asked = self._pool.workers(), time.monotonic()
        if self._suspects:
            if not self._running:
                self._alone = self._suspects.popleft()
                self._begin(self._alone)
            return
        if self._alone is not None and self._running:
            return
        self._alone = None
        while self._waiting and len(self._running) < AHEAD * max(self._places, 1):
            self._begin(self._waiting.popleft())

    def _begin(self, task: Hashable) -> None:
        future = self._pool.submit(self._tasks.function, task, self._pool.watch(task))
        self._running[future] = task
        future.add_done_callback(self._ended.put)

    def _tell(self) -> None:
        told = self._pool.fractions()
        under_way = sum(self._tasks.sizes[task] * told.get(task, 0.0) for task in self._running.values())
        self._progress.fraction(min(1.0, (self._done + under_way) / self._total) if self._total else 1.0)

    def _take(self, future: Future) -> None:
        """Take a task that has ended."""
        try:
            answer = self._pool.result(future, self._progress)
        except Cancelled:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a worker raises
            self._take_error(self._running.pop(future), error)
            return
        task = self._running.pop(future)
        if answer.cancelled:
            raise Cancelled
        for message in answer.warnings:
            self._progress.warning(message)
        if answer.error is not None:
            told = {"name": self._name(task), "error": answer.error.message, "kept": _KEPT}
            self._fail(
                task,
                type(answer.error)(
                    Phrase("{name} failed on {worker}: {error} {kept}", worker=answer.worker, **told)
                    if answer.worker
                    else Phrase("{name} failed: {error} {kept}", **told)
                ),
            )
            return
        self._tasks.arrived(task, answer.value)
        self._done += self._tasks.sizes[task]

    def _take_error(self, task: Hashable, error: Exception) -> None:
        if self._pool.killed(error):
            if self._pool.recovers and task != self._alone:
                self._suspects.append(task)
                return
            if self._pool.recovers:
                self._fail(task, self._of_killed(task))
            else:  # no worker is left
                self._failure = self._failure or self._of_killed(task)
            return
        self._tries[task] += 1
        if self._tries[task] <= AGAIN:
            self._waiting.appendleft(task)
            return
        self._fail(
            task,
            EngineError(
                "{name} failed {again} times, at last with {name__}: {error}. {kept}",
                name=self._name(task),
                again=AGAIN + 1,
                name__=type(error).__name__,
                error=error,
                kept=_KEPT,
            ),
        )

    def _fail(self, task: Hashable, error: OtbtfError) -> None:
        if self._tasks.failed is None:
            self._failure = self._failure or error
            return
        self._tasks.failed(task, error)
        self._done += self._tasks.sizes[task]

    def _name(self, task: Hashable) -> str:
        return self._tasks.names[task]

    def _of_killed(self, task: Hashable) -> EngineError:
        beside = [] if task == self._alone else [self._name(other) for other in self._running.values()][:MOST_NAMED]
        name = self._name(task)
        if beside:
            name = Phrase("{name}, or one that ran beside it ({beside}),", name=name, beside=Phrase(", ").join(beside))
        return EngineError(
            "{name} killed its workers: their processes died while they computed it, most often because "
            "memory was short. Give the workers more memory, or lower what the run takes. {kept}",
            name=name,
            kept=_KEPT,
        )


MOST_NAMED = 8
"""How many tasks that ran beside one that killed its workers are named."""

_KEPT = Phrase("What is done is kept: run again to go on.")
