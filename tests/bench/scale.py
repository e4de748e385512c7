"""What it costs to share a map among workers, in processor time, and how far that carries on paper.

Everything is warm, but for the start that has a row of its own. Workers have one core each, as the run that they are
compared with has as many cores as there are workers.
"""

from __future__ import annotations

import contextlib
import math
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import inputs
import small_cluster
from timing import Row, judged

from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.cluster.daskcluster import bare
from otbtf_qgis.core.cluster.daskpool import DaskPool
from otbtf_qgis.core.cluster.tasks import Tasks
from otbtf_qgis.core.cluster.workerfacts import worker_facts

WORKERS = 2
ONE, WITH_OVERVIEWS, SHARED = "one process", "one process, with overviews", f"{WORKERS} workers, with overviews"
COUNTRY = 2.4e11
"""Pixels of a country of 540,000 km2 at 1.5 m."""


@dataclass(frozen=True)
class Cost:
    """What a task took.

    Attributes:
        seconds: that passed.
        processor: seconds of all cores, in this process and the workers.
    """

    seconds: float
    processor: float

    def row(self, case: str, who: str) -> Row:
        """Return a row of the results."""
        return {"case": case, "who": who, "seconds": self.seconds, "processor ms": 1000 * self.processor}


class Cluster:
    """A Dask cluster of this machine, whose workers can be asked for their processor time.

    Its scheduler runs in this process, and takes some ms of each second also from those runs that do not use it.
    """

    def __init__(self, client: Any) -> None:
        self.client, self.address = client, client.scheduler.address

    def cost(self, work: Callable[[], Any]) -> Cost:
        """Return what some work takes."""
        before, start = self._processor(), time.perf_counter()
        work()
        seconds = time.perf_counter() - start
        return Cost(seconds, self._processor() - before)

    def costs(self, works: dict[str, Callable[[], Any]], repeat: int, before: Callable[[], Any]) -> dict[str, Cost]:
        """Return what each of several works takes, done in turns: the median of each."""
        found: dict[str, list[Cost]] = {who: [] for who in works}
        for _ in range(repeat):
            for who, work in works.items():
                before()
                found[who].append(self.cost(work))
        return {
            who: Cost(
                statistics.median(each.seconds for each in costs), statistics.median(each.processor for each in costs)
            )
            for who, costs in found.items()
        }

    def _processor(self) -> float:
        return time.process_time() + sum(self.client.run(time.process_time).values())


@contextlib.contextmanager
def cluster(workers: int = WORKERS) -> Iterator[Cluster]:
    """Yield new workers."""
    import distributed

    # As CLUSTER=local:N starts them, but without encryption, so that runs can connect to them one after the other.
    with bare(), small_cluster.dask_cluster(workers) as made, distributed.Client(made, set_as_default=False) as client:
        yield Cluster(client)


def bench_workers(quick: bool, folder: Path) -> list[Row]:
    """A U-Net over one image, by one process and in parts by workers; the start of a worker; and a country on paper."""
    side, size = (2048, 1024) if quick else (8192, 4096)
    source = inputs.image("scale", side, side, "uint16")
    values = {"source1.il": str(source), "model.dir": str(inputs.network(folder, "fcnn", 2, best=True))}
    case = f"U-Net, {side} x {side} x 4 uint16, class, parts of {size}"
    with cluster() as made:
        started = made.cost(lambda: _loaded(made))
        shared = {**values, "out": str(folder / "map.vrt"), "cluster": made.address, "cluster.partsize": size}
        alone = {**values, "out": str(folder / "map.tif")}
        ways = {
            ONE: partial(_serve, alone),
            WITH_OVERVIEWS: partial(_serve, {**alone, "out.overviews": True}),
            SHARED: partial(_serve, shared),
        }
        for way in ways.values():
            way()
        costs = made.costs(ways, 1 if quick else 5, lambda: _removed(folder))
        each = Cost(started.seconds, started.processor / WORKERS)
        rows = [cost.row(case, who) for who, cost in costs.items()]
        rows += [each.row("start of a worker: TensorFlow and Keras", "each worker")]
        more = costs[SHARED].processor / costs[WITH_OVERVIEWS].processor - 1
        rows += judged(
            case, "at most 5 % more processor time than one process that makes the same", more, 0.05, at_least=False
        )
        task = _cost_of_task(made, 200 if quick else 1000)
        part = _cost_of_part(made, folder, 1024 if quick else 4096)
    rows += [task.row("a task that does nothing", "scheduler and client")]
    rows += [part.row("a part, beside its pixels", "each part")]
    merged, pixels = _merging(values, folder, side, size), side**2 / 1e6
    rows += [{**cost.row(f"parts into one file, {form}", ONE), "Mpx/s": pixels / cost.seconds} for form, cost in merged]
    return [*rows, *_on_paper(costs[ONE].processor / side**2, each.processor, part.processor, task.processor)]


def _loaded(made: Cluster) -> None:
    """Have each worker import TensorFlow."""
    DaskPool(made.client, Progress()).on_each(worker_facts, ("tensorflow", "keras"), progress=Progress())


def nothing(task: int, progress: Progress) -> None:
    """Do a task that takes no time."""


def _cost_of_task(made: Cluster, count: int) -> Cost:
    """Return what a task costs this process, in which scheduler and client run."""
    names = {number: str(number) for number in range(count)}
    tasks = Tasks(nothing, names, dict.fromkeys(names, 1.0), lambda *_: None)
    start, before = time.perf_counter(), time.process_time()
    tasks.run(DaskPool(made.client, Progress()), Progress())
    return Cost((time.perf_counter() - start) / count, (time.process_time() - before) / count)


def _cost_of_part(made: Cluster, folder: Path, side: int) -> Cost:
    """Return what one part more costs: the same image in many parts against few, with a formula that needs no margin."""
    source = inputs.image("formula", side, side, "uint16", bands=4)
    model = inputs.formula(folder, "formula", lambda x: x[..., :1] + 1.0, 1)
    values = {"source1.il": str(source), "model.dir": str(model), "out": str(folder / "map.vrt")}
    sizes = (side // 16, side // 2)
    tiles = {"optim.tilesizex": sizes[0], "optim.tilesizey": sizes[0]}
    given = {**values, **tiles, "cluster": made.address}
    ways = {str(size): partial(_serve, {**given, "cluster.partsize": size}) for size in sizes}
    _removed(folder)
    ways[str(sizes[1])]()
    many, few = made.costs(ways, 3, lambda: _removed(folder)).values()
    more = 16**2 - 2**2
    return Cost((many.seconds - few.seconds) / more, (many.processor - few.processor) / more)


def _merging(values: dict[str, Any], folder: Path, side: int, size: int) -> Iterator[tuple[str, Cost]]:
    """Yield what it takes to copy parts that are done into one file."""
    with cluster(1) as made:
        shared = {**values, "out": str(folder / "map.vrt"), "cluster": made.address, "cluster.partsize": size}
        _removed(folder)
        _serve(shared)
        opened = made.cost(lambda: _serve({**values, "out": str(folder / "map.vrt"), "resume": True}))
        for form in ("GTiff", "COG"):
            merging = {**values, "out": str(folder / "map.tif"), "out.format": form, "resume": True}
            cost = made.cost(partial(_serve, merging))
            yield form, Cost(cost.seconds - opened.seconds, cost.processor - opened.processor)


def _on_paper(pixel: float, start: float, part: float, task: float) -> Iterator[Row]:
    """Yield what a country takes with many workers of one core, each of which opens nothing but its parts.

    Args:
        pixel: processor seconds of each.
        start: processor seconds until a worker begins.
        part: processor seconds of each, beside its pixels.
        task: processor seconds in which the scheduler hands out one.
    """
    for workers, size in ((1, 4096), (10, 4096), (100, 4096), (1000, 4096), (1000, 2048)):
        parts = math.ceil(COUNTRY / size**2)
        each = size**2 * pixel + part
        seconds = start + max(math.ceil(parts / workers) * each, parts * task)
        yield {
            "case": f"on paper: 2.4e11 pixels, parts of {size}",
            "who": f"{workers} workers",
            "hours": seconds / 3600,
            "efficiency": COUNTRY * pixel / workers / seconds,
        }


def _serve(values: dict[str, Any]) -> None:
    registry.run("TensorflowModelServe", inputs.on_device(values))


def _removed(folder: Path) -> None:
    """Remove outputs: replacing them takes time of its own."""
    for path in folder.glob("map.*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
