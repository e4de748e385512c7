"""Scratch folders: announced, private, gone at the end, and removed by the next one where a process was killed."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import otbtf_qgis
from otbtf_qgis.core.base.temporaries import announcing_to, scratch_folder

TREE = Path(otbtf_qgis.__path__[0]).parent

KILLED = """
import os, signal
from otbtf_qgis.core.base.temporaries import scratch_folder
with scratch_folder() as folder:
    (folder / "a").write_text("a")
    print(folder.parent, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, of this process and of those that it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


def test_it_is_announced_private_and_gone_at_the_end(place: Path) -> None:
    heard: list[str] = []
    with announcing_to(heard.append):
        with scratch_folder() as folder:
            (folder / "a").write_text("a")
            assert heard == [str(folder.parent)] and folder.parent.parent == place
            assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
        assert list(place.iterdir()) == []
    with scratch_folder():
        assert len(heard) == 1, "nobody listens any more"


def test_that_of_a_killed_process_goes_with_the_next_and_that_of_a_live_one_stays(place: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED], cwd=TREE, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    left = Path(done.stdout.strip())
    assert left.is_dir() and left.parent == place
    with scratch_folder() as ours:
        assert not left.exists()
        with scratch_folder():
            assert ours.is_dir()


ENDING = """
import os, sys, threading, time
from pathlib import Path
from otbtf_qgis.core.base.temporaries import Temporaries, announcing_to, scratch_folder
temporaries, folder = Temporaries(), Path(sys.argv[1])
"""

WRITING = f"""{ENDING}
def write():
    end = time.monotonic() + 0.6
    while time.monotonic() < end:
        folder.mkdir(exist_ok=True)
        (folder / str(time.monotonic())).touch()
temporaries.add(str(folder))
threading.Thread(target=write, daemon=True).start()
time.sleep(0.1)
temporaries.remove_for_good()
os._exit(3)
"""

MAKING = f"""{ENDING}
temporaries.remove_for_good()
def make():
    with announcing_to(temporaries.add), scratch_folder():
        folder.mkdir()
threading.Thread(target=make, daemon=True).start()
time.sleep(0.3)
os._exit(3)
"""


@pytest.mark.parametrize("program", [WRITING, MAKING], ids=["a thread writes on", "a thread begins"])
def test_nothing_is_left_by_a_process_that_ends(place: Path, program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program, str(place / "made")], cwd=TREE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr
    assert list(place.iterdir()) == []
