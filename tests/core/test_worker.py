"""The engine's side of the pipe, spoken to line by line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import otbtf_qgis.core
from otbtf_qgis.core.base.ownership import planned_name
from otbtf_qgis.core.base.temporaries import Temporaries, remove
from otbtf_qgis.core.errors import as_key, field, worded
from otbtf_qgis.core.phrases import decoded
from otbtf_qgis.core.worker import explain

PROGRAM = Path(__file__).parent / "support" / "engine_operations.py"
TREE = Path(otbtf_qgis.core.__file__).absolute().parents[2]
ENDS = ("result", "error", "cancelled", "idle")


class Pipe:
    """A worker and its two ends of the protocol."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(TREE), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.watchdog = threading.Timer(20, self.process.kill)
        self.watchdog.start()

    def send(self, **message: Any) -> None:
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def next(self) -> dict[str, Any]:
        event = json.loads(self.process.stdout.readline())
        return {**event, "message": decoded(event["message"])} if "message" in event else event

    def until(self, *kinds: str) -> list[dict[str, Any]]:
        """Read events up to the first of these kinds."""
        events = [self.next()]
        while events[-1]["event"] not in kinds:
            events.append(self.next())
        return events

    def ask(self, number: int, name: str, **values: Any) -> list[dict[str, Any]]:
        self.send(id=number, run=name, values=values)
        return self.until(*ENDS)

    def close(self) -> str:
        """Close the worker's standard input, wait for its end and return its log."""
        log = self.process.communicate(timeout=10)[1].decode()
        self.watchdog.cancel()
        return log


@pytest.fixture
def pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    monkeypatch.chdir(tmp_path)
    pipe = Pipe()
    with pipe.process:
        yield pipe
        pipe.process.kill()
    pipe.watchdog.cancel()


def test_a_request_from_ready_to_result(pipe: Pipe) -> None:
    assert pipe.next() == {"event": "ready", "pid": pipe.process.pid}
    events = pipe.ask(7, "report")
    assert [event["id"] for event in events] == [7] * len(events)
    kinds = [event["event"] for event in events]
    assert (kinds[:2], kinds[-2:]) == (["started", "info"], ["warning", "result"])
    assert set(kinds[2:-2]) == {"progress"}
    shares = [event["fraction"] for event in events if event["event"] == "progress"]
    assert shares == sorted(shares) and shares[-1] == 1 and len(shares) <= 20  # of a thousand
    assert events[-1]["results"] == {}
    pipe.close()
    assert pipe.process.returncode == 0


def test_it_survives_every_error_and_explains_it(pipe: Pipe) -> None:
    pipe.next()
    messages = {}
    for number, how in enumerate(("user", "internal", "exit", "memory", "exhausted")):
        messages[how] = pipe.ask(number, "fail", how=how)[-1]["message"]
    assert messages["user"] == "Model a.keras has no output 'é'."
    assert messages["internal"] == "Internal error: KeyError: 'lost'"
    assert messages["exit"] == "Internal error: SystemExit: 3"
    assert messages["memory"].startswith("Not enough memory: Unable to allocate 9 TiB. Close other programs")
    assert messages["exhausted"].startswith("Not enough memory: OOM when allocating tensor. Close other programs")
    assert pipe.ask(9, "echo", a=1)[-1]["results"]["values"] == {"a": 1}
    log = pipe.close()
    assert "engine_operations.py" in log and "KeyError: 'lost'" in log
    assert "ModelError" not in log


def test_a_tensorflow_that_cannot_be_imported_is_told_when_needed(pipe: Pipe, tmp_path: Path) -> None:
    pipe.close()
    (tmp_path / "broken_tensorflow").touch()
    broken = Pipe()
    assert [event["event"] for event in broken.ask(1, "echo")] == ["ready", "started", "result"]
    message = broken.ask(2, "use_tensorflow")[-1]["message"]
    assert message.startswith(f"The engine's Python ({sys.executable}) cannot import TensorFlow: ")
    assert "otbtf:installengine" in message
    assert broken.ask(3, "fail", how="user")[-1]["message"] == "Model a.keras has no output 'é'."
    broken.close()


def test_what_others_print_goes_to_the_log_and_they_cannot_read_requests(pipe: Pipe) -> None:
    pipe.next()
    pipe.send(id=1, run="noise", values={})
    pipe.send(id=2, run="echo", values={})
    assert pipe.until("result")[-1] == {"event": "result", "id": 1, "results": {"read": ""}}
    assert pipe.until("result")[-1]["id"] == 2
    log = pipe.close()
    assert "forged" in log and "noise from a library" in log and "noise from a child" in log


def test_cancelling_one_that_runs_and_one_that_waits(pipe: Pipe, tmp_path: Path) -> None:
    pipe.next()
    pipe.send(id=1, run="work", values={"folder": str(tmp_path / "t")})
    pipe.send(id=2, run="echo", values={})
    pipe.send(id=3, run="echo", values={})
    pipe.until("info")
    pipe.send(cancel=2)
    pipe.send(cancel=1)
    assert pipe.until(*ENDS) == [{"event": "cancelled", "id": 1}]
    assert pipe.until(*ENDS)[-1] == {"event": "cancelled", "id": 2}
    assert pipe.until(*ENDS)[-1]["event"] == "result"


def test_a_request_begins_while_tensorflow_is_loaded_and_waits_where_it_needs_it(pipe: Pipe, tmp_path: Path) -> None:
    pipe.close()
    slow = tmp_path / "slow_tensorflow"
    slow.touch()
    pipe = Pipe()
    pipe.next()
    assert pipe.ask(1, "echo")[-1]["event"] == "result"
    pipe.send(id=2, run="use_tensorflow", values={})
    assert [event["event"] for event in pipe.until("info")] == ["started", "info"]
    threading.Timer(0.2, slow.unlink).start()
    assert pipe.until("info")[-1]["message"] == "computes"
    assert not slow.exists()
    assert pipe.until(*ENDS)[-1]["event"] == "result"
    pipe.close()


@pytest.mark.parametrize("end", ["end of file", "SIGTERM"])
@pytest.mark.parametrize("operation", ["work", "hang"])
def test_the_end_of_the_parent_ends_it_and_removes_the_output(
    pipe: Pipe, tmp_path: Path, end: str, operation: str
) -> None:
    pipe.next()
    pipe.send(id=1, run=operation, values={"folder": str(tmp_path / "t")})
    pipe.until("info")
    assert (tmp_path / "t" / "half.tif").exists()
    if end == "SIGTERM":
        pipe.process.terminate()
    else:
        pipe.process.stdin.close()
    assert pipe.process.wait(timeout=2) == (143 if end == "SIGTERM" else 0)
    assert not (tmp_path / "t").exists()


def test_what_a_finished_run_left_is_not_removed(pipe: Pipe, tmp_path: Path) -> None:
    pipe.next()
    pipe.send(id=1, run="work", values={"folder": str(tmp_path / "t")})
    pipe.until("info")
    pipe.send(cancel=1)
    pipe.until("cancelled")
    (tmp_path / "t").mkdir()  # now somebody else's
    pipe.close()
    assert (tmp_path / "t").exists()


def test_ctrl_c_is_left_to_the_parent(pipe: Pipe) -> None:
    pipe.next()
    pipe.process.send_signal(signal.SIGINT)
    assert pipe.ask(1, "echo")[-1]["event"] == "result"


def test_it_leaves_when_idle() -> None:
    pipe = Pipe("--idle-minutes", "0.005")
    pipe.next()
    start = time.monotonic()
    assert pipe.next() == {"event": "idle"}
    assert pipe.process.wait(timeout=2) == 0
    assert time.monotonic() - start >= 0.25
    pipe.close()


def test_it_ends_when_nobody_reads_its_events(pipe: Pipe) -> None:
    pipe.next()
    pipe.process.stdout.close()
    pipe.send(id=1, run="report", values={})
    assert pipe.process.wait(timeout=2) == 1


def test_it_removes_its_folder_when_nobody_reads_its_log(tmp_path: Path) -> None:
    """A dead parent closes both pipes at once: whichever the engine notices first, it ends in order."""
    folder = tmp_path / planned_name() / "files"
    folder.mkdir(parents=True)
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), str(TREE)],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert json.loads(process.stdout.readline())["event"] == "ready"
        process.stderr.close()
        process.stdin.write(json.dumps({"id": 1, "run": "echo", "values": {}}).encode() + b"\n")
        process.stdin.flush()
        assert process.wait(timeout=10) == 1
        assert list(tmp_path.iterdir()) == []


def test_it_starts_as_a_module(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "otbtf_qgis.core.worker", "--help"],
        env={**os.environ, "PYTHONPATH": str(TREE)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert "--idle-minutes" in process.stdout


def test_temporaries_of_every_sort_are_removed(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "folder" / "inner" / "a.tif").touch()
    (tmp_path / "file").touch()
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    paths = Temporaries()
    for name in ("folder", "file", "link", "never there"):
        paths.add(str(tmp_path / name))
    assert paths.remove() == []
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_temporary_that_resists_is_returned(tmp_path: Path) -> None:
    paths = Temporaries()
    paths.add("/proc/self/status")
    assert paths.remove() == ["/proc/self/status"]
    assert paths.remove() == []


def test_a_folder_still_written_into_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    folder.mkdir()
    stop = time.monotonic() + 0.1

    def write() -> None:
        number = 0
        while time.monotonic() < stop:
            number += 1
            try:
                (folder / str(number)).touch()
            except FileNotFoundError:
                folder.mkdir(exist_ok=True)

    writer = threading.Thread(target=write)
    writer.start()
    assert remove(str(folder))
    writer.join()


def test_keras_is_imported_apart_and_others_find_later_what_it_does_not_need() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(TREE)!r}); from otbtf_qgis.core import worker; worker.import_tensorflow(); "
        "print('keras' in sys.modules, 'tensorflow' in sys.modules); worker.import_keras(); "
        "before = set(worker.UNUSED_BY_KERAS) & set(sys.modules); import sklearn.base, matplotlib.pyplot; "
        "from tensorflow.keras.layers import Dense; import keras; print(sorted(before), keras.layers.Dense is Dense)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False True\n[] True\n"


@pytest.mark.parametrize(
    ("operation", "cure"),
    [
        ("TensorflowModelServe", "Lower MEMORY (in MB), or close other programs."),
        ("ComputeConfusionMatrix", "Lower RAM (in MB), or close other programs."),
        ("CreateModel", "Close other programs."),
        ("no such operation", "Close other programs."),
    ],
)
def test_advice_against_a_lack_of_memory_names_what_the_operation_has(operation: str, cure: str) -> None:
    assert worded(explain(MemoryError("9 TiB"), None, operation), as_key) == f"Not enough memory: 9 TiB. {cure}"


def test_mentions_of_parameters_are_sent_as_they_are(tmp_path: Path) -> None:
    """Who shows the message, a dialog or a terminal, decides how it calls a parameter."""
    process = subprocess.Popen(
        [sys.executable, "-m", "otbtf_qgis.core.worker"],
        env={**os.environ, "PYTHONPATH": str(TREE)},
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        process.stdin.write(json.dumps({"id": 1, "run": "TensorflowModelServe", "values": {"out": "a.tif"}}) + "\n")
        process.stdin.flush()
        events = [json.loads(process.stdout.readline()) for _ in ("ready", "started", "error")]
        process.kill()
    assert decoded(events[-1]["message"]).startswith(f"{field('=source1.il')} is missing")
