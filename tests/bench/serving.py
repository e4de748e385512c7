"""TensorflowModelServe against programs that do the same, and against the bare model."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal, osr
from timing import side_by_side

from otbtf_qgis.core import operations

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "train_demo_models.py"


def bench_add(quick: bool, folder: Path) -> list[dict[str, Any]]:
    """One added to each value of an int16 image of 4 bands: next to no computation, so reading and writing count.

    All outputs are int16, tiled and not compressed. A whole process of ours starts TensorFlow; in QGIS the engine
    is warm after the first run, so that is measured too. gdal_translate only copies: the least that can be.
    """
    side = 1024 if quick else 5490
    image, model = folder / "in.tif", folder / "add"
    _image(image, side, side, np.int16)
    _save_adding_model(model)
    values = {"source1.il": str(image), "model.dir": str(model), "out.co": "COMPRESS=NONE|TILED=YES"}
    ways = {
        "otbtf_qgis, warm": lambda: operations.run("TensorflowModelServe", {**values, "out": str(folder / "warm.tif")}),
        "otbtf_qgis, whole process": lambda: _serve_in_process({**values, "out": str(folder / "process.tif")}),
    }
    if shutil.which("otbcli_BandMathX"):
        out = f"{folder / 'bandmathx.tif'}?&gdal:co:TILED=YES"
        command = ["otbcli_BandMathX", "-il", image, "-exp", "im1 + {1, 1, 1, 1}", "-out", out, "int16"]
        ways["BandMathX"] = lambda: _call(command)
    if shutil.which("gdal_translate"):
        copy = ["gdal_translate", "-q", "-co", "TILED=YES", image, folder / "translated.tif"]
        ways["gdal_translate (copies)"] = lambda: _call(copy)
    rows = side_by_side(f"add 1, {side} x {side} x 4 int16", ways, 1 if quick else 3)
    expected = _checksum(folder / "warm.tif")
    for name in ("process", "bandmathx"):
        made = folder / f"{name}.tif"
        assert not made.exists() or _checksum(made) == expected, f"{name} has other values"
    return rows


def bench_unet(quick: bool, folder: Path) -> list[dict[str, Any]]:
    """The demo's U-Net, not trained, against the same network called on arrays that are in memory already.

    The bare model sees squares of 512 pixels that do not overlap: less work than tiles without seams take.
    """
    import tensorflow as tf

    width, height = (512, 512) if quick else (2048, 2048)
    image, model, square = folder / "in.tif", folder / "unet.keras", 512
    pixels = _image(image, width, height, np.uint16)
    specification = importlib.util.spec_from_file_location("train_demo_models", EXAMPLE)
    assert specification is not None and specification.loader is not None
    demo = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(demo)
    network = demo.classifier(demo.unet(pixels[:256, :256].astype("float32")))
    network.save(str(model))
    bare = tf.function(lambda x: network(x, training=False), input_signature=[tf.TensorSpec([1, None, None, 4])])
    tensors = [
        tf.constant(pixels[None, y : y + square, x : x + square].astype("float32"))
        for y in range(0, height, square)
        for x in range(0, width, square)
    ]
    values = {"source1.il": str(image), "model.dir": str(model), "out": str(folder / "out.tif")}
    bare(tensors[0])
    return side_by_side(
        f"U-Net, {width} x {height} x 4 uint16",
        {
            "bare model, arrays in memory": lambda: [bare(tensor).numpy() for tensor in tensors],
            "otbtf_qgis, warm": lambda: operations.run("TensorflowModelServe", values),
        },
        1 if quick else 3,
    )


def _image(path: Path, width: int, height: int, dtype: type) -> np.ndarray:
    """Write noise of 4 bands as a tiled GeoTIFF, and return it as (rows, columns, bands)."""
    pixels = np.random.default_rng(0).integers(0, 10_000, (height, width, 4), dtype)
    kind = {np.int16: gdal.GDT_Int16, np.uint16: gdal.GDT_UInt16}[dtype]
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), width, height, 4, kind, ["TILED=YES"])
    system = osr.SpatialReference()
    system.ImportFromEPSG(32654)
    dataset.SetProjection(system.ExportToWkt())
    dataset.SetGeoTransform((380_000, 10, 0, 3_960_000, 0, -10))
    dataset.WriteArray(np.moveaxis(pixels, -1, 0))
    return pixels


def _save_adding_model(folder: Path) -> None:
    import tensorflow as tf

    module = tf.Module()
    signature = [tf.TensorSpec([None, None, None, 4], tf.int16, name="x")]
    module.add = tf.function(lambda x: {"y": x + tf.constant(1, tf.int16)}, input_signature=signature)
    tf.saved_model.save(module, str(folder), signatures=module.add)


def _serve_in_process(values: dict[str, str]) -> None:
    script = (
        "import json, sys; from otbtf_qgis.core import operations; operations.run(sys.argv[1], json.loads(sys.argv[2]))"
    )
    _call([sys.executable, "-c", script, "TensorflowModelServe", json.dumps(values)])


def _call(command: Sequence[str | Path]) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")


def _checksum(path: Path) -> list[int]:
    dataset = gdal.Open(str(path))
    return [dataset.GetRasterBand(number).Checksum() for number in range(1, 5)]
