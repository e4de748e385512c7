"""Serve the network over an image: a raster with the probability of each class.

    python serve.py MODEL IMAGE MAP

The crop that leaves no seam between tiles, and the output that has it, are found by probing the model.
"""

from __future__ import annotations

import sys

from otbtf_qgis import core


def serve(model: str, image: str, out: str, **more: object) -> None:
    """Write the map; `more` are further parameters of TensorflowModelServe, with dots as two underscores."""
    parameters = {"source1.il": [image], "model.dir": model, "out": out}
    core.run("TensorflowModelServe", {**parameters, **{key.replace("__", "."): value for key, value in more.items()}})


if __name__ == "__main__":
    serve(*sys.argv[1:4])
