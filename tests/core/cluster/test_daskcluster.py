"""How a Dask cluster is reached: by address, file and certificates, or started on this machine."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import serving
import small_cluster

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.cluster import daskcluster
from otbtf_qgis.core.cluster.daskcluster import _own_security, dask_pool
from otbtf_qgis.core.cluster.tasks import Tasks
from otbtf_qgis.core.errors import Cancelled, EngineError, ParameterError

distributed = pytest.importorskip("distributed")

DOUBLED = {0: 0, 1: 2, 2: 4}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daskcluster, "_CONNECTING", 1.0)


def certificates(folder: Path, security: Any) -> str:
    """Write what one side of a TLS connection needs."""
    folder.mkdir()
    for name, text in (
        ("ca", security.tls_ca_file),
        ("cert", security.tls_client_cert),
        ("key", security.tls_client_key),
    ):
        (folder / f"{name}.pem").write_text(text)
    return str(folder)


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a scheduler, and the folder of its certificates."""
    security = _own_security(distributed)
    with small_cluster.dask_cluster(1, security=security) as cluster:
        yield cluster.scheduler_address, certificates(tmp_path_factory.mktemp("tls") / "own", security)


def doubled(cluster: str, tls: str = "", progress: Progress | None = None) -> dict[int, int]:
    found: dict[int, int] = {}
    names = {number: f"Task {number}" for number in range(3)}
    with dask_pool(cluster, tls, progress or Progress()) as pool:
        Tasks(small_cluster.double, names, dict.fromkeys(names, 1.0), found.__setitem__).run(pool, Progress())
    return found


def test_tls(encrypted: tuple[str, str]) -> None:
    log = serving.Log()
    assert doubled(*encrypted, log) == DOUBLED
    assert encrypted[0].startswith("tls://") and not log.warnings


def test_tls_refuses_a_plain_client(encrypted: tuple[str, str]) -> None:
    plain = encrypted[0].replace("tls://", "tcp://")
    with pytest.raises(EngineError, match=f"CLUSTER is {plain}, but no scheduler can be reached there"):
        doubled(plain)


def test_an_encrypted_address_without_certificates() -> None:
    told = r"CLUSTER is tls://127.0.0.1:1, which is encrypted, but CLUSTER_TLS is missing: .*ca.pem, cert.pem, key.pem"
    with pytest.raises(ParameterError, match=told):
        doubled("tls://127.0.0.1:1")


def test_certificates_of_dasks_own_configuration(encrypted: tuple[str, str]) -> None:
    names = {"ca-file": "ca", "client.cert": "cert", "client.key": "key"}
    own = {f"distributed.comm.tls.{key}": str(Path(encrypted[1]) / f"{name}.pem") for key, name in names.items()}
    with pytest.importorskip("dask").config.set(own):
        assert doubled(encrypted[0]) == DOUBLED


def test_tls_refuses_other_certificates(encrypted: tuple[str, str], tmp_path: Path) -> None:
    others = certificates(tmp_path / "others", _own_security(distributed))
    with pytest.raises(EngineError, match="no scheduler can be reached there"):
        doubled(encrypted[0], others)


def test_certificates_that_are_none(encrypted: tuple[str, str], tmp_path: Path) -> None:
    for name in ("ca", "cert", "key"):
        (tmp_path / f"{name}.pem").write_text("nonsense")
    with pytest.raises(
        EngineError, match=r"no scheduler can be reached there: .*are its certificates those given here"
    ):
        doubled(encrypted[0], str(tmp_path))


def test_a_folder_of_certificates_that_lacks_one(encrypted: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=rf"CLUSTER_TLS is {tmp_path}, but .*ca.pem does not exist"):
        doubled(encrypted[0], str(tmp_path))


def test_certificates_for_an_address_without_encryption(encrypted: tuple[str, str]) -> None:
    with pytest.raises(
        ParameterError, match=r"CLUSTER_TLS is given, but CLUSTER \(tcp://127.0.0.1:1\) is not encrypted"
    ):
        doubled("tcp://127.0.0.1:1", encrypted[1])


def test_a_schedulers_file(encrypted: tuple[str, str], tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    file.write_text(json.dumps({"type": "Scheduler", "address": encrypted[0]}))
    assert doubled(str(file), encrypted[1]) == DOUBLED
    for text in ("{}", "[", '{"address": 1}'):
        file.write_text(text)
        with pytest.raises(ParameterError, match=rf"CLUSTER is {file}, but this is no file of a Dask scheduler"):
            doubled(str(file))


def test_nobody_there() -> None:
    with pytest.raises(EngineError, match=r"CLUSTER is tcp://127.0.0.1:1, but no scheduler .*: .*\. Is it running"):
        doubled("tcp://127.0.0.1:1")


def test_an_address_beyond_this_machine_is_warned_about(monkeypatch: pytest.MonkeyPatch) -> None:
    log = serving.Log()
    with pytest.raises(EngineError):
        doubled("tcp://192.0.2.1:8786", progress=log)  # an address of nobody, for documentation
    assert any("everybody who reaches this port can run programs" in warning for warning in log.warnings)


def test_workers_of_this_machine_end_with_the_run(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else can connect to them: their scheduler wants a certificate that only this process has.

    Ctrl-C, which a terminal sends to them as well, leaves them to whoever has started them.
    """
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names = {0: "Task 0"}
    processes: list[int] = []
    with dask_pool("local:2", "", Progress()) as pool:
        assert pool.workers() == 2
        processes += [answer.value for answer in pool.on_each(small_cluster.process, progress=Progress()).values()]
        address = pool._client.scheduler.address
        with pytest.raises(EngineError, match="no scheduler can be reached"):
            doubled(address, certificates(tmp_path_factory.mktemp("others") / "own", _own_security(distributed)))
        for process in processes:
            os.kill(process, signal.SIGINT)
        again = pool.on_each(small_cluster.process, progress=Progress())
        assert sorted(answer.value for answer in again.values()) == sorted(processes)
        Tasks(small_cluster.double, names, {0: 1.0}, lambda *_: None).run(pool, Progress())
    end = time.monotonic() + 10
    while time.monotonic() < end and any(Path(f"/proc/{process}").exists() for process in processes):
        time.sleep(0.05)
    assert len(set(processes)) == 2 and os.getpid() not in processes
    assert list(tmp_path.iterdir()) == []
    assert sys.platform != "linux" or not any(Path(f"/proc/{process}").exists() for process in processes)


def test_without_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(EngineError, match=r"CLUSTER needs Dask .*otbtf:installengine\) with EXTRAS=cluster"):
        doubled("local:2")


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), Cancelled()])
def test_a_wish_to_stop_while_workers_start_stays_one(monkeypatch: pytest.MonkeyPatch, interruption: Any) -> None:
    def interrupted(**_: Any) -> None:
        try:
            raise interruption
        finally:
            raise RuntimeError("Cluster failed to start")

    monkeypatch.setattr(distributed, "LocalCluster", interrupted)
    with pytest.raises(type(interruption)), dask_pool("local:2", "", Progress()):
        pass
