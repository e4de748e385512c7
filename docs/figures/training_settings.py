"""Draws docs/figures/learning_rate.png and search.png, from reports about trainings on the example data.

Run in the engine's Python: PYTHONPATH=build/tree python docs/figures/training_settings.py
"""

from __future__ import annotations

import base64
import re
import tempfile
from pathlib import Path
from typing import Any

from otbtf_qgis.core.registry import run

FIGURES = Path(__file__).parent


def patches(folder: Path) -> dict[str, Any]:
    """Return the samples of the first training in docs/training.md: patches and labels of the areas A and B."""
    run("CreateExampleData", {"outdir": str(folder)})
    found: dict[str, Any] = {}
    for area, role in (("A", "training"), ("B", "validation")):
        points = str(folder / f"samples_{area}.gpkg")
        few = {"strategy": "constant", "strategy.constant.nb": 500, "seed": 1}
        run("LabelImageSampleSelection", {"inref": str(folder / f"terrain_truth_{area}.tif"), **few, "outvec": points})
        cut = {"source1.il": [str(folder / "xs_10m.tif")], "source1.patchsizex": 16, "source1.patchsizey": 16}
        outs = {"source1.out": str(folder / f"patches_{area}.tif"), "outlabels": str(folder / f"labels_{area}.tif")}
        run("PatchesExtraction", {**cut, "vec": points, "field": "class", **outs})
        found[f"{role}.source1.il"] = [outs["source1.out"]]
        found[f"{role}.target.il"] = [outs["outlabels"]]
    return found


def save_picture(report: Path, name: str) -> None:
    """Save the first picture of a report."""
    picture = re.search(r'src="data:image/png;base64,([^"]+)"', report.read_text(encoding="utf-8"))
    assert picture is not None
    (FIGURES / f"{name}.png").write_bytes(base64.b64decode(picture[1]))


def main() -> None:
    """Draw the figures."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        samples = patches(folder)
        to_learn = {key: value for key, value in samples.items() if key.startswith("training")}
        report = folder / "rate.html"
        print(run("FindLearningRate", {**to_learn, "model.dir": "cnn16", "out.report": str(report)}))
        save_picture(report, "learning_rate")
        report = folder / "search.html"
        budget = {"trials": 9, "training.epochs": 18, "method": "halving", "validation.mode": "class"}
        settings = {"settings": "LEARNING_RATE=0.0001:0.1 TRAINING_BATCHSIZE=16;64;256 WIDTH=4:32"}
        outs = {"out": str(folder / "trials.json"), "out.report": str(report)}
        print(run("SearchSettings", {**samples, **budget, **settings, "model.dir": "cnn16", **outs}))
        save_picture(report, "search")


if __name__ == "__main__":
    main()
