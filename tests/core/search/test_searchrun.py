"""SearchSettings: trials, the best of them, what is kept, and how a search that was stopped goes on."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import training_scene as scene

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import Cancelled, EngineError, OtbtfError
from otbtf_qgis.core.models.sidecar import read_sidecar


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("search")
    training, validation = scene.patches(folder, "training", 24), scene.patches(folder, "validation", 21, seed=5)
    return {
        "model.dir": scene.classifier(folder / "net.keras"),
        "training.source1.il": training["source1.il"],
        "training.target.il": training["source2.il"],
        "validation.source1.il": validation["source1.il"],
        "validation.target.il": validation["source2.il"],
        "training.epochs": 2,
        "trials": 2,
        "settings": "LEARNING_RATE=0.001;0.03;0.1 TRAINING_BATCHSIZE=8;12",
        "score": "f1_macro",
        "seed": 3,
    }


def search(files: dict[str, Any], folder: Path, log: scene.Log | None = None, **more: Any) -> dict[str, Any]:
    return registry.run("SearchSettings", {**files, "out": str(folder / "trials.json"), **more}, log or scene.Log())


def training(files: dict[str, Any]) -> dict[str, Any]:
    """The values that TrainModel takes, too."""
    return {name: value for name, value in files.items() if name not in ("trials", "settings", "score")}


def trials(folder: Path) -> list[dict[str, Any]]:
    """The trials, without the times."""
    rows = json.loads((folder / "trials.json").read_text(encoding="utf-8"))["trials"]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


class Stopped(scene.Log):
    """Stops once a line says so, after some more looks."""

    def __init__(self, line: str, looks: int = 0) -> None:
        super().__init__()
        self._line, self._looks = line, looks

    def cancelled(self) -> bool:
        if any(self._line in line for line in self.lines):
            self._looks -= 1
        return self._looks < 0


@pytest.fixture(scope="module")
def whole(files: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], list[str]]:
    """A search that nothing stopped, with all outputs."""
    folder, log = tmp_path_factory.mktemp("whole"), scene.Log()
    outs = {"model.saveto": str(folder / "best"), "out.report": str(folder / "search.html")}
    return folder, search(files, folder, log, **outs), log.lines


def test_each_trial_is_a_training_and_the_best_is_kept(
    files: dict[str, Any], whole: tuple[Path, dict[str, Any], list[str]], tmp_path: Path
) -> None:
    folder, results, lines = whole
    found = trials(folder)
    assert [row["trial"] for row in found] == [1, 2] and results["trials_done"] == 2
    alone = {}
    for row in found:  # each is what TrainModel makes of its settings
        kept = str(tmp_path / f"trial{row['trial']}") if row["trial"] == results["best_trial"] else None
        values = {**training(files), **row["settings"], "model.saveto": kept}
        alone[row["trial"]] = registry.run("TrainModel", values, scene.Log())
        assert row["score"] == pytest.approx(alone[row["trial"]]["f1_macro"], abs=1e-6)
    best = max(alone, key=lambda number: (alone[number]["f1_macro"], -number))
    assert results["best_trial"] == best
    assert results["best_score"] == results["f1_macro"] == pytest.approx(alone[best]["f1_macro"], abs=1e-6)
    assert json.loads(results["best_settings"]) == found[best - 1]["settings"]
    for one, other in zip(
        scene.weights(str(folder / "best" / "assets.extra" / "model.keras")),
        scene.weights(str(tmp_path / f"trial{best}" / "assets.extra" / "model.keras")),
    ):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert read_sidecar(str(folder / "best")) is not None
    assert sorted(path.name for path in folder.iterdir()) == [
        "best",
        "search.html",
        "trials.json",
        "trials.json.journal",
    ]
    page = (folder / "search.html").read_text(encoding="utf-8")
    for part in (
        "The best of 2 trials",
        "optimistic",
        "LEARNING_RATE",
        "Best trial: training report",
        "Confusion matrix",
    ):
        assert part in page
    assert any("is optimistic" in line for line in lines if line.startswith("Warning"))


def test_a_search_that_was_stopped_goes_on_to_the_same_end(
    files: dict[str, Any], whole: tuple[Path, dict[str, Any], list[str]], tmp_path: Path
) -> None:
    """Stopped in the first training, then after it."""
    for line, looks in (("The search has", 4), ("Trial 1: ", 0)):
        with pytest.raises(Cancelled):
            search(files, tmp_path, Stopped(line, looks), resume=True)
    assert not (tmp_path / "trials.json").exists()
    results = search(files, tmp_path, resume=True)
    assert trials(tmp_path) == trials(whole[0])
    assert results["best_trial"] == whole[1]["best_trial"] and results["kappa"] == whole[1]["kappa"]
    assert (results["trials_done"], results["trials_kept"]) == (2, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trials.json", "trials.json.journal"]


def test_more_trials_go_on_with_those_that_are_done(
    files: dict[str, Any], whole: tuple[Path, dict[str, Any], list[str]], tmp_path: Path
) -> None:
    shutil.copy(whole[0] / "trials.json.journal", tmp_path)
    report = tmp_path / "search.html"
    results = search({**files, "trials": 3, "calibrate": True, "out.report": str(report)}, tmp_path, resume=True)
    assert (
        "Calibration of the class probabilities"
        in report.read_text(encoding="utf-8").split("Best trial: training report")[1]
    )
    assert results["trials_kept"] == 2 and trials(tmp_path)[:2] == trials(whole[0]) and len(trials(tmp_path)) == 3
    others = scene.patches(tmp_path, "others", 24, seed=8)
    for changed, message in (
        ({"seed": 4}, r"RESUME is on, but .*journal is of a run in which SEED was 3, not 4: restore"),
        ({"settings": "OPTIMIZER=sgd"}, r"in which SETTINGS was .*LEARNING_RATE=0.001.*, not \"OPTIMIZER=sgd\""),
        ({"training.source1.il": others["source1.il"]}, "in which TRAINING_SOURCE1_IL was"),
        ({"patience": 3}, "in which PATIENCE was 0, not 3"),
    ):
        with pytest.raises(OtbtfError, match=message):
            search({**files, **changed}, tmp_path, resume=True)
    assert len(trials(tmp_path)) == 3, "nothing was lost"


def test_files_that_have_changed_are_not_gone_on_with(
    files: dict[str, Any], whole: tuple[Path, dict[str, Any], list[str]], tmp_path: Path
) -> None:
    shutil.copy(whole[0] / "trials.json.journal", tmp_path)
    (image,) = files["training.source1.il"]
    before = os.stat(image)
    try:
        os.utime(image, (1, 1))
        with pytest.raises(OtbtfError, match="in which the files of samples and models was"):
            search(files, tmp_path, resume=True)
    finally:
        os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_halving(files: dict[str, Any], tmp_path: Path) -> None:
    """The best third after one epoch goes on to three, as if nothing had stopped it."""
    values = {**files, "training.epochs": 3, "trials": 3, "method": "halving", "score": "kappa"}
    log = Stopped("Trial 2: ")
    with pytest.raises(Cancelled):
        search(values, tmp_path, log)
    results = search(values, tmp_path, log_on := scene.Log(), resume=True)
    found = trials(tmp_path)
    assert sorted(row["epochs"] for row in found) == [1, 1, 3]
    first = {}
    for line in (*log.lines, *log_on.lines):
        if match := re.match(r"Trial (\d): kappa (-?[\d.]+) after 1 epoch,", line):
            first[int(match[1])] = float(match[2])
    assert len(first) == 3 and len(set(first.values())) > 1
    best = max(first, key=lambda number: (first[number], -number))
    assert results["best_trial"] == best == next(row["trial"] for row in found if row["epochs"] == 3)
    alone = registry.run(
        "TrainModel", {**training(files), **found[best - 1]["settings"], "training.epochs": 3}, scene.Log()
    )
    assert results["best_score"] == pytest.approx(alone["kappa"], abs=1e-6)


def test_a_trial_that_fails_is_listed_and_the_others_go_on(files: dict[str, Any], tmp_path: Path) -> None:
    log = scene.Log()
    values = {**files, "settings": "LOSS=dice;focal", "class_weights": "balanced", "trials": 5}
    results = search(values, tmp_path, log)
    assert (results["trials_done"], results["trials_failed"]) == (1, 1)
    failed = next(row for row in trials(tmp_path) if "error" in row)
    assert failed["settings"] == {"loss": "dice"} and failed["error"].startswith(
        "CLASS_WEIGHTS is balanced, but the loss"
    )
    assert any("failed (LOSS=dice): CLASS_WEIGHTS" in line for line in log.lines)
    assert any("SETTINGS has 2 combinations" in line for line in log.lines)


def test_no_trial_begins_after_the_time_limit(
    files: dict[str, Any], whole: tuple[Path, dict[str, Any], list[str]], tmp_path: Path
) -> None:
    shutil.copy(whole[0] / "trials.json.journal", tmp_path)
    results = search({**files, "trials": 3, "minutes": 1e-3}, tmp_path, resume=True)
    assert (results["trials_done"], results["trials_kept"]) == (2, 2) and trials(tmp_path) == trials(whole[0])


def test_a_score_that_no_trial_has(
    files: dict[str, Any], whole: tuple[Path, dict[str, Any], list[str]], tmp_path: Path
) -> None:
    about, rest = (whole[0] / "trials.json.journal").read_text(encoding="utf-8").split("\n", 1)
    (tmp_path / "trials.json.journal").write_text(about.replace("f1_macro", "rmse") + "\n" + rest, encoding="utf-8")
    with pytest.raises(OtbtfError, match="No trial has the score RMSE: choose another one in SCORE"):
        search({**files, "score": "rmse"}, tmp_path, resume=True)


def test_all_trials_fail(files: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"All 2 trials failed\. The first: Trial 1 \(LEARNING_RATE=0\.\d+\): .*LOSS"):
        search({**files, "settings": "LEARNING_RATE=0.1;0.2", "loss": "mse"}, tmp_path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"trials": 0}, "TRIALS is 0, but must be at least 1"),
        ({"training.epochs": 0}, "TRAINING_EPOCHS is 0, but must be at least 1"),
        ({"minutes": 0}, "MINUTES is 0, but must be above 0"),
        ({"settings": "MODEL_DIR=cnn16;cnn17"}, "SETTINGS, MODEL_DIR=cnn17: MODEL_DIR is cnn17, which does not exist"),
        ({"settings": "WIDHT=1:8"}, "Did you mean WIDTH"),
        ({"settings": "LEARNING_RATE=0.1:0.01"}, "a range is from"),
        (
            {"method": "halving", "schedule": "cosine"},
            "METHOD is halving, but SCHEDULE is cosine, which spans all epochs",
        ),
        ({"method": "halving", "settings": "SCHEDULE=constant;exponential"}, "SCHEDULE is exponential"),
        ({"training.target.il": []}, "TRAINING_TARGET_IL is missing"),
    ],
)
def test_bad_input(files: dict[str, Any], changed: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(OtbtfError, match=message):
        search({**files, "trials": 1, **changed}, tmp_path)


def test_without_validation_nothing_can_be_compared(files: dict[str, Any], tmp_path: Path) -> None:
    given = {name: value for name, value in files.items() if not name.startswith("validation")}
    with pytest.raises(OtbtfError, match="VALIDATION_SOURCE1_IL and VALIDATION_SHARE are missing: trials are compared"):
        search(given, tmp_path)
