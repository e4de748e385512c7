"""FindLearningRate: curve, report and suggestion of a whole run, and what is refused."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import training_scene as scene
from api_helpers import write

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import OtbtfError


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("finder")
    training = scene.patches(folder, "training", 48)
    return {
        "model.dir": scene.classifier(folder / "net.keras"),
        "training.source1.il": training["source1.il"],
        "training.target.il": training["source2.il"],
        "training.batchsize": 4,
        "batches": 24,
        "rate.start": 1e-4,
        "rate.end": 10.0,
        "seed": 3,
    }


def found(values: dict[str, Any], log: scene.Log | None = None, **more: Any) -> dict[str, Any]:
    return registry.run("FindLearningRate", {**values, **more}, log or scene.Log())


def table(path: Path) -> dict[str, list[float]]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


def test_a_run(files: dict[str, Any], tmp_path: Path) -> None:
    model = Path(files["model.dir"]).read_bytes()
    log, outs = scene.Log(), {"out.curve": str(tmp_path / "curve.csv"), "out.report": str(tmp_path / "rate.html")}
    results = found(files, log, **outs)
    curve = table(tmp_path / "curve.csv")
    count = int(results["batches_run"])
    assert len(curve["batch"]) == count <= 24
    np.testing.assert_allclose(curve["learning_rate"], np.geomspace(1e-4, 10, 24)[:count], rtol=1e-6)
    mean, smoothed = 0.0, []
    for number, loss in enumerate(curve["loss"], 1):
        mean = 0.9 * mean + 0.1 * loss
        smoothed.append(mean / (1 - 0.9**number))
    np.testing.assert_allclose(curve["smoothed_loss"], smoothed, rtol=1e-6)
    smallest = curve["learning_rate"][int(np.argmin(smoothed))]
    assert results["rate_smallest"] == pytest.approx(smallest)
    assert results["learning_rate"] == pytest.approx(smallest / 10)
    assert 1e-4 < results["rate_steepest"] <= smallest
    page = (tmp_path / "rate.html").read_text(encoding="utf-8")
    assert "data:image/png" in page and f"{results['learning_rate']:.3g}" in page and "BATCHES" in page
    assert any(line.startswith("Suggested learning rate: ") for line in log.lines)
    assert Path(files["model.dir"]).read_bytes() == model
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curve.csv", "rate.html"]
    again = found(files, **{"out.curve": str(tmp_path / "again.csv")})
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "curve.csv").read_bytes(), "SEED repeats it"
    assert again["learning_rate"] == results["learning_rate"]


def test_labels_that_nothing_tells(files: dict[str, Any], tmp_path: Path) -> None:
    """All patches are equal: the loss cannot fall below that of the classes' frequencies."""
    same = write(tmp_path / "same.tif", np.full((48, 8, 8, 3), 7, "uint8"))
    log = scene.Log()
    values = {**files, "training.source1.il": [same], "rate.end": 1e-3, "out.report": str(tmp_path / "r.html")}
    results = found(values, log)
    assert "learning_rate" not in results and "rate_steepest" not in results
    told = "so none is suggested: give more BATCHES, or a higher RATE_END, and check patches and labels."
    assert any(line.startswith("Warning: The loss does not fall") and line.endswith(told) for line in log.lines)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert told in page and "The suggestion is a tenth" not in page


def test_rates_that_are_all_too_high(files: dict[str, Any]) -> None:
    log = scene.Log()
    results = found(files, log, **{"optimizer": "sgd", "rate.start": 1e3, "rate.end": 1e6})
    assert "learning_rate" not in results and results["batches_run"] < 24
    assert any("or a lower RATE_START, and check" in line for line in log.lines)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rate.start": 1.0, "rate.end": 0.1}, "RATE_START is 1 and RATE_END is 0.1, but the rate must rise"),
        ({"rate.start": 0}, "RATE_START is 0, but must be at least 1e-12"),
        ({"batches": 0}, "BATCHES is 0, but must be at least 20"),
        ({"training.source1.il": []}, "TRAINING_SOURCE1_IL is missing"),
        ({"training.target.il": []}, "TRAINING_TARGET_IL is missing"),
        ({"model.dir": "cnn17"}, "MODEL_DIR is cnn17, which does not exist"),
        ({"loss": "mse"}, "LOSS is mse, but the model's output predictions"),
        ({"model.dir": "mlp", "loss": "focal", "width": 4, "depth": 9}, "DEPTH is 9, but must be at most 8"),
        ({"model.dir": "cnn16", "depth": 2}, "DEPTH is given, but the template cnn16 has no such option"),
        ({"width": 4}, "WIDTH and DEPTH are for templates, but MODEL_DIR is .*net.keras"),
        ({"freeze": "nothing*"}, "FREEZE names nothing"),
    ],
)
def test_bad_input(files: dict[str, Any], changed: dict[str, Any], message: str) -> None:
    with pytest.raises(OtbtfError, match=message):
        found({**files, **changed})
