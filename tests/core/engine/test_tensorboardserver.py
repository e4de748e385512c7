"""TensorBoard beside QGIS: it is up when its address is told, and ends with the engine."""

from __future__ import annotations

import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import psutil
import pytest

from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import Cancelled, EngineError, OtbtfError, ParameterError
from otbtf_qgis.engine.client import Engine
from otbtf_qgis.engine.tensorboards import TensorBoards


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the logs of one training, as TensorFlow writes them: a file without events will do."""
    folder = tmp_path_factory.mktemp("logs")
    (folder / "run1").mkdir()
    (folder / "run1" / "events.out.tfevents.1700000000.here").touch()
    return folder


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(lambda: Path(sys.executable))
    yield engine
    engine.stop()


def nothing() -> None: ...


def children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def test_it_runs_beside_the_caller_and_ends_with_the_engine(engine: Engine, logs: Path) -> None:
    before = children()
    boards = TensorBoards(engine.run)
    values = {"logdir": str(logs)}
    address = boards.open(values, Progress(), nothing)
    assert address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(address, timeout=30) as page:
        assert b"TensorBoard" in page.read()
    assert boards.open(values, Progress(), nothing) == address  # the same one
    started = children() - before
    with pytest.raises(OtbtfError, match="PORT is .*already in use"):
        registry.run("TensorBoard", {**values, "port": address.rstrip("/").rsplit(":", 1)[1]})
    engine.stop()
    _, alive = psutil.wait_procs(started, 10)
    assert started
    assert not alive
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address, timeout=5)


class Listener(Progress):
    """Asks to stop once the address answers."""

    def __init__(self) -> None:
        self.address = ""
        self.answered = False

    def info(self, message: str) -> None:
        self.address = message

    def fraction(self, done: float) -> None:
        with urllib.request.urlopen(self.address, timeout=30) as page:
            self.answered = page.status == 200

    def cancelled(self) -> bool:
        return self.answered


def test_in_a_script_it_runs_until_it_is_stopped(logs: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    listener = Listener()
    with pytest.raises(Cancelled):
        registry.run("TensorBoard", {"logdir": str(logs), "port": port}, listener)
    assert listener.address == f"http://127.0.0.1:{port}/"
    # Nobody answers there as TensorBoard does; another program may have been given the port meanwhile.
    with pytest.raises((OSError, HTTPException)), urllib.request.urlopen(listener.address, timeout=5) as page:
        assert b"tensorboard" not in page.read().lower()
        raise ConnectionRefusedError


def test_a_folder_without_logs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="which holds no logs for TensorBoard"):
        registry.run("TensorBoard", {"logdir": str(tmp_path)})
    with pytest.raises(ParameterError, match="but must be a folder"):
        registry.run("TensorBoard", {"logdir": str(tmp_path / "none")})


def test_an_engine_without_tensorboard_says_how_to_get_it(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(EngineError, match="cannot import TensorBoard: .* Run otbtf:installengine"):
        registry.run("TensorBoard", {"logdir": str(logs)})


# ---------------------------------------------------- without a real engine


def boards_of(run: Callable[[Progress], Any]) -> TensorBoards:
    return TensorBoards(lambda operation, values, progress, poll: run(progress))


def test_what_goes_wrong_at_the_start_is_told_and_the_next_start_is_a_new_one() -> None:
    starts = []

    def fail(progress: Progress) -> None:
        starts.append(1)
        raise ParameterError("LOGDIR is wrong")

    boards = boards_of(fail)
    for _ in range(2):
        with pytest.raises(ParameterError, match="LOGDIR is wrong"):
            boards.open({}, Progress(), nothing)
    assert len(starts) == 2


def test_the_start_can_be_cancelled() -> None:
    ended = threading.Event()

    def hang(progress: Progress) -> None:
        while not progress.cancelled():
            time.sleep(0.01)
        ended.set()
        raise Cancelled

    class Stop(Progress):
        def cancelled(self) -> bool:
            return True

    with pytest.raises(Cancelled):
        boards_of(hang).open({}, Stop(), nothing)
    assert ended.wait(10)
