"""Ten architectures with random weights, exported from PyTorch to ONNX and served: compared with ONNX Runtime's own values.

PyTorch is never in the engine. In an environment of its own (torch, torchvision, segmentation_models_pytorch, onnx):

    python onnx_architectures.py export FOLDER

With the engine's Python, which has the extra `onnx`:

    python onnx_architectures.py compare FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

SEGMENTATION = ("Unet", "FPN", "DeepLabV3Plus", "Linknet", "Segformer")
OF_CONTEXT = ("DeepLabV3Plus", "FPN", "Segformer", "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large")
"""Each of their outputs depends on all that the model is shown."""

SIDE, TRACED = 192, 64
"""Side in pixels of the images that are served, and of those for the export."""

LARGE, TILE, CONTEXT = 768, 32, 64
"""Side in pixels of images that exceed all receptive fields, of tiles, and of windows."""


def networks() -> Iterator[tuple[str, Any, int, bool]]:
    """Yield name, module, number of bands, and whether height and width are free."""
    import segmentation_models_pytorch
    import torch
    import torchvision

    class Scores(torch.nn.Module):
        """A segmentation of torchvision, of whose dictionary the scores are returned."""

        def __init__(self, network: Any) -> None:
            super().__init__()
            self.network = network

        def forward(self, image: Any) -> Any:
            return self.network(image)["out"]

    bare = {"weights": None, "weights_backbone": None, "num_classes": 6}
    segmentation = torchvision.models.segmentation
    for name in ("fcn_resnet50", "lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large"):
        yield name, Scores(getattr(segmentation, name)(**bare)), 3, True
    yield "resnet18", torchvision.models.resnet18(weights=None, num_classes=7), 3, False
    transformer = torchvision.models.VisionTransformer(TRACED, 16, 2, 2, 32, 64, num_classes=5)
    torch.nn.init.normal_(transformer.heads.head.weight)  # else its outputs are all 0
    yield "vision_transformer", transformer, 3, False
    for name in SEGMENTATION:
        made = getattr(segmentation_models_pytorch, name)("resnet18", encoder_weights=None, in_channels=4, classes=6)
        yield name, made, 4, True


def export(folder: Path) -> None:
    """Write an ONNX file of each architecture."""
    import torch

    torch.manual_seed(0)
    for name, network, bands, free in networks():
        axes = {0: "n", 2: "h", 3: "w"} if free else {0: "n"}
        torch.onnx.export(
            network.eval(),
            torch.zeros(1, bands, TRACED, TRACED),
            str(folder / f"{name}.onnx"),
            dynamo=False,
            input_names=["image"],
            output_names=["scores"],
            dynamic_axes={"image": axes, "scores": axes},
        )
        print(f"{name} exported", flush=True)


def compare(folder: Path) -> None:
    """Serve each file in the folder without tiles and in tiles, and print the largest differences to ONNX Runtime."""
    import onnxruntime

    for file in sorted(folder.glob("*.onnx")):
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        height = session.get_inputs()[0].shape[2]
        ways = (_whole, _patches if isinstance(height, int) else _windows if file.stem in OF_CONTEXT else _tiles)
        for way in ways:
            try:
                found, expected = way(file, session)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one, the others are compared
                print(f"{file.stem}: {error}", flush=True)
                continue
            difference, largest = np.abs(found - expected).max(), np.abs(expected).max()
            print(f"{file.stem}, {way.__name__[1:]}: {difference:.3g} of {largest:.3g}", flush=True)


def _whole(file: Path, session: Any) -> tuple[Any, Any]:
    """Return what is served without tiles, and ONNX Runtime's own values."""
    height = session.get_inputs()[0].shape[2]
    image = _image(session, *(2 * [height if isinstance(height, int) else SIDE]))
    expected = _values(session, image)
    return _served(file, image, {"optim.disabletiling": True}).reshape(expected.shape), expected


def _tiles(file: Path, session: Any) -> tuple[Any, Any]:
    """Return four tiles in the middle of a large image, and ONNX Runtime's values of the whole image there."""
    image, first = _image(session, LARGE, LARGE), LARGE // 2 - TILE
    box = f"{first}:{first}:{2 * TILE}:{2 * TILE}"
    found = _served(file, image, {"out.box": box, "optim.tilesizex": TILE, "optim.tilesizey": TILE})
    inside = slice(first, first + 2 * TILE)
    return found, _values(session, image)[:, inside, inside]


def _patches(file: Path, session: Any) -> tuple[Any, Any]:
    """Return what is served of 3 x 2 patches in tiles of one, and ONNX Runtime's values of each."""
    size = session.get_inputs()[0].shape[2]
    image = _image(session, 2 * size, 3 * size)
    more = {"output.spcscale": size, "optim.tilesizex": 1, "optim.tilesizey": 1}
    rows = [[image[y : y + size, x : x + size] for x in range(0, 3 * size, size)] for y in (0, size)]
    expected = np.array([[_values(session, patch) for patch in row] for row in rows])
    return _served(file, image, more), expected.transpose(2, 0, 1)


def _windows(file: Path, session: Any) -> tuple[Any, Any]:
    """Return what is served in blended windows and small tiles, and the plainest computation of the same windows."""
    image, half = _image(session, SIDE, SIDE), CONTEXT // 2
    weights = np.sin(np.pi * (np.arange(CONTEXT) + 0.5) / CONTEXT) ** 2
    weight, summed, total = np.outer(weights, weights), np.zeros((SIDE, SIDE)), np.zeros((1, SIDE, SIDE))
    for y in range(0, SIDE - half, half):
        for x in range(0, SIDE - half, half):
            window = np.s_[y : y + CONTEXT, x : x + CONTEXT]
            values = _values(session, image[window])
            total = total if len(total) == len(values) else np.zeros((len(values), SIDE, SIDE))
            total[(slice(None), *window)] += weight * values
            summed[window] += weight
    more = {"model.context": CONTEXT, "optim.tilesizex": TILE, "optim.tilesizey": TILE}
    return _served(file, image, more), total / summed


def _image(session: Any, height: int, width: int) -> Any:
    bands = session.get_inputs()[0].shape[1]
    return np.random.default_rng(0).random((height, width, bands), np.float32)


def _values(session: Any, image: Any) -> Any:
    """Return ONNX Runtime's values of an image, with the bands first."""
    name = session.get_inputs()[0].name
    return session.run(None, {name: image.transpose(2, 0, 1)[None]})[0][0]


def _served(file: Path, image: Any, more: dict[str, Any]) -> Any:
    """Return what the plugin makes of an image, with the bands first."""
    from osgeo import gdal

    from otbtf_qgis import core

    source = core.ArrayRaster(image, (500000.0, 10.0, 0.0, 4800000.0, 0.0, -10.0), "EPSG:32631")
    out = str(file.with_suffix(".tif"))
    core.run(
        "TensorflowModelServe", {"model.dir": str(file), "source1.il": [source], "out": out, **more}, core.Progress()
    )
    found = gdal.Open(out).ReadAsArray()
    return found if found.ndim == 3 else found[None]


if __name__ == "__main__":
    {"export": export, "compare": compare}[sys.argv[1]](Path(sys.argv[2]))
