"""Draws docs/figures/calibration.png: reliability diagrams of a network of the example data, before and after calibration.

The temperature is fitted to a quarter of the samples of area A; the diagrams are those of area B.
Run in the engine's Python: PYTHONPATH=build/tree python docs/figures/calibration.py
"""

from __future__ import annotations

import base64
import re
import tempfile
from pathlib import Path

from otbtf_qgis.core.registry import run

SAMPLES, EPOCHS = 150, 50
HEADING = "Calibration of the class probabilities"


def patches(folder: Path, area: str) -> list[str]:
    """Cut patches around labels of an area of the example data, and return the paths of patches and labels."""
    labels, points = str(folder / f"terrain_truth_{area}.tif"), str(folder / f"{area}.gpkg")
    selection = {"inref": labels, "strategy": "constant", "strategy.constant.nb": SAMPLES, "pad": 8, "seed": 1}
    run("LabelImageSampleSelection", {**selection, "outvec": points})
    made = {"source1.out": str(folder / f"{area}.tif"), "outlabels": str(folder / f"{area}_labels.tif")}
    size = {"source1.patchsizex": 16, "source1.patchsizey": 16}
    run(
        "PatchesExtraction",
        {"source1.il": [str(folder / "xs_10m.tif")], **size, "vec": points, "field": "class", **made},
    )
    return list(made.values())


def report(folder: Path) -> str:
    """Train with CALIBRATE on area A, test on area B, and return the report."""
    run("CreateExampleData", {"outdir": str(folder)})
    sources = {"training": patches(folder, "A"), "test": patches(folder, "B")}
    given = {f"{role}.source{n}.il": [path] for role, paths in sources.items() for n, path in enumerate(paths, 1)}
    page = folder / "report.html"
    training = {"model.dir": "cnn16", "training.epochs": EPOCHS, "validation.share": 0.25, "validation.mode": "class"}
    labels = {"remap_labels": True, "calibrate": True}
    found = run("TensorflowModelTrain", {**given, **training, **labels, "out.report": str(page)})
    print({name: found[name] for name in ("temperature", "calibration_error", "overall_accuracy")})
    return page.read_text(encoding="utf-8")


def main() -> None:
    """Save the picture of the report."""
    with tempfile.TemporaryDirectory() as folder:
        page = report(Path(folder))
    part = page[page.index(HEADING) :]
    print(re.sub(r"<[^>]+>", " ", part[: part.index("<img")]))
    picture = re.search(r'src="data:image/png;base64,([^"]+)"', part)
    if picture is None:
        raise RuntimeError("The report has no picture of the calibration.")
    Path(__file__).with_name("calibration.png").write_bytes(base64.b64decode(picture[1]))


if __name__ == "__main__":
    main()
