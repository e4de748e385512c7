"""Models with a sidecar: described, served, and the sidecar changed by hand."""

from __future__ import annotations

import json

from otbtf_qgis.core import registry
from otbtf_qgis.core.models.sidecar import sidecar_path

CLASSES = [(0, "open water", "#0000ff"), (1, "forêt", "#008000"), (2, "crops", "#ffc800")]


def describe(model_path, **more):
    return registry.run("DescribeModel", {"model.dir": model_path, "sidecar": "on", **more})


def serve(model_path, images, folder, progress=None, **more):
    values = {f"source{k}.il": [image] for k, image in enumerate(images, 1)}
    values.update({"model.dir": model_path, "out": str(folder / "map.tif"), **more})
    return registry.run("TensorflowModelServe", values, progress)


def edit(model_path, change):
    """Change the sidecar's properties by a function."""
    path = sidecar_path(model_path)
    item = json.loads(path.read_text(encoding="utf-8"))
    change(item["properties"])
    path.write_text(json.dumps(item), encoding="utf-8")


def add_classes(model_path, classes=CLASSES):
    rows = [
        {"value": value, "name": f"c{number}", "title": name, "description": name, "color_hint": color[1:].upper()}
        for number, (value, name, color) in enumerate(classes)
    ]
    edit(model_path, lambda properties: properties["mlm:output"][0].update({"classification:classes": rows}))
