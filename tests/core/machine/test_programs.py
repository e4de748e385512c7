"""Programs run line by line, and pip's log."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import Cancelled
from otbtf_qgis.core.machine import programs
from otbtf_qgis.core.machine.programs import PipLog, run_streaming, status_text


class Recorder(Progress):
    """Keeps what it is told, and cancels from the time `stop_at` on."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.fractions: list[float] = []
        self.stop_at = math.inf

    def info(self, message: str) -> None:
        self.lines.append(message)

    def fraction(self, done: float) -> None:
        self.fractions.append(done)

    def cancelled(self) -> bool:
        return time.monotonic() >= self.stop_at


def test_lines_of_both_streams_and_the_status():
    lines: list[str] = []
    code = "import sys; print('out é', flush=True); print('err', file=sys.stderr); sys.exit(3)"
    status = run_streaming(
        [sys.executable, "-c", code], {**os.environ, "PYTHONIOENCODING": "utf-8"}, lines.append, Progress()
    )
    assert (lines, status) == (["out é", "err"], 3)


def _alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_cancel_kills_the_program_and_what_it_started():
    progress = Recorder()
    started: list[int] = []

    def on_line(line: str) -> None:
        started.append(int(line))
        if len(started) == 2:
            progress.stop_at = time.monotonic() + 0.3  # while it waits for a line

    with pytest.raises(Cancelled):
        run_streaming(["sh", "-c", "echo $$; sleep 60 & echo $!; wait"], os.environ, on_line, progress)
    assert time.monotonic() - progress.stop_at < 5
    end = time.monotonic() + 2
    while any(_alive(process) for process in started) and time.monotonic() < end:
        time.sleep(0.01)
    assert [_alive(process) for process in started] == [False, False]


def test_status_in_words():
    assert status_text(2) == "status 2"
    assert status_text(-9) == "killed by SIGKILL"


def test_fractions_follow_downloads_and_never_fall():
    progress = Recorder()
    log = PipLog(progress, 0.2, 1.0)
    for line in (
        "Collecting tensorflow-cpu>=2.21",
        "  Downloading tensorflow_cpu-2.21.0-cp311-cp311-linux.whl (300.0 MB)",
        "Progress 100000000 of 300000000",
        "Progress 300000000 of 300000000",
        "Collecting keras",
        "  Using cached keras-3.15.1-py3-none-any.whl (1.5 MB)",
        "Installing collected packages: keras, tensorflow-cpu",
        "Successfully installed keras-3.15.1 tensorflow-cpu-2.21.0",
    ):
        log.line(line)
    assert progress.fractions == sorted(progress.fractions)
    assert progress.fractions[2] < progress.fractions[3] - 0.1
    assert progress.fractions[-1] == 1.0
    assert any(line.startswith("Downloaded 300.0 MB") for line in progress.lines)  # not what the cache had
    assert not any(line.startswith("Progress") for line in progress.lines)


def test_change_is_told_when_pip_begins_to_install():
    told: list[str] = []
    log = PipLog(Progress(), 0, 1, at_change=lambda: told.append("now"))
    log.line("Collecting keras")
    assert told == []
    log.line("Installing collected packages: keras")
    assert told == ["now"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("WARNING: Retrying ... NewConnectionError('Failed to establish a new connection')", "cannot be reached"),
        ("ERROR: No matching distribution found for tensorflow-cpu>=2.21", "no build of a package"),
        (
            "ERROR: Could not find a version that satisfies the requirement x (from versions: none)",
            "not be reached, or",
        ),
        ("SSLError(SSLCertVerificationError(1, 'certificate verify failed'))", "certificate"),
        ("ERROR: Could not install packages due to an OSError: Missing dependencies for SOCKS support.", "PySocks"),
        ("ERROR: something new", "lines below"),
    ],
)
def test_causes(line, words):
    log = PipLog(Progress(), 0, 1)
    log.line(line)
    assert words in log.cause(Path("/somewhere"))


def test_passwords_do_not_reach_the_log():
    progress = Recorder()
    log = PipLog(progress, 0, 1)
    log.line("Please check proxy URL. It is malformed: http://me:secret@host:3128x")
    assert "secret" not in "".join(progress.lines) + log.tail()


def test_the_empty_folder_of_a_killed_process_goes_with_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = (
        "import time; from otbtf_qgis.core.machine.programs import empty_folder; made = empty_folder()\n"
        "print(made.__enter__(), flush=True); time.sleep(60)"
    )
    tree = Path(programs.__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tree,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        left = Path(process.stdout.readline().strip())
        with programs.empty_folder() as ours:
            assert left.is_dir() and Path(ours).parents[1] == tmp_path, "that process lives"
        process.kill()
    assert left.is_dir()
    with programs.empty_folder():
        assert not left.exists()
    assert list(tmp_path.iterdir()) == []


def test_the_empty_folder_of_an_earlier_boot_goes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name does not tell whether the process lives; nobody holds its lock, and it is days old."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = tmp_path / f".otbtf-{'0' * 16}-1234-5678-{'1' * 16}"
    (left / "files").mkdir(parents=True)
    for path in (left / "files", left):
        os.utime(path, (0, 0))
    with programs.empty_folder():
        assert not left.exists()
