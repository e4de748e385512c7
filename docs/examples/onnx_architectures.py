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

SEGMENTATION = ("Unet", "FPN", "DeepLabV3Plus", "Linknet", "Segformer")
SIDE, TRACED = 192, 64
"""Side in pixels of the images that are served, and of those for the export."""


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
    """Serve each file in the folder without tiles, and print the largest difference to ONNX Runtime."""
    import numpy as np
    import onnxruntime
    from osgeo import gdal

    from otbtf_qgis import core

    for file in sorted(folder.glob("*.onnx")):
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        _, bands, height, _ = session.get_inputs()[0].shape
        side = height if isinstance(height, int) else SIDE
        image = np.random.default_rng(0).random((side, side, bands), np.float32)
        source = core.ArrayRaster(image, (500000.0, 10.0, 0.0, 4800000.0, 0.0, -10.0), "EPSG:32631")
        out = str(file.with_suffix(".tif"))
        values = {"model.dir": str(file), "source1.il": [source], "out": out, "optim.disabletiling": True}
        try:
            core.run("TensorflowModelServe", values, core.Progress())
        except core.OtbtfError as error:
            print(f"{file.stem}: {error}", flush=True)
            continue
        expected = session.run(None, {"image": image.transpose(2, 0, 1)[None]})[0][0]
        found = gdal.Open(out).ReadAsArray().reshape(expected.shape)
        print(f"{file.stem}: {np.abs(found - expected).max():.3g} of {np.abs(expected).max():.3g}", flush=True)


if __name__ == "__main__":
    {"export": export, "compare": compare}[sys.argv[1]](Path(sys.argv[2]))
