"""The hidden folders in which outputs are made: whose they are, when they are removed, and what may lie in their way."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from otbtf_qgis.core.base.ownership import remove_abandoned
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import ParameterError, field
from otbtf_qgis.core.files.staging import Staging, check_file, check_writable, write_text_file
from otbtf_qgis.core.models.sidecar import write_sidecar
from otbtf_qgis.core.training.checkpoints import Checkpoints, TrainingState

TREE = Path(__file__).parents[3] / "build" / "tree"
HOLD = """
import sys
sys.path.insert(0, sys.argv[1])
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.files.staging import Staging
with Staging(sys.argv[2] + "/out.tif", Progress()) as staging:
    staging.path.write_bytes(b"half")
    print(staging.folder.name, flush=True)
    sys.stdin.read()
"""
NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


@contextmanager
def holder(folder: Path, *launcher: str) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """Yield the live staging folder of another process, and the process."""
    command = [*launcher, sys.executable, "-c", HOLD, str(TREE), str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        try:
            name = process.stdout.readline().strip()
            if not name:
                pytest.skip(f"{launcher} is not possible here")
            yield folder / name, process
        finally:
            process.kill()


def age(folder: Path, days: float) -> None:
    when = time.time() - days * 86400
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (when, when))


def renamed(folder: Path, **parts: str) -> Path:
    """Give a folder the name of one of another place, process or start."""
    _, place, pid, start, rest = re.fullmatch(r"(\.otbtf)-(\w+)-(\d+)-(\d+)-(\w+)", folder.name).groups()
    name = "-".join([".otbtf", parts.get("place", place), parts.get("pid", pid), parts.get("start", start), rest])
    return folder.rename(folder.with_name(name))


class TestAbandoned:
    """Removed are folders of processes that are gone, and no others."""

    def test_of_a_live_process_stays(self, tmp_path: Path) -> None:
        with holder(tmp_path) as (live, _):
            age(live, 30)
            remove_abandoned(tmp_path)
            assert (live / "out.tif").read_bytes() == b"half"

    def test_of_a_killed_process_goes(self, tmp_path: Path) -> None:
        with holder(tmp_path) as (left, process):
            process.kill()
            process.wait()
            assert (left / "out.tif").exists()
            remove_abandoned(tmp_path)
            assert not left.exists()

    def test_of_a_killed_process_that_nobody_has_asked_for_goes(self, tmp_path: Path) -> None:
        with holder(tmp_path) as (left, process):
            os.kill(process.pid, signal.SIGKILL)
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie now
            remove_abandoned(tmp_path)
            assert not left.exists()

    @pytest.mark.parametrize("days", [0, 30])
    def test_of_another_container_stays(self, tmp_path: Path, days: float) -> None:
        """The same host name, file system and user, but process numbers of its own: there is none of that number here."""
        with holder(tmp_path, *NAMESPACE) as (live, _):
            age(live, days)
            remove_abandoned(tmp_path)
            with Staging(str(tmp_path / "other.tif"), Progress()):
                assert (live / "out.tif").read_bytes() == b"half"

    def test_of_here_stays_when_looked_at_from_another_container(self, tmp_path: Path) -> None:
        with Staging(str(tmp_path / "mine.tif"), Progress()) as mine, holder(tmp_path, *NAMESPACE):
            assert mine.folder.is_dir()

    def test_of_another_container_that_is_gone_goes_after_a_day(self, tmp_path: Path) -> None:
        with holder(tmp_path, *NAMESPACE) as (left, process):
            process.kill()
            process.wait()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and not lockable(left):  # the inner process dies a moment later
            time.sleep(0.01)
        age(left, 0.9)
        remove_abandoned(tmp_path)
        assert left.exists()
        age(left, 1.1)
        remove_abandoned(tmp_path)
        assert not left.exists()

    def test_of_another_boot_or_host_stays_while_anything_changes(self, tmp_path: Path) -> None:
        with holder(tmp_path) as (left, process):
            process.kill()
            process.wait()
            left = renamed(left, place="0" * 16)
            age(left, 30)
            (left / "out.tif").write_bytes(b"more")
            remove_abandoned(tmp_path)
            assert left.exists()

    @pytest.mark.parametrize("place", ["0" * 16, "x"])
    def test_locked_from_elsewhere_stays(self, tmp_path: Path, place: str) -> None:
        with holder(tmp_path) as (live, _):
            moved = renamed(live, place=place, pid="4194301")
            age(moved, 30)
            remove_abandoned(tmp_path)
            assert (moved / "out.tif").exists()
            moved.rename(live)

    def test_whose_number_a_later_process_has_goes(self, tmp_path: Path) -> None:
        with holder(tmp_path) as (left, process):
            process.kill()
            process.wait()
            left = renamed(left, pid=str(os.getpid()))  # that started at another time
            remove_abandoned(tmp_path)
            assert not left.exists()

    def test_of_version_01_stays_for_a_day(self, tmp_path: Path) -> None:
        old = tmp_path / ".otbtf-host-4194301-0123abcd"
        old.mkdir()
        (old / "map.tif").touch()
        remove_abandoned(tmp_path)
        assert old.exists()
        age(old, 2)
        remove_abandoned(tmp_path)
        assert not old.exists()

    def test_what_only_looks_alike_stays(self, tmp_path: Path) -> None:
        theirs = tmp_path / ".otbtf-notes"
        theirs.mkdir()
        target = tmp_path / "target"
        target.mkdir()
        link = tmp_path / f".otbtf-{'0' * 16}-1-1-{'0' * 16}"
        link.symlink_to(target)
        pipe = tmp_path / f".otbtf-{'1' * 16}-1-1-{'0' * 16}"
        pipe.mkdir()
        os.mkfifo(pipe / ".lock")
        for path in (theirs, target, pipe):
            age(path, 30)
        remove_abandoned(tmp_path)
        assert theirs.is_dir() and target.is_dir() and link.is_symlink() and pipe.is_dir()


def lockable(folder: Path) -> bool:
    with open(folder / ".lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


class TestFolder:
    def test_is_private_and_gone_afterwards(self, tmp_path: Path) -> None:
        with Staging(str(tmp_path / "a.txt"), Progress()) as staging:
            assert stat.S_IMODE(staging.folder.stat().st_mode) == 0o700
            staging.path.write_text("new")
            staging.commit()
        assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]

    def test_names_cannot_be_foreseen(self, tmp_path: Path) -> None:
        with Staging(str(tmp_path / "a"), Progress()) as one, Staging(str(tmp_path / "b"), Progress()) as two:
            first, second = (staging.folder.name.rpartition("-") for staging in (one, two))
        assert first[0] == second[0] and first[2] != second[2] and len(first[2]) == 16

    def test_a_lock_is_given_back(self, tmp_path: Path) -> None:
        before = len(os.listdir("/proc/self/fd"))
        for number in range(20):
            with Staging(str(tmp_path / f"{number}"), Progress()):
                pass
        assert len(os.listdir("/proc/self/fd")) == before


MAKERS = {
    "a check": lambda path, name: check_writable(path, name),
    "a check of a file": lambda path, name: check_file(path, name),
    "a folder to be made": lambda path, name: Staging(path, Progress(), name),
    "a file to be made": lambda path, name: Staging.of_file(path, Progress(), name),
    "a text": lambda path, name: write_text_file(path, "new", Progress(), name),
}


class TestPlace:
    """What is wrong with a path is told before the work, by each way to write there in the same words."""

    @pytest.mark.parametrize("maker", MAKERS)
    def test_no_folder(self, tmp_path: Path, maker: str) -> None:
        told = f"OUT_REPORT is {tmp_path}/no/a.txt, but the folder {tmp_path}/no does not exist: create it, or"
        with pytest.raises(ParameterError, match=told) as caught:
            MAKERS[maker](f"{tmp_path}/no/a.txt", field("out_report"))
        assert caught.value.fields == ("out_report",)
        with pytest.raises(ParameterError, match=f"The output is {tmp_path}/no/a.txt, but"):
            MAKERS[maker](f"{tmp_path}/no/a.txt", "")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("maker", MAKERS)
    def test_a_folder_that_cannot_be_written_to(self, tmp_path: Path, maker: str) -> None:
        if os.geteuid() == 0:  # modes do not hold root back, who finds out by trying
            place, told = "/proc", "which cannot be written: .*Choose another place"
            if maker.startswith("a check"):
                pytest.skip("root may do everything")
        else:
            place, told = str(tmp_path), f"but the folder {tmp_path} is not writable: choose another"
            tmp_path.chmod(0o555)
        with pytest.raises(ParameterError, match=f"OUT is {place}/a.txt, {told}"):
            MAKERS[maker](f"{place}/a.txt", field("out"))

    @pytest.mark.parametrize("maker", ["a check of a file", "a file to be made", "a text"])
    def test_a_folder_is_no_file(self, tmp_path: Path, maker: str) -> None:
        (tmp_path / "a.txt").mkdir()
        with pytest.raises(ParameterError, match=f"OUT is {tmp_path}/a.txt, which is a folder: choose a file"):
            MAKERS[maker](f"{tmp_path}/a.txt", field("out"))
        assert [item.name for item in tmp_path.iterdir()] == ["a.txt"]

    def test_what_cannot_be_written_or_moved_leaves_the_older_output(self, tmp_path: Path) -> None:
        final = tmp_path / "a.txt"
        final.write_text("older")
        with (
            pytest.raises(ParameterError, match="OUT is .*a.txt, which cannot be written: Is a directory"),
            Staging.of_file(str(final), Progress(), field("out")) as staging,
        ):
            staging.path.mkdir()
            staging.write_text("new")
        with Staging(str(final), Progress()) as staging:
            staging.path.mkdir()  # which takes no file's place
            with pytest.raises(ParameterError, match="Cannot replace .*a.txt: Not a directory"):
                staging.commit()
        assert final.read_text() == "older" and list(tmp_path.iterdir()) == [final]

    def test_lines_end_as_they_are(self, tmp_path: Path) -> None:
        write_text_file(str(tmp_path / "a.txt"), "a\r\n\u00e9\n", Progress())
        assert (tmp_path / "a.txt").read_bytes() == b"a\r\n\xc3\xa9\n"


class TestPlantedLinks:
    """Names that used to be foreseen, taken by links to a file of somebody else's: it stays as it is."""

    @pytest.fixture
    def victim(self, tmp_path: Path) -> Path:
        victim = tmp_path / "elsewhere" / "precious"
        victim.parent.mkdir()
        victim.write_text("precious")
        return victim

    def test_of_a_text(self, tmp_path: Path, victim: Path) -> None:
        planted = tmp_path / f".page.html.{os.uname().nodename}-{os.getpid()}.tmp"
        planted.symlink_to(victim)
        write_text_file(str(tmp_path / "page.html"), "new", Progress())
        assert victim.read_text() == "precious" and planted.is_symlink()
        assert (tmp_path / "page.html").read_text() == "new"

    def test_at_the_final_place_is_replaced(self, tmp_path: Path, victim: Path) -> None:
        (tmp_path / "page.html").symlink_to(victim)
        write_text_file(str(tmp_path / "page.html"), "new", Progress())
        assert victim.read_text() == "precious"
        assert (tmp_path / "page.html").read_text() == "new" and not (tmp_path / "page.html").is_symlink()

    def test_of_a_sidecar(self, tmp_path: Path, victim: Path) -> None:
        (tmp_path / "net.keras").touch()
        planted = tmp_path / f".net.keras.json.{os.uname().nodename}-{os.getpid()}.tmp"
        planted.symlink_to(victim)
        write_sidecar(str(tmp_path / "net.keras"), {"a": 1})
        assert victim.read_text() == "precious" and planted.is_symlink()
        assert (tmp_path / "net.keras.json").read_text() == '{\n  "a": 1\n}\n'

    def test_of_a_checkpoint(self, tmp_path: Path, victim: Path) -> None:
        folder = tmp_path / "state"
        checkpoints = Checkpoints(folder, {}, Progress())
        planted = folder / f".checkpoint-{os.getpid()}.npz"
        planted.symlink_to(victim)
        checkpoints.write(TrainingState(epoch=1), [np.arange(3.0)])
        assert victim.read_text() == "precious" and planted.is_symlink()
        state, values = checkpoints.read()
        assert state.epoch == 1 and values[0].tolist() == [0.0, 1.0, 2.0]
        shutil.rmtree(folder)
