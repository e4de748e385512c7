"""Draws docs/figures/augmentation.png: new samples of a class of the example scene by each strategy of SampleAugmentation.

Run in the engine's Python: PYTHONPATH=build/tree python docs/figures/augmentation.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import matplotlib
import numpy as np
from osgeo import ogr

from otbtf_qgis.core.registry import run

matplotlib.use("Agg")
from matplotlib import pyplot as plt

SIZE, SAMPLES, NEW, LABEL = 256, 60, 300, 2
STRATEGIES = {"replicate": {}, "jitter": {"strategy.jitter.stdfactor": 5}, "smote": {"strategy.smote.neighbors": 5}}


def features(path: Path) -> np.ndarray:
    """Return the red and near infrared values of a layer's points of the class."""
    dataset = ogr.Open(str(path))
    layer = dataset.GetLayer(0)
    layer.SetAttributeFilter(f"class = {LABEL}")
    return np.array([(point.GetField("value_2"), point.GetField("value_3")) for point in layer])


def main() -> None:
    """Draw the figure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run("CreateExampleData", {"outdir": str(folder), "size": SIZE, "seed": 1})
        few = {"strategy": "constant", "strategy.constant.nb": SAMPLES}
        points, samples = str(folder / "points.gpkg"), folder / "samples.gpkg"
        run("LabelImageSampleSelection", {"inref": str(folder / "terrain_truth_A.tif"), **few, "outvec": points})
        image = str(folder / "xs_10m.tif")
        run("SampleExtraction", {"in": image, "vec": points, "field": "class", "out": str(samples)})
        made = {}
        for strategy, more in STRATEGIES.items():
            out = folder / f"{strategy}.gpkg"
            given = {"in": str(samples), "field": "class", "label": LABEL, "samples": NEW, "seed": 1, "out": str(out)}
            run("SampleAugmentation", {**given, "strategy": strategy, **more})
            made[strategy] = features(out)
        own = features(samples)
    figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.6), sharex=True, sharey=True, constrained_layout=True)
    for axis, (strategy, new) in zip(axes, made.items()):
        axis.scatter(*new.T, s=12, color="#d08030", alpha=0.5, label=f"{len(new)} new samples")
        axis.scatter(*own.T, s=12, color="#2f628e", label=f"{len(own)} samples")
        axis.set_title(strategy)
        axis.set_xlabel("red")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("near infrared")
    axes[0].legend()
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=72)


if __name__ == "__main__":
    main()
