"""How engines end: idle, told to, with their parent; and what they do not import from a hostile place."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from steered_engine import (
    PROGRAM,
    TREE,
    Recorder,
    gone,
    pid_of,
    soon,
    steered_engine,
)

from otbtf_qgis.core.errors import EngineError
from otbtf_qgis.engine.client import Engine
from otbtf_qgis.engine.process import EngineProcess, command


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Engine]:
    """An engine whose operations a test can steer."""
    with steered_engine(monkeypatch, tmp_path) as found:
        yield found


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
