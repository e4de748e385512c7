"""The hidden folders in which outputs are made, and what may lie in their way."""

from __future__ import annotations

import os
import re
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import ParameterError, RasterError, field
from otbtf_qgis.core.files import inputs
from otbtf_qgis.core.files.staging import Staging, check_file, check_writable, write_text_file
from otbtf_qgis.core.models.sidecar import write_sidecar
from otbtf_qgis.core.training.checkpoints import Checkpoints, TrainingState


class TestFolder:
    def test_is_private_and_gone_afterwards(self, tmp_path: Path) -> None:
        with Staging(str(tmp_path / "a.txt"), Progress()) as staging:
            assert stat.S_IMODE(staging.folder.stat().st_mode) == 0o700
            staging.path.write_text("new")
            staging.commit()
        assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]

    def test_is_announced_before_it_is_made(self, tmp_path: Path) -> None:
        """So that the end of a run that is killed removes it."""
        told: list[tuple[str, bool]] = []

        class Log(Progress):
            def temporary(self, path: str) -> None:
                told.append((path, os.path.exists(path)))

        with Staging(str(tmp_path / "a.txt"), Log()) as staging:
            assert told == [(str(staging.folder), False)]

    def test_those_of_processes_that_are_gone_make_room(self, tmp_path: Path) -> None:
        left = tmp_path / f".otbtf-{'0' * 16}-1-1-{'0' * 16}"
        left.mkdir()
        os.utime(left, (0, 0))
        with Staging(str(tmp_path / "a.txt"), Progress()) as staging:
            assert list(tmp_path.iterdir()) == [staging.folder]

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


class TestCommit:
    @staticmethod
    def stage(path: Path, *names: str) -> None:
        with Staging(str(path), Progress()) as staging:
            for name in names:
                (staging.folder / name).write_text("new")
            staging.commit()

    def test_the_main_file_is_moved_last(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever sees it finds its companions there."""
        moved: list[str] = []
        replace = os.replace
        monkeypatch.setattr(os, "replace", lambda one, two: (moved.append(Path(two).name), replace(one, two)))
        self.stage(tmp_path / "m.bin", "z.hdr", "m.bin", "a.xml")
        assert sorted(moved) == ["a.xml", "m.bin", "z.hdr"] and moved[-1] == "m.bin"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.xml", "m.bin", "z.hdr"]

    @pytest.mark.parametrize(
        ("main", "stale"),
        [
            ("a.tif", ["a.tif.aux.xml", "a.tif.ovr", "a.tif.msk"]),
            ("a.gpkg", ["a.gpkg-wal", "a.gpkg-shm", "a.gpkg-journal"]),
            ("a.SHP", ["a.qix", "a.sbn", "a.cpg", "a.prj", "a.shp.xml"]),
            ("a.csv", ["a.csvt", "a.prj"]),
            ("a.gml", ["a.gfs", "a.xsd"]),
        ],
    )
    def test_what_belonged_to_the_older_output_goes(self, tmp_path: Path, main: str, stale: list[str]) -> None:
        others = ["b.tif.aux.xml", "a.txt", "a.tif.old"]
        for name in [main, *stale, *others]:
            (tmp_path / name).write_text("old")
        self.stage(tmp_path / main, main, stale[0])
        assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
            main: "new",
            stale[0]: "new",
            **dict.fromkeys(others, "old"),
        }

    def test_a_folder_takes_the_place_of_an_older_one(self, tmp_path: Path) -> None:
        target = tmp_path / "model"
        target.mkdir()
        (target / "old").touch()
        with Staging(str(target), Progress()) as staging:
            staging.path.mkdir()
            (staging.path / "new").touch()
            staging.commit()
        assert [path.name for path in tmp_path.iterdir()] == ["model"]
        assert [path.name for path in target.iterdir()] == ["new"]

    def test_an_older_folder_comes_back_where_the_new_one_cannot_be_moved(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target, replace = tmp_path / "model", os.replace
        target.mkdir()
        (target / "old").touch()

        def fail(one: Path, two: Path) -> None:
            if Path(one).parent.name.startswith(".otbtf-"):
                raise OSError(13, "Permission denied", str(one), None, str(two))
            replace(one, two)

        with Staging(str(target), Progress()) as staging:
            staging.path.mkdir()
            monkeypatch.setattr(os, "replace", fail)
            with pytest.raises(ParameterError, match=rf"Cannot replace {re.escape(str(target))}: Permission denied"):
                staging.commit()
        assert [path.name for path in tmp_path.iterdir()] == ["model"]
        assert [path.name for path in target.iterdir()] == ["old"]

    def test_a_link_to_a_folder_is_replaced_and_the_folder_stays(self, tmp_path: Path) -> None:
        target, link = tmp_path / "target", tmp_path / "a.txt"
        target.mkdir()
        (target / "theirs").touch()
        link.symlink_to(target)
        self.stage(link, "a.txt")
        assert link.read_text() == "new" and not link.is_symlink() and (target / "theirs").exists()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "target"]

    def test_nothing_is_replaced_by_what_was_made_of_a_changed_input(self, tmp_path: Path) -> None:
        source, target = tmp_path / "source.txt", tmp_path / "a.txt"
        source.write_text("input")
        target.write_text("old")
        with inputs.watched(Progress()), Staging(str(target), Progress()) as staging:
            inputs.current().watch(str(source), "source.txt")
            staging.path.write_text("new")
            source.write_text("another input")
            with pytest.raises(RasterError, match=r"source\.txt .* changed"):
                staging.commit()
        assert target.read_text() == "old"

    def test_what_was_not_committed_is_gone(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("old")
        with Staging(str(tmp_path / "a.txt"), Progress()) as staging:
            staging.path.write_text("half")
        assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]

    def test_a_folder_that_cannot_be_written_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[int] = []
        monkeypatch.setattr(os, "access", lambda _, mode: asked.append(mode))  # as who is not root is told
        with pytest.raises(ParameterError, match="is not writable"):
            Staging(str(tmp_path / "a.txt"), Progress())
        assert asked == [os.W_OK | os.X_OK]


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
