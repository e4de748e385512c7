"""Tasks on workers, with the same rules for every kind of cluster.

A user's error is not tried again; any other is, twice. After the first task that failed nothing more is submitted, those
that run come to their end, and what is done is kept. A task that kills its workers is named.
"""

from __future__ import annotations

import queue
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..base.progress import Progress
from ..errors import Cancelled, EngineError, OtbtfError

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


class Future(Protocol):
    """A task that was submitted: what the futures of Dask and of `concurrent.futures` have in common."""

    def result(self) -> Any:
        """Return its result, or raise its error."""

    def add_done_callback(self, function: Callable[[Any], Any], /) -> Any:
        """Have a function called, in any thread, once it has ended."""


class Pool(Protocol):
    """Workers. Used as a context manager: leaving it ends those that it has started."""

    @property
    def apart(self) -> bool:
        """Whether workers are processes of their own."""

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
    """

    function: Callable[..., Any]
    names: Mapping[Any, str]
    sizes: Mapping[Any, float]
    arrived: Callable[[Any, Any], None]
    _tries: Counter[Hashable] = field(default_factory=Counter)

    def run(self, pool: Pool, progress: Progress) -> None:
        """Have all tasks done.

        Raises:
            OtbtfError: a task failed; what was done by then has arrived.
            Cancelled: `progress` asked to stop; no task runs any more.
        """
        waiting, running = deque(self.names), dict[Any, Hashable]()
        ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        failure: OtbtfError | None = None
        total, done = sum(self.sizes[task] for task in self.names), 0.0
        places, asked = pool.workers(), time.monotonic()
        try:
            while running or (waiting and failure is None):
                progress.check()
                if time.monotonic() - asked > _ASKED_EACH:
                    places, asked = pool.workers(), time.monotonic()
                while waiting and failure is None and len(running) < AHEAD * max(places, 1):
                    task = waiting.popleft()
                    future = pool.submit(self.function, task, pool.watch(task))
                    running[future] = task
                    future.add_done_callback(ended.put)
                under_way = sum(
                    self.sizes[task] * part
                    for task, part in list(pool.fractions().items())
                    if task in set(running.values())
                )
                progress.fraction(min(1.0, (done + under_way) / total) if total else 1.0)
                try:
                    future = ended.get(timeout=_POLL)
                except queue.Empty:
                    continue
                task = running.pop(future)
                answer = self._answer(pool, future, task, running.values())
                if answer is None:
                    waiting.appendleft(task)
                    continue
                for message in answer.warnings:
                    progress.warning(message)
                if answer.error is not None:
                    failure = failure or answer.error
                    continue
                self.arrived(task, answer.value)
                done += self.sizes[task]
        except BaseException:
            pool.stop(list(running))
            raise
        if failure is not None:
            raise failure

    def _answer(self, pool: Pool, future: Future, task: Hashable, others: Iterable[Hashable]) -> Answer | None:
        """Return what became of a task; None where it is to be tried again."""
        name = self.names[task]
        try:
            answer: Answer = future.result()
        except Exception as error:  # noqa: BLE001 - whatever a worker raises
            if pool.killed(error):
                return Answer(error=self._of_killed(name, task, others, error))
            self._tries[task] += 1
            if self._tries[task] <= AGAIN:
                return None
            return Answer(
                error=EngineError(
                    f"{name} failed {AGAIN + 1} times, at last with {type(error).__name__}: {error}. {_KEPT}"
                )
            )
        if answer.cancelled:
            raise Cancelled
        if answer.error is not None:
            where = f" on {answer.worker}" if answer.worker else ""
            text = f"{name} failed{where}: {answer.error.message} {_KEPT}"
            return Answer(error=type(answer.error)(text), warnings=answer.warnings)
        return answer

    def _of_killed(self, name: str, task: Hashable, others: Iterable[Hashable], error: Exception) -> EngineError:
        beside = [self.names[other] for other in others][: AHEAD * 4]
        either = f", or one that ran beside it ({', '.join(beside)})" if beside and not _is_certain(error) else ""
        return EngineError(
            f"{name}{either} killed its workers: their processes died while they computed it, most often because memory "
            f"was short. Give the workers more memory, or lower what the run takes. {_KEPT}"
        )


_KEPT = "What is done is kept: run again to go on."


def _is_certain(error: Exception) -> bool:
    """Return whether an error names the task that has killed its workers, as Dask's does."""
    return type(error).__name__ == "KilledWorker"
