"""Signals that end qgis_process while it computes by itself, without an engine: nothing half-made stays."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

OLDER = b"an older file"


def await_middle(process: subprocess.Popen[str], folder: Path) -> None:
    """Wait until a file is being written."""
    end = time.monotonic() + 120
    while not any(path.stat().st_size for path in folder.glob(".otbtf-*/*.tif")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "the run did not begin"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("existing", [True, False], ids=["into a folder", "into a new folder"])
def test_a_signal_leaves_nothing(qgis: Any, tmp_path: Path, number: signal.Signals, existing: bool) -> None:
    folder = tmp_path / "data"
    if existing:
        folder.mkdir()
        (folder / "xs_10m.tif").write_bytes(OLDER)
    process = qgis.start("otbtf:createexampledata", {"OUTDIR": folder, "SIZE": 6000})
    await_middle(process, folder)
    process.send_signal(number)
    printed = "".join(process.communicate(timeout=60))
    if number == signal.SIGINT:  # QGIS handles it: it cancels the algorithm
        assert process.returncode > 0 and "Cancelled." in printed
    else:
        assert process.returncode == -number
    if existing:
        assert [path.name for path in folder.iterdir()] == ["xs_10m.tif"]
        assert (folder / "xs_10m.tif").read_bytes() == OLDER
    else:
        assert list(tmp_path.iterdir()) == []


def test_a_signal_that_is_ignored_stays_ignored(qgis: Any, tmp_path: Path) -> None:
    """As nohup has it."""
    folder = tmp_path / "data"
    ignoring = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731
    process = qgis.start("otbtf:createexampledata", {"OUTDIR": folder, "SIZE": 1024}, preexec_fn=ignoring)
    await_middle(process, folder)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert (folder / "xs_10m.tif").is_file() and not list(folder.glob(".otbtf-*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_an_installation_ends_with_its_pip(qgis: Any, tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "engine"
    process = qgis.start("otbtf:installengine", {"FOLDER": folder})
    end = time.monotonic() + 60
    while not (folder / "pyvenv.cfg").exists():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == -number
    time.sleep(0.5)  # a program that goes on would have written something by now
    assert list(tmp_path.iterdir()) == []
