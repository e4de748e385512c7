"""Whose a hidden folder is, and when it is removed: never that of a live process."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from otbtf_qgis.core.base.ownership import claim, is_abandoned, planned_name, release, remove_abandoned
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.files.staging import Staging

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
        with holder(tmp_path) as (live, process):
            age(live, 30)
            remove_abandoned(tmp_path)
            assert (live / "out.tif").read_bytes() == b"half"
            assert process.poll() is None  # it was looked up, not signalled

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
        assert not is_abandoned(link, link.name) and not list(target.iterdir())  # not even a lock was made there


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Path]:
    """A folder of this process, in which nothing has changed for a month."""
    folder = tmp_path / planned_name()
    claim(folder)
    age(folder, 30)
    yield folder
    release(str(folder))


def test_a_folder_that_cannot_be_locked_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = os.open

    def refuse(path: Any, *arguments: Any, **options: Any) -> int:
        if Path(path).name == ".lock":
            raise OSError("too many open files")
        return make(path, *arguments, **options)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="too many open files"):
        patch.setattr(os, "open", refuse)
        claim(tmp_path / planned_name())
    assert list(tmp_path.iterdir()) == []


class TestLiveProcess:
    """A process that lives keeps its folder, however little of it is seen; its lock may not be, on a file system without."""

    @pytest.fixture(autouse=True)
    def without_locks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fcntl, "flock", lambda *_: None)

    def test_is_seen(self, mine: Path) -> None:
        assert not is_abandoned(mine, mine.name)

    def test_of_another_user_is_no_dead_one(self, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(pid: int, number: int) -> None:
            assert (pid, number) == (os.getpid(), 0)
            raise PermissionError

        monkeypatch.setattr(os, "kill", refuse)
        assert not is_abandoned(mine, mine.name)

    def test_whose_start_is_hidden_is_no_dead_one(self, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As by hidepid, an option with which /proc is mounted."""
        read = Path.read_text

        def hidden(path: Path, *arguments: Any, **options: Any) -> str:
            if path.name == "stat":
                raise FileNotFoundError(str(path))
            return read(path, *arguments, **options)

        monkeypatch.setattr(Path, "read_text", hidden)
        assert not is_abandoned(mine, mine.name)

    def test_that_could_not_tell_its_start_keeps_what_is_fresh(self, mine: Path) -> None:
        unknown = renamed(mine, start="0")
        (unknown / "map.tif").touch()
        assert not is_abandoned(unknown, unknown.name)

    def test_with_a_strange_name_is_read(self, tmp_path: Path) -> None:
        """The name of a program may hold spaces and brackets, which separate the fields of /proc/PID/stat."""
        code = "import sys; open('/proc/self/comm', 'w').write('a) Z 1 (b'); print(flush=True); sys.stdin.read()"
        with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as process:
            process.stdout.readline()
            started = int(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19])
            _, place, _, _, rest = re.fullmatch(r"(\.otbtf)-(\w+)-(\d+)-(\d+)-(\w+)", planned_name()).groups()
            folder = tmp_path / f".otbtf-{place}-{process.pid}-{started}-{rest}"
            folder.mkdir()
            age(folder, 30)
            assert not is_abandoned(folder, folder.name)
            process.kill()


class TestOfElsewhere:
    """A folder of another machine or container, in which nothing has changed for a month, is removed if it is seen whole."""

    @pytest.fixture
    def theirs(self, tmp_path: Path) -> Path:
        folder = tmp_path / f".otbtf-{'0' * 16}-1-1-{'0' * 16}"
        folder.mkdir()
        age(folder, 30)
        return folder

    def test_goes_and_no_file_stays_open(self, theirs: Path) -> None:
        before = len(os.listdir("/proc/self/fd"))
        assert is_abandoned(theirs, theirs.name)
        assert len(os.listdir("/proc/self/fd")) == before

    def test_whose_lock_leads_elsewhere_stays(self, theirs: Path, tmp_path: Path) -> None:
        (theirs / ".lock").symlink_to(tmp_path / "victim")
        for path in (theirs / ".lock", theirs):
            os.utime(path, (0, 0), follow_symlinks=False)
        assert not is_abandoned(theirs, theirs.name)
        assert not (tmp_path / "victim").exists()

    @pytest.mark.parametrize("missing", [os.R_OK, os.X_OK])
    def test_into_which_nobody_may_look_stays(
        self, theirs: Path, missing: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "access", lambda _, mode: not mode & missing)  # as who is not root is told
        assert not is_abandoned(theirs, theirs.name)


def lockable(folder: Path) -> bool:
    with open(folder / ".lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
