"""A training that was stopped goes on as if it had not been."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import training_scene as scene

import otbtf_qgis
from otbtf_qgis.core.errors import Cancelled, ParameterError, TrainingError

EPOCHS = 4

KILLED = """
import os, signal, sys
from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress

class Killer(Progress):
    def info(self, message):
        if message.startswith("Epoch 3/"):  # before its checkpoint is written
            os.kill(os.getpid(), signal.SIGKILL)

registry.run("TensorflowModelTrain", eval(sys.argv[1]), Killer())
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The parameters of a training in which much is drawn: order, dropout, augmentation."""
    folder = tmp_path_factory.mktemp("data")
    return {
        "model.dir": scene.classifier(folder / "net.keras", dropout=0.3),
        **scene.keyed("training", scene.patches(folder, "train", 50)),
        **scene.keyed("validation", scene.patches(folder, "valid", 20, seed=1)),
        "training.batchsize": 16,
        "training.epochs": EPOCHS,
        "augmentation": "flips_turns",
        "schedule": "plateau",
        "seed": 5,
    }


@pytest.fixture(scope="module")
def whole(run: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is kept of a run that ran through."""
    folder = tmp_path_factory.mktemp("whole")
    scene.train(**run, **kept(folder))
    return folder


def kept(folder: Path) -> dict[str, str]:
    return {"checkpoints": str(folder / "kept"), "out.history": str(folder / "history.csv")}


def same(one: Path, other: Path) -> None:
    """Compare, bit for bit, the state at the end, the best weights, and the history."""
    with np.load(one / "kept" / "checkpoint.npz") as here, np.load(other / "kept" / "checkpoint.npz") as there:
        assert sorted(here) == sorted(there)
        for name in set(here) - {"state"}:
            np.testing.assert_array_equal(here[name], there[name])
    for ours, theirs in zip(*(scene.weights(str(folder / "kept" / "best.keras")) for folder in (one, other))):
        np.testing.assert_array_equal(ours, theirs)
    assert scene.history(one / "history.csv") == scene.history(other / "history.csv")


def test_a_killed_run_goes_on_to_the_same_result(run: dict[str, Any], whole: Path, tmp_path: Path) -> None:
    values = {**run, **kept(tmp_path), "resume": True}
    tree = Path(otbtf_qgis.__path__[0]).parent
    died = subprocess.run([sys.executable, "-c", KILLED, repr(values)], cwd=tree, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert not (tmp_path / "history.csv").exists()
    assert sorted(os.listdir(tmp_path / "kept")) == ["best.keras", "checkpoint.npz"]

    log = scene.Log()
    results = scene.train(log, **values)
    assert any(line.startswith("Resuming after epoch 2") for line in log.lines)
    assert results["epochs_run"] == EPOCHS
    same(whole, tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["history.csv", "kept"], "what the killed run had begun is gone"


class Canceller(scene.Log):
    """Asks to stop in the third epoch."""

    def cancelled(self) -> bool:
        return any(line.startswith("Epoch 2/") for line in self.lines)


def test_cancelling_keeps_the_best_weights_and_more_epochs_can_follow(
    run: dict[str, Any], whole: Path, tmp_path: Path
) -> None:
    values = {**run, **kept(tmp_path), "resume": True}  # nothing is there yet to go on from
    log = Canceller()
    with pytest.raises(Cancelled):
        scene.train(log, **values)
    assert not (tmp_path / "history.csv").exists()
    assert any(str(tmp_path / "kept" / "best.keras") in line for line in log.lines)
    assert len(scene.weights(str(tmp_path / "kept" / "best.keras"))) == 8

    assert scene.train(**{**values, "training.epochs": 3})["epochs_run"] == 3
    assert scene.train(**values)["epochs_run"] == EPOCHS
    same(whole, tmp_path)


def test_a_checkpoint_of_another_run_is_refused(run: dict[str, Any], whole: Path, tmp_path: Path) -> None:
    values = {**run, "checkpoints": str(tmp_path / "kept"), "resume": True}
    shutil.copytree(whole / "kept", tmp_path / "kept")
    with pytest.raises(ParameterError, match="TRAINING_BATCHSIZE was 16, not 25"):
        scene.train(**{**values, "training.batchsize": 25})
    (tmp_path / "kept" / "checkpoint.npz").write_bytes(b"PK no zip")
    with pytest.raises(ParameterError, match="is damaged"):
        scene.train(**values)


def test_a_full_disk_leaves_the_older_checkpoint(run: dict[str, Any], tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")

    class Filler(scene.Log):
        def info(self, message: str) -> None:
            super().info(message)
            if message.startswith("Epoch 2/"):
                with (disk / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError, match="space"):
                    while True:
                        filler.write(bytes(4096))

    try:
        values = {**run, "checkpoints": str(disk / "kept")}
        with pytest.raises(
            TrainingError, match=r"of epoch 2 cannot be written: No space.*The checkpoint of epoch 1 is intact"
        ):
            scene.train(Filler(), **values)
        assert sorted(os.listdir(disk / "kept")) == ["best.keras", "checkpoint.npz"]
        (disk / "filler").unlink()
        log = Canceller()
        with pytest.raises(Cancelled):
            scene.train(log, **values, resume=True)
        assert any(line.startswith("Resuming after epoch 1") for line in log.lines)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
