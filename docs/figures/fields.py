"""Draws docs/figures/fields.png: fields of the example scene, by field_boundaries and the watershed of maptopolygons.

Run in an engine with the extra objects: PYTHONPATH=build/tree python docs/figures/fields.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from osgeo import gdal, ogr

from otbtf_qgis.core.registry import run

matplotlib.use("Agg")
from matplotlib import pyplot as plt

TRAINING, OTHER = (1, 768), (2, 256)
"""Seed and side of the scene that is learned from, and of that which is shown."""


def scene(folder: Path, seed: int, side: int) -> tuple[str, str]:
    """Write the image of a scene and the polygons of its fields; return their paths."""
    made = run("CreateExampleData", {"outdir": str(folder / f"scene{seed}"), "size": side, "seed": seed})
    return made["xs10"], made["fields"]


def learned(folder: Path, image: str, polygons: str) -> str:
    """Return a model that is trained on a scene."""
    paths = {name: str(folder / name) for name in ("labels.tif", "points.gpkg", "x.tif", "y.tif", "model.keras")}
    run("ObjectLabels", {"in": image, "vec": polygons, "out": paths["labels.tif"]})
    grid = {"strategy": "all", "grid.psize": 64, "grid.step": 48}
    run("PatchesSelection", {"in": image, **grid, "outtrain": paths["points.gpkg"]})
    cut: dict[str, Any] = {"vec": paths["points.gpkg"], "field": "id"}
    for number, (source, out) in enumerate(((image, "x.tif"), (paths["labels.tif"], "y.tif")), 1):
        key = f"source{number}"
        cut.update({f"{key}.il": [source], f"{key}.out": paths[out]})
        cut.update({f"{key}.patchsizex": 64, f"{key}.patchsizey": 64})
    run("PatchesExtraction", cut)
    sources = {"training.source1.il": [paths["x.tif"]], "training.source2.il": [paths["y.tif"]]}
    size = {"model.dir": "template:field_boundaries", "width": 12, "depth": 3, "augmentation": "flips_turns"}
    fit = {"training.epochs": 25, "training.batchsize": 16, "learning_rate": 0.003, "seed": 1}
    run("TensorflowModelTrain", {**sources, **size, **fit, "out.keras": paths["model.keras"]})
    return paths["model.keras"]


def shapes(path: str) -> list[ogr.Geometry]:
    """Return the polygons of a layer."""
    dataset = ogr.Open(path)
    return [feature.GetGeometryRef().Clone() for feature in dataset.GetLayer(0)]


def found_again(fields: list[ogr.Geometry], polygons: list[ogr.Geometry]) -> int:
    """Return how many fields a polygon covers with an intersection over union above 0.5; there can be but one."""
    count = 0
    for field in fields:
        for polygon in polygons:
            both = (
                field.Intersection(polygon).Area() if field.Intersects(polygon) and not field.Touches(polygon) else 0.0
            )
            count += both > 0.5 * (field.Area() + polygon.Area() - both)
    return count


def outlined(axes: plt.Axes, background: np.ndarray, polygons: list[ogr.Geometry], title: str) -> None:
    """Show an image with the outlines of polygons."""
    axes.imshow(background, extent=(380_000, 380_000 + 2560, 3_960_000 - 2560, 3_960_000))
    axes.set_autoscale_on(False)
    for polygon in polygons:
        for ring in range(polygon.GetGeometryCount()):
            places = np.array(polygon.GetGeometryRef(ring).GetPoints())
            axes.plot(places[:, 0], places[:, 1], color="white", linewidth=0.8)
    axes.set_title(title, fontsize=9, y=1.0)
    axes.axis("off")


def main() -> None:
    """Draw the figure, and tell how many fields were found."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = learned(folder, *scene(folder, *TRAINING))
        image, truth = scene(folder, *OTHER)
        scores, joined, single = (str(folder / file) for file in ("scores.tif", "joined.gpkg", "single.gpkg"))
        run("TensorflowModelServe", {"source1.il": [image], "model.dir": model, "out": scores})
        run("MapToPolygons", {"in": scores, "instances": True, "minarea": 2000, "out": single})
        bands = gdal.Open(scores).ReadAsArray()
        extent = str(folder / "extent.tif")
        gdal.Translate(extent, scores, bandList=[1])
        run("MapToPolygons", {"in": extent, "threshold": 0.5, "minarea": 2000, "out": joined})
        pixels = gdal.Open(image).ReadAsArray()[[2, 1, 0]]
        low, high = np.percentile(pixels, (2, 98))
        picture = np.clip(np.moveaxis((pixels - low) / (high - low), 0, -1), 0, 1)
        fields = shapes(truth)
        _, axes = plt.subplots(1, 4, figsize=(13, 3.5))
        outlined(axes[0], picture, fields, f"{len(fields)} fields")
        outlined(axes[1], np.moveaxis(bands, 0, -1).clip(0, 1), [], "extent, boundary, distance")
        for place, path, title in ((2, joined, "THRESHOLD"), (3, single, "INSTANCES")):
            polygons = shapes(path)
            again = found_again(fields, polygons)
            outlined(axes[place], picture, polygons, f"{title}: {len(polygons)} polygons, {again} fields found")
            print(title, len(fields), "fields,", len(polygons), "polygons,", again, "found")
        plt.tight_layout()
        plt.savefig(Path(__file__).with_suffix(".png"), dpi=72)


if __name__ == "__main__":
    main()
