"""Parts on the workers of a cluster: they compute and write them, and this process makes the plan and the whole."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from osgeo import gdal

from ..base.progress import Passed, Progress
from ..cluster.tasks import Pool, Tasks, WorkerProgress
from ..cluster.workerfacts import Share, Team, take_share, worker_facts
from ..errors import EngineError, OtbtfError, ParameterError, field
from ..files.inputs import watched
from ..files.privatecopies import private_copies
from ..files.staging import Staging
from ..machine.memory import MB, budget, gdal_cache
from ..phrases import Phrase
from ..rasters.inmemory import Opened, name_of
from .partedoutput import PartedOperation
from .partnotes import PartNote
from .partsfolder import PartsFolder
from .partsrun import PartsRun, follow_plan
from .travellingdatasets import let_datasets_travel

_SHOWN_LATE, _POLL = 90.0, 0.2
"""Seconds after which a network file system shows the files of other machines at the latest, and between two looks."""

_WITHOUT_FILE = "MEM", "NUMPY"
"""GDAL's drivers of rasters that exist in one process alone."""


@dataclass(frozen=True)
class Assignment:
    """What a worker must know to compute parts; it travels with each task.

    Attributes:
        parameters: of the operation.
        operation: what it is.
        run: stands for this run; another one of the same plan may have another folder.
        digest: of the plan that lies in the folder of parts.
        shares: of workers in their machines, by name.
        apart: whether the worker is a process of its own.
    """

    parameters: Any
    operation: PartedOperation
    run: str
    digest: str
    shares: Mapping[str, Share]
    apart: bool


def parameters_of_parts(parameters: Any, pool: Pool, packages: Sequence[str], progress: Progress) -> tuple[Any, Team]:
    """Ask all workers what they are, and return the parameters as they and this process follow them.

    Args:
        parameters: as the user gives them.
        pool: the workers.
        packages: that must be of the same versions everywhere.
        progress: warned of what may change values.

    Raises:
        OtbtfError: a worker is of no use.
    """
    facts = {}
    for name, answer in pool.on_each(worker_facts, tuple(packages), progress=progress).items():
        if answer.error is not None:
            raise _of_worker(name, answer.error)
        facts[name] = answer.value
    if list(facts) == [""]:  # an executor: any of its workers is as this one
        facts[""] = dataclasses.replace(facts[""], threads=pool.workers())
    team = Team(facts)
    team.check(worker_facts(tuple(packages), progress).versions, progress)
    memory = team.memory(parameters.memory or parameters.ram, budget(None) // MB)
    progress.info(
        Phrase(
            "{count} {count:worker|workers}; {memory} of each is {megabytes}.",
            count=len(facts),
            memory=field("memory"),
            megabytes=memory,
        )
        if len(facts) > 1
        else Phrase("{memory} of each worker is {megabytes}.", memory=field("memory"), megabytes=memory)
    )
    return dataclasses.replace(
        parameters, memory=memory, ram=None, cluster="", cluster_tls="", cluster_partsize=None
    ), team


def check_travel(parameters: Any) -> None:
    """Raise ParameterError where a dataset has neither a file nor a description, by which workers could open it anew."""
    for dataset in _datasets(parameters):
        if dataset.GetDriver().ShortName in _WITHOUT_FILE:
            raise ParameterError(
                "{cluster} is given, but an input is a {name}, which workers cannot open: save it as a file first, or leave "
                "{cluster} out.",
                cluster=field("cluster"),
                name=name_of(dataset),
            )


def _datasets(value: Any) -> Iterator[gdal.Dataset]:
    if isinstance(value, Opened):
        yield value.dataset
    elif isinstance(value, gdal.Dataset):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _datasets(item)
    elif dataclasses.is_dataclass(value):
        for each in dataclasses.fields(value):
            yield from _datasets(getattr(value, each.name))


def assignment(parameters: Any, operation: PartedOperation, run: PartsRun, team: Team, pool: Pool) -> Assignment:
    """Return what workers must know to follow a run."""
    let_datasets_travel()
    shares = team.shares()
    if list(shares) == [""]:
        shares = {"": dataclasses.replace(shares[""], cores=max(1, shares[""].cores // pool.workers()))}
    return Assignment(parameters, operation, uuid.uuid4().hex, run.plan.digest, shares, pool.apart)


def check_workers(given: Assignment, pool: Pool, progress: Progress) -> None:
    """Have each worker open the inputs and write into the folder of parts.

    Raises:
        OtbtfError: one cannot; the error names it.
    """
    progress.info("Each worker opens the inputs.")
    for name, answer in pool.on_each(try_out, given, progress=progress).items():
        if answer.error is not None:
            raise _of_worker(name, answer.error)


def _of_worker(name: str, error: OtbtfError) -> OtbtfError:
    return type(error)(Phrase("The worker {name}: {error}", name=name, error=error.message) if name else error.message)


def compute_on(
    pool: Pool,
    given: Assignment,
    run: PartsRun,
    todo: Sequence[int],
    arrived: Callable[[int, PartNote], None],
    progress: Progress,
) -> None:
    """Have workers compute parts.

    Args:
        pool: the workers.
        given: what they must know.
        run: what they follow.
        todo: numbers of parts.
        arrived: called with the number and the note of each that is done.
        progress: told how far all are.

    Raises:
        OtbtfError: a part failed; the others that had begun are done.
        Cancelled: `progress` asked to stop; nothing unfinished is left.
    """
    names = {}
    for number in todo:
        box = run.maker.place(number)
        names[number] = Phrase(
            "Part {number} (columns {left} to {right}, rows {top} to {bottom})",
            number=number,
            left=box.x,
            right=box.right - 1,
            top=box.y,
            bottom=box.bottom - 1,
        )
    sizes = {number: float(run.plan.parts[number].area) for number in todo}

    def seen(number: int, note: PartNote) -> None:
        end = time.monotonic() + _SHOWN_LATE
        while run.note(number) is None and time.monotonic() < end:
            progress.check()
            time.sleep(_POLL)
        if run.note(number) is None:
            raise EngineError(
                "{name} was computed, but is not in {folder}: all workers must see this folder under the same path.",
                name=names[number],
                folder=run.folder.path,
            )
        arrived(number, note)

    Tasks(partial(compute_part, given), names, sizes, seen).run(pool, progress)


# ---------------------------------------------------------------- on a worker


def try_out(given: Assignment, progress: Progress) -> None:
    """Open the inputs, and write and remove a file among the parts.

    Raises:
        OtbtfError: this worker cannot.
    """
    with _followed(given, progress) as follower, Staging(str(follower.run.folder.path / "trial"), progress) as staging:
        staging.write_text("")


def compute_part(given: Assignment, number: int, progress: Progress) -> PartNote:
    """Compute a part, unless it is done already.

    Raises:
        OtbtfError: it cannot be computed.
        Cancelled: `progress` asked to stop.
    """
    with _followed(given, progress) as follower:
        return follower.run.note(number) or follower.compute(number, progress)


class _Current(Passed):
    """The progress of whatever a worker does now; inputs that are opened once tell their news to it."""

    def __init__(self) -> None:
        super().__init__(Progress())

    def now(self, progress: Progress) -> None:
        self._to = progress


class _Follower:
    """A run on a worker, with its inputs open for all parts that it gets."""

    def __init__(self, given: Assignment, progress: Progress) -> None:
        self.progress = _Current()
        self.progress.now(progress)
        self._stack = contextlib.ExitStack()
        # What belongs to a run stays with it, whichever context the next part comes in.
        self._context = contextvars.copy_context()
        try:
            self.run: PartsRun = self._context.run(self._open, given)
        except BaseException:
            self.close()
            raise

    def _open(self, given: Assignment) -> PartsRun:
        self._stack.enter_context(private_copies(self.progress))
        self._stack.enter_context(watched(self.progress))
        parameters = given.parameters
        asked = given.operation.outputs(parameters)
        folder = PartsFolder(asked.out)
        plan = folder.plan()
        if plan is None or plan.digest != given.digest:
            raise ParameterError(
                "{path} does not hold the plan of this run: {out} must be in a folder that all workers see "
                "under the same path.",
                path=folder.path,
                out=field("out"),
            )
        work = given.operation.open_work(parameters, self.progress)
        return follow_plan(parameters, work, asked, folder, plan, work.identity(asked.virtual), self.progress)

    def compute(self, number: int, progress: Progress) -> PartNote:
        """Compute a part."""
        return self._context.run(self._compute, number)

    def _compute(self, number: int) -> PartNote:
        return self.run.compute_part(number, self.progress)

    def close(self) -> None:
        """Close the inputs."""
        self._context.run(self._stack.close)


_followers: dict[int, tuple[str, _Follower]] = {}
"""What each thread of this process follows; the last run only, since inputs stay open."""

_lock = threading.Lock()


@contextlib.contextmanager
def _followed(given: Assignment, progress: Progress) -> Iterator[_Follower]:
    """Yield what follows a run in this thread, opened now or for an earlier part."""
    with _lock:
        followed, follower = _followers.get(threading.get_ident(), ("", None))
    if follower is None or followed != given.run:
        release()
        if given.apart:
            _take_share(given, progress)
        follower = _Follower(given, progress)
        with _lock:
            _followers[threading.get_ident()] = given.run, follower
    follower.progress.now(progress)
    if not given.apart:  # the driver has set GDAL's cache
        yield follower
        return
    with gdal_cache(follower.run.plan.cache):
        yield follower


def _take_share(given: Assignment, progress: Progress) -> None:
    """Take this worker's share of its machine; one that joined later takes that of all together."""
    name = progress.worker if isinstance(progress, WorkerProgress) else ""
    share = given.shares.get(name)
    if share is not None:
        take_share(share)


def release_on_worker(progress: Progress) -> None:
    """Close the inputs that this worker holds open for parts."""
    release(everywhere=True)


def release(everywhere: bool = False) -> None:
    """Close the inputs that this thread holds open for parts, or those of all threads of this process."""
    with _lock:
        threads = list(_followers) if everywhere else [threading.get_ident()]
        found = [_followers.pop(thread)[1] for thread in threads if thread in _followers]
    for follower in found:
        follower.close()
