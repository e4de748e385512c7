"""QGIS's side of the pipe, with real engines; Linux says what became of them."""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import otbtf_qgis.core
from otbtf_qgis.core.base import temporaries
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import Cancelled, EngineError, OtbtfError
from otbtf_qgis.engine import client
from otbtf_qgis.engine.client import Engine
from otbtf_qgis.engine.process import EngineProcess, command

PROGRAM = Path(__file__).parents[1] / "support" / "engine_operations.py"
TREE = Path(otbtf_qgis.core.__file__).absolute().parents[2]


def program(interpreter: Path, idle_minutes: float) -> list[str]:
    """The command of an engine whose operations a test can steer."""
    return [str(interpreter), str(PROGRAM), str(TREE), "--idle-minutes", str(idle_minutes)]


class Recorder(Progress):
    """Keeps what is reported, with the thread it came in, and cancels at the first event of a kind."""

    def __init__(self, cancel_at: str = "") -> None:
        self.events: list[tuple[str, Any]] = []
        self.starts = 0
        self.threads: set[int] = set()
        self.cancelled_at: float | None = None
        self.cancel_at = cancel_at

    def _record(self, kind: str, value: Any) -> None:
        self.events.append((kind, value))
        self.threads.add(threading.get_ident())
        if kind == self.cancel_at:
            self.cancelled_at = time.monotonic()

    def fraction(self, done: float) -> None:
        self._record("fraction", done)

    def info(self, message: str) -> None:
        if message == "Starting the engine …":
            self.starts += 1
        else:
            self._record("info", message)

    def warning(self, message: str) -> None:
        self._record("warning", message)

    def temporary(self, path: str) -> None:
        self._record("temporary", path)

    def cancelled(self) -> bool:
        return self.cancelled_at is not None

    def of(self, kind: str) -> list[Any]:
        return [value for name, value in self.events if name == kind]


def gone(pid: int) -> bool:
    """True once a process runs no more (an orphan may stay a zombie where nobody is its new parent)."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def soon(condition: Callable[[], bool], seconds: float = 2.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def open_files() -> set[str]:
    return {f"{fd} {os.readlink(f'/proc/self/fd/{fd}')}" for fd in os.listdir("/proc/self/fd") if _is_open(fd)}


def _is_open(fd: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{fd}")


OTHERS: set[int] = set()
"""Processes that other tests have left to run."""


def children(recursive: bool = False) -> list[psutil.Process]:
    """The processes that this one has started since the engine's fixture was made."""
    return [process for process in psutil.Process().children(recursive=recursive) if process.pid not in OTHERS]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Engine]:
    """An engine with the operations of engine_operations.py, of which nothing may be left in the end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(client, "command", program)
    files, threads = open_files(), set(threading.enumerate())
    OTHERS.clear()
    OTHERS.update(process.pid for process in psutil.Process().children(recursive=True))
    engine = Engine(lambda: Path(sys.executable))
    yield engine
    engine.stop()
    assert children(recursive=True) == []
    assert soon(lambda: not [t for t in threading.enumerate() if "otbtf" in t.name and t not in threads])
    assert soon(lambda: open_files() <= files), open_files() - files


def pid_of(engine: Engine) -> int:
    return int(engine.run("echo", {}, Progress())["pid"])


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


# ------------------------------------------------------------ idling, ending


def test_an_idle_engine_leaves_and_the_next_run_starts_another(engine: Engine) -> None:
    engine._idle_minutes = 0.002
    pid = pid_of(engine)
    assert soon(lambda: not psutil.pid_exists(pid))
    engine._idle_minutes = 10
    assert pid_of(engine) != pid


def test_a_request_that_crosses_with_the_leaving_of_an_idle_engine(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine._idle_minutes = 0.002
    pid = pid_of(engine)
    assert soon(lambda: not psutil.pid_exists(pid))
    usable, not_yet_seen = EngineProcess.usable, iter([True])  # its end, at the first look
    monkeypatch.setattr(
        EngineProcess, "usable", property(lambda process: next(not_yet_seen, False) or usable.fget(process))
    )
    assert pid_of(engine) != pid


def test_stop_ends_a_run_too_and_a_later_run_starts_anew(engine: Engine, tmp_path: Path) -> None:
    progress = Recorder()
    errors = []

    def work() -> None:
        with pytest.raises(EngineError) as caught:
            engine.run("hang", {"folder": str(tmp_path / "t")}, progress)
        errors.append(str(caught.value))

    thread = threading.Thread(target=work)
    thread.start()
    assert soon(lambda: bool(progress.of("info")), 5)
    engine.stop()
    thread.join()
    assert errors == ["The engine was stopped during the run."]
    assert not (tmp_path / "t").exists()
    assert gone(int(progress.of("info")[0]))
    assert pid_of(engine) != int(progress.of("info")[0])


PARENT = """
import os, subprocess, sys
sys.path.insert(0, {tree!r})
from pathlib import Path
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.engine import client
client.command = lambda python, idle: [str(python), {program!r}, {tree!r}]
class Show(Progress):
    def info(self, message):
        if {hold}:  # another process holds the engine's pipes open
            for fd in os.listdir("/proc/self/fd"):
                if os.path.lexists("/proc/self/fd/" + fd):
                    os.set_inheritable(int(fd), True)
            subprocess.Popen(["sleep", "8"], close_fds=False, stdout=subprocess.DEVNULL)
        print(message, flush=True)
engine = client.Engine(lambda: Path(sys.executable))
engine.run({operation!r}, {{"folder": {folder!r}}}, Show())
"""


def parent(tmp_path: Path, operation: str, hold: bool = False) -> subprocess.Popen[str]:
    text = PARENT.format(
        tree=str(TREE), program=str(PROGRAM), hold=hold, operation=operation, folder=str(tmp_path / "t")
    )
    return subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("hold", [False, True])
def test_the_engine_of_a_parent_that_is_gone_ends(tmp_path: Path, number: signal.Signals, hold: bool) -> None:
    with parent(tmp_path, "work", hold) as process:
        assert process.stdout.readline() == "Starting the engine …\n"
        pid = int(process.stdout.readline())
        assert (tmp_path / "t").exists() and not gone(pid)
        process.send_signal(number)
        assert soon(lambda: gone(pid))
        assert soon(lambda: not (tmp_path / "t").exists(), 0.1)
        assert process.wait() == -number


def test_a_parent_that_ends_by_itself_leaves_no_engine(tmp_path: Path) -> None:
    with parent(tmp_path, "report") as process:
        assert [process.stdout.readline() for _ in range(2)] == ["Starting the engine …\n", "begins\n"]
        children = psutil.Process(process.pid).children()
        assert process.wait() == 0
        assert all(gone(child.pid) for child in children)


# -------------------------------------------------------- in a hostile place


def test_nothing_around_the_package_or_in_the_current_folder_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command that QGIS uses, with the real TensorFlow."""
    plugins, current = tmp_path / "plugins", tmp_path / "current"
    for folder in (plugins, current):
        folder.mkdir()
        for name in ("json.py", "random.py", "tensorflow.py", "ctypes.py", "pandas.py", "sitecustomize.py"):
            (folder / name).write_text("import os\nos._exit(66)\n")
        for name in ("numpy", "keras"):
            (folder / name).mkdir()
            (folder / name / "__init__.py").write_text("import os\nos._exit(66)\n")
        (folder / "jax").mkdir()  # importable as a namespace package
    (plugins / "otbtf_qgis").symlink_to(TREE / "otbtf_qgis")
    monkeypatch.chdir(current)
    process = EngineProcess(command(Path(sys.executable), 10, plugins / "otbtf_qgis"))
    process.send({"id": 1, "run": "NoSuchThing", "values": {}})
    process.send({"id": 2, "run": "EngineReport", "values": {}})
    try:
        events = []
        while not events or events[-1]["event"] != "result":
            events.append(process.events.get(timeout=120))
            assert events[-1] is not None, process.obituary("echo")
        assert [event["event"] for event in events[:3]] == ["ready", "started", "error"]
        assert events[2]["message"].startswith("There is no operation 'NoSuchThing'.")
        mapped = Path(f"/proc/{events[0]['pid']}/maps").read_text()
        assert "tensorflow" in mapped, list(process._log)
    finally:
        process.stop()
        process.wait()


def test_qgis_side_needs_neither_qgis_nor_tensorflow() -> None:
    code = (
        f"import sys, json; sys.path.insert(0, {str(TREE)!r}); import otbtf_qgis.engine.client; "
        "print(json.dumps([name for name in sys.modules if name.partition('.')[0] in "
        "('qgis', 'tensorflow', 'keras', 'numpy', 'osgeo')]))"
    )
    assert json.loads(subprocess.check_output([sys.executable, "-c", code], timeout=20)) == []
