"""Reading, computing and writing go on side by side, in order, and stop together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from otbtf_qgis.core.errors import Cancelled
from otbtf_qgis.core.serving.pipeline import IN_FLIGHT, stream

PATIENCE = 30.0


def test_three_stages_at_a_time_and_in_order() -> None:
    """Item 1 is computed while 2 is read and 0 is written; each waits for the other two to have begun."""
    together = threading.Barrier(3)
    stages: list[tuple[str, int]] = []

    def stage(name: str, item: int, meets: int) -> int:
        if item == meets:
            together.wait(PATIENCE)
        stages.append((name, item))
        return item

    stream(
        range(6),
        lambda item: stage("read", item, 2),
        lambda item, data: stage("compute", item, 1) + data,
        lambda item, value: stages.append(("value", value)) or stage("write", item, 0) and None,
        lambda: None,
    )
    for name in ("read", "compute", "write"):
        assert [item for found, item in stages if found == name] == list(range(6))
    assert [value for name, value in stages if name == "value"] == [2 * item for item in range(6)]


def test_a_fast_reader_does_not_run_ahead() -> None:
    reading = threading.Semaphore(0)
    ahead: list[int] = []
    begun = 0

    def read(item: int) -> int:
        nonlocal begun
        begun += 1
        reading.release()
        return item

    def compute(item: int, data: int) -> int:
        if item == 0:
            for _ in range(3):  # one in the queue, and one that waits to be put there
                assert reading.acquire(timeout=PATIENCE)
        ahead.append(begun - item)
        return data

    stream(range(50), read, compute, lambda item, value: None, lambda: None)
    assert max(ahead) <= IN_FLIGHT - 1


@pytest.mark.parametrize("stage", ["read", "compute", "write"])
def test_a_failure_ends_all_three_and_is_raised(stage: str) -> None:
    done: list[int] = []

    def fail(name: str, item: int) -> int:
        if name == stage and item == 3:
            raise OSError(f"{name} failed")
        return item

    before = threading.active_count()
    with pytest.raises(OSError, match=f"{stage} failed"):
        stream(
            range(100),
            lambda item: fail("read", item),
            lambda item, data: fail("compute", item),
            lambda item, value: done.append(fail("write", item)),
            lambda: None,
        )
    assert threading.active_count() == before
    assert done == list(range(len(done))) and len(done) <= 3


def test_cancelling_while_the_reader_waits() -> None:
    looked = 0
    released = threading.Event()

    def check() -> None:
        nonlocal looked
        looked += 1
        if looked > 3:
            released.set()
            raise Cancelled

    with pytest.raises(Cancelled):
        stream(range(9), lambda item: released.wait(PATIENCE), lambda item, data: None, lambda item, value: None, check)


def test_several_that_compute_keep_the_order() -> None:
    """Two items are computed at the same time, and the later one, which is done first, waits for its turn."""
    together = threading.Barrier(2)
    written: list[tuple[int, str]] = []

    def computer(name: str) -> Callable[[int, int], str]:
        def compute(item: int, data: int) -> str:
            if item < 2:
                together.wait(PATIENCE)
            if item == 0:
                time.sleep(0.1)
            return name

        return compute

    stream(
        range(9),
        lambda item: item,
        computer("one"),
        lambda item, value: written.append((item, value)),
        lambda: None,
        [computer("two")],
    )
    assert [item for item, _ in written] == list(range(9))
    assert {name for _, name in written[:2]} == {"one", "two"}


@pytest.mark.parametrize("number", [0, 1])
def test_one_of_several_fails(number: int) -> None:
    def fails(item: int, data: int) -> int:
        raise ValueError("no")

    computers = [lambda item, data: item, fails]
    before = set(threading.enumerate())  # tests before this one may leave some, such as Dask's
    with pytest.raises(ValueError, match="no"):
        stream(
            iter(int, 1), lambda item: item, computers[number], lambda *_: None, lambda: None, [computers[1 - number]]
        )
    assert not set(threading.enumerate()) - before
