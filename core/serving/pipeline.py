"""Read, compute and write side by side: a thread for each, and two short queues between them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
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


class _Turns:
    """Has several that compute hand on their results in the order of the items."""

    def __init__(self, stop: threading.Event, computers: int) -> None:
        self._stop, self._left, self._next = stop, computers, 0
        self._changed = threading.Condition()

    def wait(self, number: int, check: Callable[[], None]) -> None:
        """Return once all items before this one have been handed on."""
        while not self._stop.is_set():
            check()
            with self._changed:
                if self._next == number or self._changed.wait_for(lambda: self._next == number, _POLL):
                    return
        raise _Stopped

    def next(self) -> None:
        """Let the next one go on."""
        with self._changed:
            self._next += 1
            self._changed.notify_all()

    def is_last(self) -> bool:
        """Count one that has come to the end; return whether all have."""
        with self._changed:
            self._left -= 1
            return self._left == 0


def _nothing() -> None:
    """Check nothing: only the caller's thread does."""


IN_FLIGHT = 4
"""How many tiles' inputs, and as many outputs, exist at a time: one in each queue, one on each side of it, a copy."""


def stream(
    items: Iterable[Item],
    read: Callable[[Item], Read],
    compute: Callable[[Item, Read], Computed],
    write: Callable[[Item, Computed], None],
    check: Callable[[], None],
    beside: Sequence[Callable[[Item, Read], Computed]] = (),
) -> None:
    """Run `write(item, compute(item, read(item)))` for each item, in order.

    `read` and `write` each run in a thread of their own, `compute` and `check` in the caller's. The
    first exception of any stops all and is raised here, after the threads have ended.

    Args:
        items: taken one by one.
        read, compute, write: the three stages.
        check: called often; raises Cancelled to stop.
        beside: more that compute, as on other devices, each in a thread of its own; each item is computed by whichever is
            free.
    """
    stop = threading.Event()
    failures: list[BaseException] = []
    inputs, outputs = _Channel(stop), _Channel(stop)
    turns = _Turns(stop, 1 + len(beside))

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
        for number, item in enumerate(items):
            inputs.put((number, item, read(item)))
        for _ in range(1 + len(beside)):
            inputs.put(_END)

    def writing() -> None:
        while (pair := outputs.get()) is not _END:
            write(*pair)

    def computing(compute: Callable[[Item, Read], Computed], check: Callable[[], None]) -> None:
        while (entry := inputs.get(check)) is not _END:
            number, item, data = entry
            del entry
            value = compute(item, data)
            del data
            turns.wait(number, check)
            outputs.put((item, value))
            turns.next()
        if turns.is_last():
            outputs.put(_END)

    others: list[Callable[[], None]] = [partial(computing, other, _nothing) for other in beside]
    threads = [threading.Thread(target=guarded(work), daemon=True) for work in [reading, writing, *others]]
    for thread in threads:
        thread.start()
    guarded(partial(computing, compute, check))()
    for thread in threads:
        while thread.is_alive():
            guarded(partial(thread.join, _POLL))()  # Ctrl-C too must not leave it behind
            if not stop.is_set():
                guarded(check)()
    if failures:
        raise failures[0]
