"""Workers of an executor of `concurrent.futures`: threads, or processes that were started by spawn."""

from __future__ import annotations

import concurrent.futures
import os
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..files.staging import Staging
from .tasks import Answer, Future, call

_LOOKED_EACH = 0.25
_LONGEST_STOP = 30.0


@dataclass(frozen=True)
class FileWatch:
    """The watch of a task that runs as long as a hidden folder is there: any process that sees the outputs sees it."""

    folder: str
    worker = ""

    def on_worker(self) -> FileWatch:
        """Return itself."""
        return self

    def cancelled(self) -> bool:
        """Return whether the folder is gone."""
        now = time.monotonic()
        if now - _looked.get(self.folder, 0.0) < _LOOKED_EACH:
            return False
        _looked[self.folder] = now
        return not os.path.isdir(self.folder)

    def fraction(self, done: float) -> None:
        """Tell nothing."""


_looked: dict[str, float] = {}
"""When each folder was looked at last."""


class ExecutorPool:
    """The workers of an executor, which its owner ends."""

    recovers = False

    def __init__(self, executor: concurrent.futures.Executor) -> None:
        """Take an executor.

        Raises:
            ParameterError: its processes are forked.
        """
        context = getattr(executor, "_mp_context", None)
        method = getattr(context, "get_start_method", lambda: "")()
        if method == "fork":
            raise ParameterError(
                "{cluster} is an executor whose processes are forked, in which TensorFlow hangs: make it with "
                'mp_context=multiprocessing.get_context("spawn").',
                cluster=field("cluster"),
            )
        self._executor = executor
        self._places = int(getattr(executor, "_max_workers", 0) or os.cpu_count() or 1)
        self._staging: Staging | None = None
        self.apart = not isinstance(executor, concurrent.futures.ThreadPoolExecutor)

    def __enter__(self) -> ExecutorPool:
        return self

    def __exit__(self, *_: object) -> None:
        if self._staging is not None:
            self._staging.__exit__()

    def begin(self, folder: Path, progress: Progress) -> None:
        """Begin a run whose outputs lie in a folder."""
        self._staging = Staging(str(folder / "run"), progress)

    def workers(self) -> int:
        """Return how many tasks can run at the same time."""
        return self._places

    def watch(self, task: Hashable) -> FileWatch:
        """Return what a task hears of this run."""
        assert self._staging is not None  # nosec B101 (tells mypy)
        return FileWatch(str(self._staging.folder))

    def fractions(self) -> Mapping[Hashable, float]:
        """Return nothing: such workers do not tell."""
        return {}

    def submit(self, function: Callable[..., Any], task: Hashable, watch: FileWatch) -> Future:
        """Have a worker call a function."""
        return self._executor.submit(call, watch, function, task)

    def on_each(self, function: Callable[..., Any], *arguments: Any, progress: Progress) -> dict[str, Answer]:
        """Call a function on one worker: an executor tells nobody which worker does what."""
        assert self._staging is not None  # nosec B101 (tells mypy)
        future = self._executor.submit(call, FileWatch(str(self._staging.folder)), function, *arguments)
        while True:
            try:
                return {"": future.result(timeout=0.1)}
            except concurrent.futures.TimeoutError:
                if future.done():
                    raise
            progress.check()

    def result(self, future: concurrent.futures.Future[Answer], progress: Progress) -> Answer:
        """Return the result of a task that has ended; this process has it."""
        return future.result()

    def killed(self, error: BaseException) -> bool:
        """Return whether an error means that a worker was killed."""
        return isinstance(error, concurrent.futures.BrokenExecutor)

    def stop(self, futures: Iterable[Future]) -> None:
        """Have tasks stop, and wait until they have."""
        if self._staging is not None:
            self._staging.__exit__()
        left: list[Any] = [future for future in futures if not future.cancel()]  # type: ignore[attr-defined]
        concurrent.futures.wait(left, _LONGEST_STOP)
