"""QGIS's side of the pipe, with real engines: runs, cancelling, engines that die; Linux says what became of them."""

from __future__ import annotations

import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from steered_engine import (
    Recorder,
    children,
    gone,
    pid_of,
    soon,
    steered_engine,
)

from otbtf_qgis.core.base import temporaries
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import Cancelled, EngineError, OtbtfError
from otbtf_qgis.engine.client import Engine


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Engine]:
    """An engine whose operations a test can steer."""
    with steered_engine(monkeypatch, tmp_path) as found:
        yield found


# ------------------------------------------------------------------- running


def test_one_process_serves_several_runs(engine: Engine) -> None:
    engine.warm()
    (child,) = children() if soon(lambda: bool(children())) else [None]
    engine.warm()
    assert pid_of(engine) == child.pid
    assert pid_of(engine) == child.pid
    assert [process.pid for process in children()] == [child.pid]


def test_what_an_operation_reports_arrives_in_order_in_the_calling_thread(engine: Engine) -> None:
    progress = Recorder()
    assert engine.run("report", {}, progress) == {}
    kinds = [kind for kind, _ in progress.events]
    assert (kinds[0], kinds[-1], set(kinds[1:-1])) == ("info", "warning", {"fraction"})
    shares = progress.of("fraction")
    assert shares == sorted(shares) and shares[-1] == 1
    assert (progress.of("info"), progress.of("warning")) == (["begins"], ["ends"])
    assert progress.threads == {threading.get_ident()}


def test_a_run_that_waits_for_the_start_of_the_engine_says_so(engine: Engine) -> None:
    first, second = Recorder(), Recorder()
    engine.run("echo", {}, first)
    engine.run("echo", {}, second)
    assert (first.starts, second.starts) == (1, 0)


def test_values_of_all_sorts_come_through(engine: Engine) -> None:
    values = {
        "text": 'é "\n\u2028 \U0001f6f0 \udce9',
        "list": [1, -2.5, None, True],
        "inf": -math.inf,
        "big": "x" * 3_000_000,
    }
    received = engine.run("echo", {**values, "nan": math.nan}, Progress())["values"]
    assert math.isnan(received.pop("nan"))
    assert received == values


def test_the_environment_of_qgis_python_is_kept_from_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("GDAL_CACHEMAX", "64")
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    result = engine.run("echo", {}, Progress())
    assert not {"PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "VIRTUAL_ENV"} & set(result["environment"])
    assert result["environment"]["GDAL_CACHEMAX"] == "64"
    assert result["environment"]["TF_CPP_MIN_LOG_LEVEL"] == "2"
    assert result["files"] == [] and Path(result["cwd"]).parent.name.startswith(".otbtf-")
    engine.stop()
    assert not Path(result["cwd"]).exists()
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    assert engine.run("echo", {}, Progress())["environment"]["TF_CPP_MIN_LOG_LEVEL"] == "0"


def test_errors_are_raised_and_leave_the_engine_usable(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    pid = pid_of(engine)
    with pytest.raises(OtbtfError, match="^Model a.keras has no output 'é'.$"):
        engine.run("fail", {"how": "user"}, Progress())
    with caplog.at_level(logging.DEBUG):
        with pytest.raises(OtbtfError, match="^Internal error: KeyError: 'lost'$"):
            engine.run("fail", {"how": "internal"}, Progress())
        assert soon(lambda: "engine_operations.py" in caplog.text)  # the traceback is in the log
    assert pid_of(engine) == pid


def test_two_at_once_have_a_process_each_and_one_stays(engine: Engine, tmp_path: Path) -> None:
    recorders = [Recorder(), Recorder()]
    ended = []

    def work(number: int) -> None:
        with pytest.raises(Cancelled):
            engine.run("work", {"folder": str(tmp_path / str(number))}, recorders[number])
        ended.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    assert soon(lambda: all(recorder.of("info") for recorder in recorders), 5)
    pids = {int(recorder.of("info")[0]) for recorder in recorders}
    assert len(pids) == 2
    for recorder in recorders:
        recorder.cancelled_at = time.monotonic()
    for thread in threads:
        thread.join()
    assert sorted(ended) == [0, 1]
    assert soon(lambda: len(children()) == 1)
    assert pid_of(engine) in pids


def test_poll_is_called_often_while_waiting_in_the_calling_thread(engine: Engine, tmp_path: Path) -> None:
    progress = Recorder()
    calls: list[tuple[float, int]] = []

    def poll() -> None:
        calls.append((time.monotonic(), threading.get_ident()))
        if len(calls) == 8:
            progress.cancelled_at = time.monotonic()

    with pytest.raises(Cancelled):
        engine.run("work", {"folder": str(tmp_path / "t")}, progress, poll)
    assert {thread for _, thread in calls} == {threading.get_ident()}
    assert max(after - before for (before, _), (after, _) in zip(calls, calls[1:])) < 0.5


# ---------------------------------------------------------------- cancelling


def test_a_cancelled_operation_stops_by_itself_and_its_engine_stays(engine: Engine, tmp_path: Path) -> None:
    progress = Recorder(cancel_at="info")
    with pytest.raises(Cancelled):
        engine.run("work", {"folder": str(tmp_path / "t")}, progress)
    assert time.monotonic() - progress.cancelled_at < 1.9
    assert not (tmp_path / "t").exists()
    assert pid_of(engine) == int(progress.of("info")[0])


def test_a_stuck_operation_is_killed_with_its_children_and_its_output_removed(engine: Engine, tmp_path: Path) -> None:
    progress = Recorder(cancel_at="info")
    with pytest.raises(Cancelled):
        engine.run("hang", {"folder": str(tmp_path / "t"), "child": True}, progress)
    assert 1.9 < time.monotonic() - progress.cancelled_at < 4
    assert not (tmp_path / "t").exists()
    pid, child = map(int, progress.of("info")[0].split())
    assert soon(lambda: gone(pid) and gone(child))
    assert pid_of(engine) != pid


def test_a_run_that_is_cancelled_before_it_begins_starts_nothing(engine: Engine) -> None:
    progress = Recorder()
    progress.cancelled_at = time.monotonic()
    with pytest.raises(Cancelled):
        engine.run("echo", {}, progress)
    assert children() == []


def test_an_interrupted_wait_kills_the_engine(engine: Engine, tmp_path: Path) -> None:
    progress = Recorder()

    def poll() -> None:
        if progress.of("info"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.run("hang", {"folder": str(tmp_path / "t")}, progress, poll)
    assert not (tmp_path / "t").exists()
    assert children(recursive=True) == []


def test_what_cannot_be_removed_is_told(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = Recorder()
    folder, remove = str(tmp_path / "t"), temporaries.remove
    monkeypatch.setattr(temporaries, "remove", lambda path: path != folder and remove(path))
    with pytest.raises(EngineError):
        engine.run("die", {"folder": folder, "status": 1}, progress)
    assert progress.of("warning") == [
        f"The engine left the unfinished file or folder {folder}, which could not be removed: delete it."
    ]


# --------------------------------------------------------------------- dying


@pytest.mark.parametrize(
    "how, words",
    [
        ({"signal": "SIGKILL"}, "The engine was killed by SIGKILL, perhaps for lack of memory"),
        ({"signal": "SIGSEGV"}, "The engine crashed (SIGSEGV)."),
        ({"signal": "SIGABRT"}, "The engine crashed (SIGABRT)."),
        ({"signal": "SIGTERM"}, "The engine was ended by SIGTERM."),
        ({"status": 5}, "The engine ended unexpectedly, with exit status 5."),
        ({"status": 255}, "The engine ended unexpectedly, with exit status 255."),
    ],
)
def test_the_death_of_the_engine_is_an_error_that_says_how(
    engine: Engine, tmp_path: Path, how: dict[str, Any], words: str
) -> None:
    pid = pid_of(engine)
    with pytest.raises(OtbtfError, match="lost"):
        engine.run("fail", {"how": "internal"}, Progress())  # its traceback is in the same log
    with pytest.raises(EngineError) as caught:
        engine.run("die", {"folder": str(tmp_path / "t"), **how}, Progress())
    message = str(caught.value)
    assert message.startswith(words)
    assert "The last lines of its log:\n    Check failed: the reason" in message
    assert "engine_operations.py" not in message  # no stack, which faulthandler writes to the log
    assert not (tmp_path / "t").exists()
    assert pid_of(engine) != pid


def test_an_engine_that_died_between_runs_is_replaced(engine: Engine) -> None:
    pid = pid_of(engine)
    os.kill(pid, signal.SIGKILL)
    assert soon(lambda: not psutil.pid_exists(pid))  # reaped, too
    time.sleep(0.05)
    assert pid_of(engine) != pid


@pytest.mark.parametrize("interpreter", ["/nowhere/python", "/etc/passwd", "/tmp"])
def test_an_interpreter_that_cannot_be_started(engine: Engine, interpreter: str) -> None:
    engine._interpreter = lambda: Path(interpreter)
    with pytest.raises(EngineError, match=f"^The engine's Python, {interpreter}, cannot be started: .*installengine"):
        engine.run("echo", {}, Progress())


@pytest.mark.parametrize(
    "interpreter, words", [("/bin/true", "exit status 0.$"), ("/bin/echo", "exit status 0. .*\n    Not an event: b'")]
)
def test_an_interpreter_that_is_none(engine: Engine, interpreter: str, words: str) -> None:
    engine._interpreter = lambda: Path(interpreter)
    with pytest.raises(EngineError, match=words):
        engine.run("echo", {}, Progress())


def test_no_interpreter_at_all(engine: Engine) -> None:
    def missing() -> Path:
        raise EngineError("There is no engine yet: run otbtf:installengine.")

    engine._interpreter = missing
    with pytest.raises(EngineError, match="no engine yet"):
        engine.run("echo", {}, Progress())
    with pytest.raises(EngineError, match="no engine yet"):
        engine.warm()


def test_another_interpreter_replaces_the_warm_process(engine: Engine, tmp_path: Path) -> None:
    pid = pid_of(engine)
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    other.chmod(0o755)
    engine._interpreter = lambda: other
    assert pid_of(engine) != pid
    assert soon(lambda: gone(pid))
