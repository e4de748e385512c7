"""The workers of a Dask scheduler, and how tasks reach them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import time
import uuid
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..base.progress import Progress
from ..errors import Cancelled, EngineError, field
from ..phrases import Phrase
from .tasks import Answer, Future, LostResult, Watch, call

_STOPPING = 30.0
_TOLD_EACH = 1.0
_POLL = 0.1
_COMES_BACK = 10.0
"""Seconds in which Dask must bring the result of a task that has ended; then the task is submitted again."""

TIMEOUTS = (TimeoutError, asyncio.TimeoutError, concurrent.futures.TimeoutError)
"""One class from Python 3.11 on."""


@dataclass(frozen=True)
class DaskWatch:
    """The watch of a task that Dask runs: the worker itself knows whether it is still wanted."""

    topic: str
    task: Hashable
    worker = ""

    def on_worker(self) -> Watch:
        """Return the watch, bound to the worker and the task that run here."""
        import distributed

        worker = distributed.get_worker()
        return _BoundWatch(worker, worker.get_current_task(), self.topic, self.task)

    def cancelled(self) -> bool:
        """Return False: it is not on a worker."""
        return False

    def fraction(self, done: float) -> None:
        """Tell nothing: it is not on a worker."""


class _BoundWatch:
    def __init__(self, dask: Any, key: Any, topic: str, task: Hashable) -> None:
        self._dask, self._key, self._topic, self._task = dask, key, topic, task
        self._next = 0.0
        self.worker = _called(dask.name, dask.address)

    def on_worker(self) -> Watch:
        return self

    def cancelled(self) -> bool:
        state = self._dask.state.tasks.get(self._key)
        return state is None or state.state in ("cancelled", "resumed")

    def fraction(self, done: float) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _TOLD_EACH
            self._dask.log_event(self._topic, {"task": self._task, "fraction": float(done)})


class DaskPool:
    """The workers of a scheduler."""

    apart = recovers = True

    def __init__(self, client: Any, progress: Progress) -> None:
        """Take a connected client, and wait until there is a worker.

        Raises:
            Cancelled: `progress` asked to stop.
        """
        self._client, self._topic = client, f"otbtf_qgis-{uuid.uuid4().hex}"
        self._fractions: dict[Hashable, float] = {}
        client.subscribe_topic(self._topic, self._take)
        told = False
        while not self.workers():
            if not told:
                progress.info("The cluster has no worker yet: waiting for one.")
            told = True
            progress.check()
            time.sleep(_POLL)

    def _take(self, event: Any) -> None:
        _, message = event
        self._fractions[message["task"]] = message["fraction"]

    def workers(self) -> int:
        """Return how many tasks can run at the same time."""
        return sum(self._threads().values())

    def _threads(self) -> dict[str, int]:
        """Return the number of threads of each worker, by address."""
        try:
            return dict(self._client.nthreads())
        except (OSError, *TIMEOUTS) as error:
            raise EngineError(
                "The scheduler of {cluster} does not answer any more: {error}.", cluster=field("cluster"), error=error
            ) from error

    def watch(self, task: Hashable) -> DaskWatch:
        """Return what a task hears of this run."""
        return DaskWatch(self._topic, task)

    def fractions(self) -> Mapping[Hashable, float]:
        """Return how far tasks are."""
        return self._fractions

    def submit(self, function: Callable[..., Any], task: Hashable, watch: Watch) -> Future:
        """Have a worker call a function."""
        return self._client.submit(call, watch, function, task, pure=False, retries=0)

    def on_each(self, function: Callable[..., Any], *arguments: Any, progress: Progress) -> dict[str, Answer]:
        """Call a function on each worker of now."""
        watch = self.watch("")
        names = {address: _called(info["name"], address) for address, info in self._infos().items()}
        futures = {
            address: self._client.submit(
                call, watch, function, *arguments, workers=[address], allow_other_workers=False, pure=False, retries=0
            )
            for address in names
        }
        try:
            while not all(future.done() for future in futures.values()):
                progress.check()
                time.sleep(_POLL)
                alive = self._threads()
                for address in [address for address in futures if address not in alive]:
                    progress.warning(Phrase("The worker {names} has ended.", names=names[address]))
                    del futures[address]
        except BaseException:
            self.stop(futures.values())
            raise
        if not futures:
            raise EngineError(
                "No worker of {cluster} is left: all have ended before they answered. Their logs say why, or start more.",
                cluster=field("cluster"),
            )
        return {names[address]: self._result(names[address], future, progress) for address, future in futures.items()}

    def _infos(self) -> dict[str, Any]:
        try:
            info = self._client.scheduler_info(n_workers=-1)
        except TypeError:  # of an older version, which has all
            info = self._client.scheduler_info()
        return dict(info["workers"])

    def _result(self, name: str, future: Future, progress: Progress) -> Answer:
        try:
            return self.result(future, progress)
        except Cancelled:
            raise
        except ImportError as error:
            raise EngineError(
                "The worker {name} cannot import {name2}: its Python needs this plugin's package and the "
                "engine's packages, in the same versions as here.",
                name=name,
                name2=error.name or error,
            ) from error
        except Exception as error:
            if self.killed(error):
                raise EngineError(
                    "The worker {name} died while it opened the inputs, most often because memory was short: give "
                    "it more.",
                    name=name,
                ) from error
            raise EngineError(
                "The worker {name} cannot be used: {name__}: {error}.",
                name=name,
                name__=type(error).__name__,
                error=error,
            ) from error

    def result(self, future: Any, progress: Progress) -> Answer:
        """Return the result of a task that has ended.

        The worker keeps it until it is asked for. If the worker dies before that, Dask computes the task again and a
        plain `future.result()` waits as long as that takes, deaf to whoever cancels. With a timeout it is no better: a
        request that Dask gives up before it has begun, on a busy machine, leaves the client unable to ask for any result.
        """
        end = time.monotonic() + _COMES_BACK
        asked = asyncio.run_coroutine_threadsafe(
            self._client.gather(future, asynchronous=True), self._client.loop.asyncio_loop
        )
        while True:
            progress.check()
            try:
                answer: Answer = asked.result(timeout=_POLL)
                return answer
            except TIMEOUTS as error:
                if asked.done():  # of the task's own
                    raise
                if time.monotonic() > end:
                    self._client.cancel([future])
                    raise LostResult(Phrase("its result was lost with its worker")) from error

    def killed(self, error: BaseException) -> bool:
        """Return whether an error means that a task has killed workers."""
        import distributed

        return isinstance(error, distributed.KilledWorker)

    def stop(self, futures: Iterable[Future]) -> None:
        """Have tasks stop, and wait until they have: until each worker does something else."""
        with contextlib.suppress(Exception):  # the scheduler may be gone
            self._client.cancel(list(futures))
            others = [
                self._client.submit(_nothing, workers=[address], allow_other_workers=False, pure=False)
                for address, threads in self._threads().items()
                for _ in range(threads)
            ]
            end = time.monotonic() + _STOPPING
            while time.monotonic() < end and not all(other.done() for other in others):
                time.sleep(_POLL)


def _nothing() -> None:
    """Be a task."""


def _called(name: Any, address: str) -> str:
    return str(name) if str(name) == address else f"{name} ({address})"
