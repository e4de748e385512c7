"""What workers are, and whether a run can use them: versions, memory, cores, instruction sets."""

from __future__ import annotations

import importlib
import os
import platform
import socket
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..base.progress import Progress
from ..errors import EngineError, ParameterError, field
from ..machine.memory import MB
from ..machine.memorylimit import memory_limit
from ..phrases import Phrase

RESERVED = 1200 * MB
"""What a worker takes beside a run's memory: TensorFlow, Keras, GDAL and Dask."""

LEAST = 2048 * MB
"""The least memory with which a worker is of use."""

_joined = Phrase(", ").join

_SETS = ("avx512f", "avx2", "avx")
"""Instruction sets for which oneDNN has kernels of their own, the best first."""


@dataclass(frozen=True)
class WorkerFacts:
    """What a worker is.

    Attributes:
        host: name of its machine.
        versions: of packages, by their names.
        instructions: the best instruction set.
        limit: memory that it may take, in bytes; None where only the machine limits it.
        machine: memory of the machine or of the job.
        cores: that it may use.
        threads: tasks that it runs at a time.
    """

    host: str
    versions: Mapping[str, str]
    instructions: str
    limit: int | None
    machine: int
    cores: int
    threads: int


def worker_facts(packages: Sequence[str], progress: Progress) -> WorkerFacts:
    """Return what this worker is; importing packages takes seconds the first time."""
    versions = {name: str(importlib.import_module(name).__version__) for name in (_product(), *packages)}
    limit, threads = _of_dask()
    return WorkerFacts(socket.gethostname(), versions, _instructions(), limit, memory_limit(), cores(), threads)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _product() -> str:
    return __name__.split(".", maxsplit=1)[0]


def _of_dask() -> tuple[int | None, int]:
    """Return the memory that Dask allows this worker, and its number of threads."""
    distributed = sys.modules.get("distributed")
    try:
        worker = distributed.get_worker() if distributed else None
    except ValueError:  # this process is none
        worker = None
    if worker is None:
        return None, 1
    limit = getattr(worker.memory_manager, "memory_limit", None)
    return (int(limit) if limit else None), int(worker.state.nthreads)


def _instructions() -> str:
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return platform.machine()
    return next((name for name in _SETS if name in flags), platform.machine())


@dataclass(frozen=True)
class Share:
    """A worker's share of its machine.

    Attributes:
        cores: that it computes with.
        number: of the worker among those of its machine, from 0.
        together: how many these are.
    """

    cores: int
    number: int
    together: int


@dataclass(frozen=True)
class Team:
    """The workers at the start of a run, by name."""

    facts: Mapping[str, WorkerFacts]

    def check(self, own: Mapping[str, str], progress: Progress) -> None:
        """Make sure that all are of use.

        Args:
            own: versions of packages here.
            progress: warned of what may change the last digits of real numbers.

        Raises:
            EngineError: one has other versions, or too little memory.
        """
        for name, facts in self.facts.items():
            other = [
                Phrase("{package} {theirs} instead of {ours}", package=it, theirs=facts.versions.get(it, ""), ours=mine)
                for it, mine in own.items()
                if facts.versions.get(it) != mine
            ]
            if other:
                raise EngineError(
                    "The worker {name} has {joined}, and would compute other values: install the same versions there.",
                    name=name,
                    joined=_joined(other),
                )
            if self._limit(name) < LEAST:
                raise EngineError(
                    "The worker {name} may take {limit} MB of memory, but needs at least {least} MB: give it more "
                    "(dask worker --memory-limit), or start fewer on one machine.",
                    name=name,
                    limit=self._limit(name) // MB,
                    least=LEAST // MB,
                )
        sets = sorted({facts.instructions for facts in self.facts.values()})
        if len(sets) > 1:
            progress.warning(
                Phrase(
                    "The workers have processors of different instruction sets ({joined}): values that are real "
                    "numbers may differ in their last digits from part to part.",
                    joined=_joined(sets),
                )
            )

    def memory(self, given: int | None, usual: int) -> int:
        """Return the MB that each task may take: what is given, else what is usual and all workers have.

        Raises:
            ParameterError: a worker has less than what is given.
        """
        least = min(self.facts, key=self._room)
        room = self._room(least) // MB
        if given is None:
            return min(usual, room)
        if given > room:
            raise ParameterError(
                "{memory} is {given}, but the worker {least} may take {limit} MB, of which {reserved} MB are "
                "for TensorFlow and Dask: set {memory} to at most {room}, or give the workers more.",
                memory=field("memory"),
                given=given,
                least=least,
                limit=self._limit(least) // MB,
                reserved=RESERVED // MB,
                room=room,
            )
        return given

    def shares(self) -> dict[str, Share]:
        """Return each worker's share of its machine."""
        together, found = self._on_host(), Counter[str]()
        shares = {}
        for name, facts in sorted(self.facts.items()):
            count = together[facts.host]
            shares[name] = Share(max(1, facts.cores // count), found[facts.host], count)
            found[facts.host] += 1
        return shares

    def _on_host(self) -> Counter[str]:
        return Counter(facts.host for facts in self.facts.values())

    def _limit(self, name: str) -> int:
        """Return the memory of a worker; without a limit of Dask's, those of one machine share its memory."""
        facts = self.facts[name]
        return facts.limit or facts.machine // self._on_host()[facts.host]

    def _room(self, name: str) -> int:
        return max(64 * MB, (self._limit(name) - RESERVED) // self.facts[name].threads)


def take_share(share: Share) -> None:
    """Have this process compute with its share of the machine: cores, and one GPU where there are several."""
    os.environ["LOKY_MAX_CPU_COUNT"] = str(share.cores)  # what scikit-learn goes by
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        return
    try:
        if share.cores < cores():
            tensorflow.config.threading.set_intra_op_parallelism_threads(share.cores)
        gpus = tensorflow.config.list_physical_devices("GPU")
        if share.together > 1 and len(gpus) > 1:
            tensorflow.config.set_visible_devices([gpus[share.number % len(gpus)]], "GPU")
    except RuntimeError:  # TensorFlow has begun to compute: an earlier run has set this
        pass
