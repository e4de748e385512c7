"""Tasks on workers: the rules for what fails, on threads, on processes and on a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import serving
import small_cluster

from otbtf_qgis import core
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.cluster import daskpool
from otbtf_qgis.core.cluster.pools import opened_pool
from otbtf_qgis.core.cluster.tasks import Pool, Tasks
from otbtf_qgis.core.errors import Cancelled, EngineError, ParameterError


@pytest.fixture(scope="module")
def dask() -> Iterator[str]:
    pytest.importorskip("distributed")
    with small_cluster.dask_cluster() as cluster:
        yield cluster.scheduler_address


@pytest.fixture(params=["threads", "dask"])
def pool(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pool]:
    if request.param == "dask":
        with opened_pool(request.getfixturevalue("dask"), "", tmp_path, Progress()) as found:
            yield found
        return
    with ThreadPoolExecutor(2) as executor, opened_pool(executor, "", tmp_path, Progress()) as found:
        yield found


def done(pool: Pool, function: Callable[..., Any], count: int = 12, log: Progress | None = None) -> dict[int, Any]:
    """Do tasks, and return what arrived."""
    found: dict[int, Any] = {}
    try:
        names = {number: f"Task {number}" for number in range(count)}
        sizes = dict.fromkeys(names, 1.0)
        Tasks(function, names, sizes, found.__setitem__).run(pool, log or Progress())
    finally:
        done.arrived = found  # type: ignore[attr-defined]
    return found


def tries(folder: Path) -> dict[int, int]:
    """How often each task was begun."""
    return {int(path.name.removeprefix("tries")): path.stat().st_size for path in folder.glob("tries*")}


def test_all_arrive(pool: Pool) -> None:
    log = serving.Log()
    assert done(pool, small_cluster.double, log=log) == {number: 2 * number for number in range(12)}
    assert sorted(log.warnings) == sorted(f"task {number}" for number in range(12))
    assert log.fractions[-1] <= 1.0 and log.fractions == sorted(log.fractions)


def test_a_users_error_is_not_tried_again(pool: Pool, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"Task 3 failed.*: three is no value\. What is done is kept"):
        done(pool, partial(small_cluster.refuses_three, str(tmp_path)), 100)
    assert tries(tmp_path)[3] == 1
    assert len(tries(tmp_path)) < 20, "nothing more is submitted"
    assert set(done.arrived) == set(tries(tmp_path)) - {3}, "what ran beside it is kept"  # type: ignore[attr-defined]


def test_another_error_is_tried_again(pool: Pool, tmp_path: Path) -> None:
    assert len(done(pool, partial(small_cluster.fails_twice, str(tmp_path)), 3)) == 3
    assert tries(tmp_path) == {0: 3, 1: 3, 2: 3}


def test_and_then_named(pool: Pool, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"Task 3 failed 3 times, at last with ValueError: an odd value"):
        done(pool, partial(small_cluster.fails_at_three, str(tmp_path)))
    assert tries(tmp_path)[3] == 3


def test_a_task_that_kills_its_workers(dask: str, tmp_path: Path) -> None:
    with opened_pool(dask, "", tmp_path, Progress()) as pool:
        with pytest.raises(EngineError, match=r"Task 3 killed its workers: their processes died"):
            done(pool, small_cluster.kills_at_three, 5)
        assert 3 not in done.arrived  # type: ignore[attr-defined]
        assert done(pool, small_cluster.double, 3) == {0: 0, 1: 2, 2: 4}, "the workers are there again"


def test_a_task_that_kills_a_process(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(1, context) as executor,
        opened_pool(executor, "", tmp_path, Progress()) as pool,
        pytest.raises(EngineError, match=r"Task 3.* killed its workers"),
    ):
        done(pool, small_cluster.kills_at_three, 5)


@pytest.fixture
def frozen(dask: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], None]]:
    """Function that halts all workers for some seconds: who asks for results that these keep gets no answer."""
    import distributed

    monkeypatch.setattr(daskpool, "_COMES_BACK", 0.3)
    monkeypatch.setattr(daskpool, "_STOPPING", 0.5)
    with distributed.Client(dask, set_as_default=False) as client:
        workers = list(client.run(os.getpid).values())

    def go_on() -> None:
        for worker in workers:
            os.kill(worker, signal.SIGCONT)

    def freeze(seconds: float) -> None:
        time.sleep(0.5)  # more tasks end
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        later.append(threading.Timer(seconds, go_on))
        later[0].start()

    later: list[threading.Timer] = []
    yield freeze
    later[0].cancel()
    go_on()


def test_results_that_do_not_come_are_computed_again(
    dask: str, tmp_path: Path, frozen: Callable[[float], None]
) -> None:
    found: dict[int, Any] = {}

    def arrived(task: int, value: int) -> None:
        if not found:
            frozen(1.0)
        found[task] = value

    names = {number: f"Task {number}" for number in range(6)}
    with opened_pool(dask, "", tmp_path, Progress()) as pool:
        Tasks(small_cluster.double, names, dict.fromkeys(names, 1.0), arrived).run(pool, Progress())
    assert found == {number: 2 * number for number in range(6)}


def test_results_that_take_longer_than_a_look_arrive(
    dask: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a busy machine, where a request that Dask gives up leaves its client unable to make others."""
    monkeypatch.setattr("otbtf_qgis.core.cluster.daskpool._POLL", 1e-5)
    with opened_pool(dask, "", tmp_path, Progress()) as pool:
        assert done(pool, small_cluster.double, 40) == {number: 2 * number for number in range(40)}


def test_cancelled_while_results_do_not_come(dask: str, tmp_path: Path, frozen: Callable[[float], None]) -> None:
    log, names = Stopping(), {number: f"Task {number}" for number in range(6)}
    with opened_pool(dask, "", tmp_path, Progress()) as pool, pytest.raises(Cancelled):
        Tasks(small_cluster.double, names, dict.fromkeys(names, 1.0), lambda *_: frozen(20.0)).run(pool, log)
    assert time.monotonic() - log.begun < 10


class Stopping(Progress):
    def __init__(self) -> None:
        self.begun = time.monotonic()

    def cancelled(self) -> bool:
        return time.monotonic() > self.begun + 0.5


def test_cancelled(pool: Pool) -> None:
    """Tasks that run end, too, before the caller goes on."""
    log = Stopping()
    with pytest.raises(Cancelled):
        done(pool, small_cluster.waits, 4, log)
    assert time.monotonic() - log.begun < 20
    if pool.apart:
        assert done(pool, small_cluster.double, 3, Progress()) == {0: 0, 1: 2, 2: 4}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not fork")
def test_forked_processes_are_refused(tmp_path: Path) -> None:
    told = r"CLUSTER is an executor whose processes are forked.*spawn"
    context = multiprocessing.get_context("fork")
    values = {
        "in": str(tmp_path / "image.tif"),
        "model": str(tmp_path / "forest.skops"),
        "out": str(tmp_path / "map.vrt"),
    }
    for name in ("image.tif", "forest.skops"):
        (tmp_path / name).touch()  # nothing of them is read before
    with ProcessPoolExecutor(1, context) as executor, pytest.raises(ParameterError, match=told):
        core.run("ImageClassifier", values, Progress(), cluster=executor)
    assert not (tmp_path / "map.parts").exists()
