"""Train a detector on trees and houses of the example data, apply it to another image, assess it and draw what it finds.

    ENGINE_PYTHON docs/examples/train_detector.py FOLDER

The picture is FOLDER/detector.png.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # no display

import numpy as np
from matplotlib import pyplot
from matplotlib.patches import Patch, Rectangle
from osgeo import gdal, ogr

from otbtf_qgis import core

gdal.UseExceptions()

PATCH = 64
COLOURS = {"hit": "#ffe14d", "false alarm": "#ff3b30", "miss": "#38c6ff"}


def train(folder: Path, made: dict[str, Any]) -> str:
    """Return the folder of a detector trained on image A."""
    grid = {"in": made["ortho.a"], "grid.psize": PATCH, "grid.step": PATCH // 2, "strategy": "all"}
    core.run("PatchesSelection", {**grid, "outtrain": str(folder / "grid.gpkg")})
    cut = core.run(
        "PatchesExtraction",
        {
            "source1.il": [made["ortho.a"]],
            "source1.patchsizex": PATCH,
            "source1.patchsizey": PATCH,
            "source1.out": str(folder / "patches.tif"),
            "vec": str(folder / "grid.gpkg"),
            "field": "id",
            "objects": made["objects.a"],
            "objects.field": "name",
            "objects.stride": 2,
            "out.objects": str(folder / "maps.tif"),
        },
    )
    trained = core.run(
        "TensorflowModelTrain",
        {
            "model.dir": "template:detector",
            "width": 16,
            "training.source1.il": [cut["source1.out"]],
            "training.source2.il": [cut["out.objects"]],
            "training.epochs": 30,
            "training.batchsize": 8,
            "learning_rate": 0.003,
            "schedule": "cosine",
            "augmentation": "flips_turns",
            "model.saveto": str(folder / "detector"),
        },
    )
    return str(trained["model.saveto"])


def assess(folder: Path, made: dict[str, Any], model: str) -> dict[str, Any]:
    """Return the scores of a detector on image B; its errors are a layer."""
    image = made["ortho.b"]
    core.run(
        "DetectObjects",
        {"il": [image], "model.dir": model, "score": 0.1, "tilesize": 256, "out": str(folder / "found.gpkg")},
    )
    return core.run(
        "AssessDetections",
        {
            "in": str(folder / "found.gpkg"),
            "in.field": "name",
            "ref": made["objects.b"],
            "ref.field": "name",
            "score": 0.4,
            "out": str(folder / "scores.csv"),
            "out.errors": str(folder / "errors.gpkg"),
        },
    )


def draw(folder: Path, made: dict[str, Any], scores: dict[str, Any]) -> None:
    """Draw a patch with its target beside the middle of image B with what is found in it."""
    figure, axes = pyplot.subplots(1, 3, figsize=(13, 5.4), width_ratios=(1, 1, 1.7))
    number = 8  # a house and trees
    patches, maps = gdal.Open(str(folder / "patches.tif")), gdal.Open(str(folder / "maps.tif"))
    patch = patches.ReadAsArray(0, number * PATCH, PATCH, PATCH)[:3]
    heat = maps.ReadAsArray(0, number * PATCH // 2, PATCH // 2, PATCH // 2)[:2]
    axes[0].imshow(np.moveaxis(patch, 0, -1))
    axes[0].set_title("A patch of image A")
    axes[1].imshow(np.dstack([heat[0], heat[1], np.zeros_like(heat[0])]))
    axes[1].set_title("Its heat maps: houses red, trees green")
    image = gdal.Open(made["ortho.b"])
    west, width, _, north, _, height = image.GetGeoTransform()
    axes[2].imshow(np.moveaxis(image.ReadAsArray()[:3], 0, -1))
    layer = ogr.Open(str(folder / "errors.gpkg"))
    for feature in layer.GetLayer(0):
        left, right, low, high = feature.GetGeometryRef().GetEnvelope()
        place = ((left - west) / width, (high - north) / height)
        axes[2].add_patch(
            Rectangle(place, (right - left) / width, (high - low) / width, fill=False, ec=COLOURS[feature["kind"]])
        )
    axes[2].set_title(f"Image B: F-score {scores['f1']:.2f}")
    axes[2].legend(
        handles=[Patch(fill=False, ec=colour, label=kind) for kind, colour in COLOURS.items()],
        loc="upper center", bbox_to_anchor=(0.5, -0.02), ncol=3, frameon=False,
    )  # fmt: skip
    for axis in axes:
        axis.set_axis_off()
    figure.tight_layout()
    figure.savefig(folder / "detector.png", dpi=90)


def main(folder: Path) -> None:
    """Run all steps."""
    folder.mkdir(parents=True, exist_ok=True)
    made = core.run("CreateExampleData", {"outdir": str(folder / "data"), "size": 256})
    scores = assess(folder, made, train(folder, made))
    print({name: scores[name] for name in ("precision", "recall", "f1", "ap", "ap50", "classes")})
    draw(folder, made, scores)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
