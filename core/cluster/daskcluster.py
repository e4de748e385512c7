"""Reaching a Dask cluster: a scheduler that runs already, or workers of this machine that end with the run."""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..base.jsonvalues import OddJson, read
from ..base.librarymessages import telling_line
from ..base.progress import Progress
from ..base.temporaries import scratch_folder
from ..errors import Cancelled, EngineError, ParameterError, field
from ..machine.extras import packages_of
from ..parameters.clusteraddress import ClusterAddress, cluster_address, is_encrypted, leaves_machine
from ..phrases import Phrase
from .daskpool import TIMEOUTS, DaskPool

_CONNECTING = 20.0

_TLS_FILES = ("ca.pem", "cert.pem", "key.pem")


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
    progress.info(Phrase("Starting {count} {count:worker|workers} on this machine.", count=count))
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch_folder())
        stack.enter_context(bare(folder))
        try:
            cluster = stack.enter_context(
                distributed.LocalCluster(
                    n_workers=count,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address=None,
                    scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # the usual port may be taken
                    memory_limit=None,  # ours counts
                    security=_own_security(distributed),  # other users of this machine reach its port, too
                    local_directory=str(folder),
                    preload=[str(_preload(folder))],
                    silence_logs=logging.ERROR,
                )
            )
            client = stack.enter_context(distributed.Client(cluster, set_as_default=False))
            end_at_once(distributed, client)
        except (RuntimeError, OSError, ImportError) as error:
            _raise_interruption(error)
            progress.check()
            raise EngineError(
                "The workers of {cluster}=local:{count} cannot be started: {error}. In a script, run operations "
                'below if __name__ == "__main__":, since each worker imports the script.',
                cluster=field("cluster"),
                count=count,
                error=error,
            ) from error
        yield client


def _raise_interruption(error: BaseException) -> None:
    """Raise the user's wish to stop that an error of Dask's has come from, if any."""
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop()
        if isinstance(one, (KeyboardInterrupt, Cancelled)):
            raise one
        seen.add(id(one))
        waiting += [other for other in (one.__cause__, one.__context__) if other is not None and id(other) not in seen]


def bare(folder: Path | None = None) -> Any:
    """Return a context in which schedulers and workers start without web pages, and hardly watch themselves.

    The pages are open to everybody on this machine. What Dask watches of itself takes 30 ms of each second in this process
    and 15 ms in each worker, most of it by looking 50 times a second how late its event loop is.

    Args:
        folder: where the scheduler keeps its files, from where it also imports; None for the folder for temporary files.
    """
    place = {} if folder is None else {"temporary-directory": str(folder)}
    return importlib.import_module("dask").config.set(
        {
            **place,
            "distributed.scheduler.http.routes": [],
            "distributed.worker.http.routes": [],
            "distributed.worker.profile.enabled": False,
            "distributed.admin.tick.interval": "500ms",
            "distributed.admin.system-monitor.interval": "10s",
        }
    )


_PRELOAD = """
import signal
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
signal.signal(signal.SIGINT, signal.SIG_IGN)
if {name!r} not in sys.modules:
    spec = PathFinder.find_spec({name!r}, [{folder!r}])
    sys.modules[{name!r}] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[{name!r}])
"""


def _preload(folder: Path) -> Path:
    """Write what workers run first.

    It has them import this package from its place, which need not be on `sys.path`, as in the engine. A terminal sends
    Ctrl-C to them, too: the process that started them stops their tasks, which leave nothing behind then.
    """
    name = __name__.split(".", maxsplit=1)[0]
    parent = Path(next(iter(sys.modules[name].__path__))).parent
    script = folder / "package_of_workers.py"
    script.write_text(_PRELOAD.format(name=name, folder=str(parent)), encoding="utf-8")
    return script


def end_at_once(distributed: Any, client: Any) -> None:
    """Have the processes of all workers end without Python's own way out, which takes seconds once TensorFlow is loaded."""
    leaving = type("Leaving", (distributed.WorkerPlugin,), {"teardown": _leave})
    client.register_plugin(leaving(), name="leaving")


def _leave(plugin: Any, worker: Any) -> None:
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
    made = subprocess.run(  # nosec B603 (a list of arguments, no shell)
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
    security = _security(distributed, address, tls) if is_encrypted(address) else None
    try:
        client = _connected(distributed, address, security)
    except (OSError, *TIMEOUTS, ValueError, RuntimeError, TypeError) as error:
        raise EngineError(
            "{cluster} is {address}, but no scheduler can be reached there: {first_line}. Is it running, "
            "and are its certificates those given here?",
            cluster=field("cluster"),
            address=address,
            first_line=telling_line(error),
        ) from error
    with client:
        progress.info(Phrase("Connected to the scheduler {address}.", address=client.scheduler.address))
        yield client


def _connected(distributed: Any, address: str, security: Any) -> Any:
    """Return a new client; one that does not reach its scheduler is closed.

    Dask leaves it open, so that Python closes it as it collects garbage. If that happens while the thread of the next
    client starts, both wait for the same lock.
    """
    client = distributed.Client.__new__(distributed.Client)
    try:
        client.__init__(address, security=security, timeout=_CONNECTING, set_as_default=False)
    except BaseException:
        with contextlib.suppress(AttributeError):  # one that cannot read its certificates has nothing to close
            client.close()
        raise
    return client


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


def _security(distributed: Any, address: str, tls: str) -> Any:
    """Return the certificates in a folder; None for those of Dask's own configuration.

    Raises:
        ParameterError: one is missing.
    """
    if not tls:
        found = distributed.Security()
        loader = importlib.import_module("dask").config.get("distributed.client.security-loader", None)
        if loader or (found.tls_ca_file and found.tls_client_cert):
            return None
        raise ParameterError(
            "{cluster} is {address}, which is encrypted, but {cluster_tls} is missing: give the folder of the "
            "certificates. It must hold {files}.",
            cluster=field("cluster"),
            address=address,
            cluster_tls=field("cluster_tls"),
            files=", ".join(_TLS_FILES),
        )
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
