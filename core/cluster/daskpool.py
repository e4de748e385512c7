"""Workers of a Dask cluster: one that runs already, or one of this machine that ends with the run."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import importlib
import json
import logging
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.jsonvalues import OddJson, read
from ..base.progress import Progress
from ..base.temporaries import scratch_folder
from ..errors import Cancelled, EngineError, ParameterError, field
from ..machine.extras import packages_of
from ..parameters.clusteraddress import ClusterAddress, cluster_address, is_encrypted, leaves_machine
from ..phrases import Phrase
from .tasks import Answer, Future, LostResult, Watch, call

_CONNECTING = 20.0
_STOPPING = 30.0
_TOLD_EACH = 1.0
_POLL = 0.1
_COMES_BACK = 10.0
"""Seconds in which Dask must bring the result of a task that has ended; then the task is submitted again."""

_TIMEOUTS = (TimeoutError, asyncio.TimeoutError, concurrent.futures.TimeoutError)
"""One class from Python 3.11 on."""

_TLS_FILES = ("ca.pem", "cert.pem", "key.pem")


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
        except (OSError, *_TIMEOUTS) as error:
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
        plain `future.result()` waits as long as that takes, deaf to whoever cancels.
        """
        end = time.monotonic() + _COMES_BACK
        while True:
            progress.check()
            try:
                answer: Answer = future.result(timeout=_POLL)
                return answer
            except _TIMEOUTS as error:
                if future.status == "error":  # of the task's own
                    raise
                if time.monotonic() > end:
                    self._client.cancel([future])
                    raise LostResult("its result was lost with its worker") from error

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


@contextlib.contextmanager
def dask_pool(text: str, tls: str, progress: Progress) -> Iterator[DaskPool]:
    """Yield the workers that CLUSTER stands for.

    Args:
        text: see `core.parameters.clusteraddress`.
        tls: folder of certificates; empty for those of Dask's own configuration.
        progress: told what is connected to.

    Raises:
        ParameterError, EngineError: Dask is not installed, or there is no such scheduler.
    """
    distributed = _distributed()
    address = cluster_address(text)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_quiet())
        if address.local:
            client = stack.enter_context(_local_client(distributed, address.local, progress))
        else:
            client = stack.enter_context(_client(distributed, address, tls, progress))
        yield DaskPool(client, progress)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what Dask logs beside errors; what happens to tasks is told by those who wait for them."""
    log = logging.getLogger("distributed")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def _distributed() -> Any:
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise EngineError(
            "{cluster} needs Dask (the package distributed), which {executable} does not have: run "
            '"Install engine" (otbtf:installengine) with {extras}=cluster, or "{executable}" -m pip install {packages}.',
            cluster=field("cluster"),
            executable=sys.executable,
            extras=field("extras"),
            packages=" ".join(f'"{package}"' for package in packages_of(["cluster"])),
        ) from error


@contextlib.contextmanager
def _local_client(distributed: Any, count: int, progress: Progress) -> Iterator[Any]:
    """Yield the client of a new cluster of this machine, which nobody else can connect to."""
    progress.info(Phrase("Starting {count} workers on this machine.", count=count))
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch_folder())
        try:
            cluster = stack.enter_context(
                distributed.LocalCluster(
                    n_workers=count,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address=None,
                    memory_limit=None,  # ours counts
                    security=_own_security(distributed),  # other users of this machine reach its port, too
                    local_directory=str(folder),
                    preload=[str(_preload(folder))],
                    silence_logs=logging.ERROR,
                )
            )
            client = stack.enter_context(distributed.Client(cluster, set_as_default=False))
            leaving = type("Leaving", (distributed.WorkerPlugin,), {"teardown": _leave})
            client.register_plugin(leaving(), name="leaving")
        except (RuntimeError, OSError, ImportError) as error:
            raise EngineError(
                "The workers of {cluster}=local:{count} cannot be started: {error}. In a script, run operations "
                'below if __name__ == "__main__":, since each worker imports the script.',
                cluster=field("cluster"),
                count=count,
                error=error,
            ) from error
        yield client


_PRELOAD = """
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
if {name!r} not in sys.modules:
    spec = PathFinder.find_spec({name!r}, [{folder!r}])
    sys.modules[{name!r}] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[{name!r}])
"""


def _preload(folder: Path) -> Path:
    """Write what has workers import this package from its place, which need not be on `sys.path`, as in the engine."""
    name = __name__.split(".", maxsplit=1)[0]
    parent = Path(next(iter(sys.modules[name].__path__))).parent
    script = folder / "package_of_workers.py"
    script.write_text(_PRELOAD.format(name=name, folder=str(parent)), encoding="utf-8")
    return script


def _leave(plugin: Any, worker: Any) -> None:
    """End a worker's process at once: Python takes seconds to leave one that has loaded TensorFlow."""
    os._exit(0)


_MAKE_CERTIFICATE = """
import json
from distributed import Security
made = Security.temporary()
print(json.dumps({"cert": made.tls_ca_file, "key": made.tls_client_key}))
"""


def _own_security(distributed: Any) -> Any:
    """Return a new certificate, which nobody else has, for all roles of a cluster.

    Another process makes it: OpenSSL's functions are TensorFlow's own where TensorFlow is loaded, and fail.

    Raises:
        RuntimeError: that process fails.
    """
    made = subprocess.run(
        [sys.executable, "-c", _MAKE_CERTIFICATE],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    if made.returncode:
        raise RuntimeError(f"no certificate can be made: {made.stderr.strip().splitlines()[-1]}")
    text = json.loads(made.stdout)
    roles = ("scheduler", "worker", "client")
    return distributed.Security(
        require_encryption=True,
        tls_ca_file=text["cert"],
        **{f"tls_{role}_cert": text["cert"] for role in roles},
        **{f"tls_{role}_key": text["key"] for role in roles},
    )


@contextlib.contextmanager
def _client(distributed: Any, given: ClusterAddress, tls: str, progress: Progress) -> Iterator[Any]:
    """Yield the client of a scheduler that runs."""
    address = given.address or _address_in(given.file)
    if tls and not is_encrypted(address):
        raise ParameterError(
            "{cluster_tls} is given, but {cluster} ({address}) is not encrypted: give an address that "
            "begins with tls://, or leave {cluster_tls} out.",
            cluster_tls=field("cluster_tls"),
            cluster=field("cluster"),
            address=address,
        )
    if not is_encrypted(address) and leaves_machine(address):
        progress.warning(
            Phrase(
                "{cluster} is {address}, which is not encrypted: everybody who reaches this port can run "
                "programs on the workers. Use it in a trusted network only, or tls:// with {cluster_tls}.",
                cluster=field("cluster"),
                address=address,
                cluster_tls=field("cluster_tls"),
            )
        )
    security = _security(distributed, tls) if is_encrypted(address) else None
    try:
        client = distributed.Client(address, security=security, timeout=_CONNECTING, set_as_default=False)
    except (OSError, *_TIMEOUTS, ValueError, RuntimeError, TypeError) as error:
        raise EngineError(
            "{cluster} is {address}, but no scheduler can be reached there: {first_line}. Is it running, "
            "and are its certificates those given here?",
            cluster=field("cluster"),
            address=address,
            first_line=_first_line(error),
        ) from error
    with client:
        progress.info(Phrase("Connected to the scheduler {address}.", address=client.scheduler.address))
        yield client


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")


def _address_in(file: str) -> str:
    """Return the address that a scheduler has written into its file.

    Raises:
        ParameterError: there is none.
    """
    try:
        return read(Path(file))["address"].text()
    except (OSError, OddJson) as error:
        raise ParameterError(
            "{cluster} is {file}, but this is no file of a Dask scheduler: {error}. dask scheduler "
            "--scheduler-file writes it.",
            cluster=field("cluster"),
            file=file,
            error=error,
        ) from error


def _security(distributed: Any, tls: str) -> Any:
    """Return the certificates in a folder; None for those of Dask's own configuration.

    Raises:
        ParameterError: one is missing.
    """
    if not tls:
        return None
    files = [os.path.join(tls, name) for name in _TLS_FILES]
    if missing := [file for file in files if not os.path.isfile(file)]:
        raise ParameterError(
            "{cluster_tls} is {tls}, but {missing} does not exist: the folder must hold {join}: the "
            "certificate of the authority, and this client's certificate and key.",
            cluster_tls=field("cluster_tls"),
            tls=tls,
            missing=missing[0],
            join=", ".join(_TLS_FILES),
        )
    return distributed.Security(
        tls_ca_file=files[0], tls_client_cert=files[1], tls_client_key=files[2], require_encryption=True
    )
