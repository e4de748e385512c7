"""Read, compute and write side by side: three threads and two short queues between them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

Item = TypeVar("Item")
Read = TypeVar("Read")
Computed = TypeVar("Computed")

_POLL = 0.1
_END: Any = object()


class _Stopped(Exception):
    """Another thread has failed, or the run was cancelled."""


class _Channel:
    """A queue of one place that gives up when the run stops."""

    def __init__(self, stop: threading.Event) -> None:
        self._queue: queue.Queue[Any] = queue.Queue(1)
        self._stop = stop

    def put(self, value: Any) -> None:
        while not self._stop.is_set():
            try:
                return self._queue.put(value, timeout=_POLL)
            except queue.Full:
                continue
        raise _Stopped

    def get(self, check: Callable[[], None] = lambda: None) -> Any:
        while not self._stop.is_set():
            check()
            try:
                return self._queue.get(timeout=_POLL)
            except queue.Empty:
                continue
        raise _Stopped


IN_FLIGHT = 4
"""How many tiles' inputs, and as many outputs, exist at a time: one in each queue, one on each side of it, a copy."""


def stream(
    items: Iterable[Item],
    read: Callable[[Item], Read],
    compute: Callable[[Item, Read], Computed],
    write: Callable[[Item, Computed], None],
    check: Callable[[], None],
) -> None:
    """Run `write(item, compute(item, read(item)))` for each item, in order.

    `read` and `write` each run in a thread of their own, `compute` and `check` in the caller's. The
    first exception of any stops all three and is raised here, after the threads have ended.

    Args:
        items: taken one by one.
        read, compute, write: the three stages.
        check: called often; raises Cancelled to stop.
    """
    stop = threading.Event()
    failures: list[BaseException] = []
    inputs, outputs = _Channel(stop), _Channel(stop)

    def guarded(work: Callable[[], None]) -> Callable[[], None]:
        def body() -> None:
            try:
                work()
            except _Stopped:
                pass
            except BaseException as error:  # noqa: BLE001 (handed to the caller, whatever it is)
                failures.append(error)
                stop.set()

        return body

    def reading() -> None:
        for item in items:
            inputs.put((item, read(item)))
        inputs.put(_END)

    def writing() -> None:
        while (pair := outputs.get()) is not _END:
            write(*pair)

    def computing() -> None:
        while (pair := inputs.get(check)) is not _END:
            item, data = pair
            del pair
            outputs.put((item, compute(item, data)))
        outputs.put(_END)

    threads = [threading.Thread(target=guarded(work), daemon=True) for work in (reading, writing)]
    for thread in threads:
        thread.start()
    guarded(computing)()
    for thread in threads:
        while thread.is_alive():
            guarded(partial(thread.join, _POLL))()  # Ctrl-C too must not leave it behind
            if not stop.is_set():
                guarded(check)()
    if failures:
        raise failures[0]
