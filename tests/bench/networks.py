"""Serving networks against the bare model: the same network, called on tensors that are in memory already.

The bare model takes the image's own type, as a network with OTBTF's `normalize_inputs` does, in squares that do not
overlap, and its outputs are not written: what is left is the network itself, at the size of square that suits it best.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import inputs
import numpy as np
from osgeo import gdal
from timing import Row, judged, side_by_side, taken

from otbtf_qgis.core import registry
from otbtf_qgis.core.machine.devices import device_scope

BARE, OURS = "bare model, tensors in memory", "otbtf_qgis, warm"
SQUARES = (256, 512, 1024, 2048)


def bench_unet(quick: bool, folder: Path) -> list[Row]:
    """The U-Net of the API tutorial (template fcnn), two classes as there: their probabilities, and the class."""
    side = 2048 if quick else 10000
    source = inputs.image("unet", side, side, "uint16")
    rows = []
    for output, best in (("probabilities", False), ("class, uint8", True)):
        model = inputs.network(folder, "fcnn", 2, best)
        rows += _against_bare(f"U-Net, {side} x {side} x 4 uint16, {output}", folder, model, source, quick, 0.9)
    return rows


def bench_cnn16_regions(quick: bool, folder: Path) -> list[Row]:
    """The tutorial's CNN of 16 x 16 pixels, fully convolutional: an output every 4 pixels."""
    rows: list[Row] = []
    for width, height in ((1000, 500),) if quick else ((3000, 2500), (9000, 7500)):
        source = inputs.image("cnn", width, height, "uint16")
        case = f"CNN 16 x 16, fully convolutional, {width} x {height} x 4 uint16"
        rows += _against_bare(case, folder, inputs.network(folder, "cnn16", 6), source, quick, 0.85)
    return rows


def bench_cnn16_patches(quick: bool, folder: Path) -> list[Row]:
    """The same CNN at every pixel, of patches: whole regions from all origins, against batches of patches.

    The latter is the same network with the size of its input fixed, on some rows only, its time multiplied.
    """
    width, height = (400, 300) if quick else (3000, 2500)
    rows_of_plain = 20 if quick else 60
    source = inputs.image("cnn", width, height, "uint16")
    values = {"source1.il": str(source), "model.fullyconv": "off", "source1.rfieldx": 16, "source1.rfieldy": 16}
    values.update({"output.spcscale": 1, "out": str(folder / "all.tif")})
    plain = {"out": str(folder / "some.tif"), "out.box": f"0:100:{width - 15}:{rows_of_plain}"}
    free, fixed = inputs.network(folder, "cnn16", 6), inputs.network(folder, "cnn16", 6, patch=16)
    ours, batches = "otbtf_qgis", f"otbtf_qgis, batches of patches, {rows_of_plain} rows"
    ways: dict[str, Callable[[], Any]] = {
        ours: lambda: _serve({**values, "model.dir": str(free)}),
        batches: lambda: _serve({**values, **plain, "model.dir": str(fixed)}),
    }
    ways[ours]()
    ways[batches]()
    one = gdal.Open(values["out"]).ReadAsArray(0, 100, width - 15, rows_of_plain)
    difference = float(np.abs(one - gdal.Open(plain["out"]).ReadAsArray()).max())
    case = f"CNN 16 x 16 at every pixel, {width} x {height} x 4 uint16"
    found = side_by_side(case, ways, 1 if quick else 3)
    share = rows_of_plain / (height - 15)
    times = (taken(found, batches) or 0) / share / (taken(found, ours) or 1)
    found += judged(case, "at least 10 times faster than batches of patches", times, 10.0)
    return found + judged(case, "the same values, but for 1e-5", difference, 1e-5, at_least=False)


def bench_tile_size(quick: bool, folder: Path) -> list[Row]:
    """The U-Net in tiles of several sizes, in Mpx/s, and the bare model in squares of these."""
    side = 2048 if quick else 5000
    source = inputs.image("tiles", side, side, "uint16")
    path = inputs.network(folder, "fcnn", 2)
    bare = _bare(path)
    values = {"source1.il": str(source), "model.dir": str(path), "out": str(folder / "out.tif")}
    rows = []
    for tile in (128, 256, 512, 1024, 2048, 4096):
        if tile > side:
            break
        tensor, count = _square(tile), max(2, 2048**2 // tile**2)
        sized = {**values, "optim.tilesizex": tile, "optim.tilesizey": tile}
        ways = {BARE: partial(_call, bare, tensor, count), OURS: partial(_serve, sized)}
        for way in ways.values():
            way()
        for row in side_by_side(f"U-Net, {side} x {side} x 4 uint16", ways, 1 if quick else 3, _removing(values)):
            pixels = count * tile**2 if row["who"] == BARE else side**2
            rows.append({**row, "tile": tile, "Mpx/s": pixels / 1e6 / row["seconds"]})
    return rows


def _against_bare(case: str, folder: Path, model: Path, source: Path, quick: bool, share: float) -> list[Row]:
    """Compare pixel rates."""
    dataset = gdal.Open(str(source))
    pixels = dataset.RasterXSize * dataset.RasterYSize
    bare = _bare(model)
    square = _best_square(bare)
    tensor, count = _square(square), max(1, round(pixels / square**2))
    values = {"source1.il": str(source), "model.dir": str(model), "out": str(folder / "out.tif")}

    _serve(values)
    ways = {BARE: partial(_call, bare, tensor, count), OURS: partial(_serve, values)}
    rows = side_by_side(case, ways, 1 if quick else 5, _removing(values))
    for row in rows:
        row["Mpx/s"] = (count * square**2 if row["who"] == BARE else pixels) / 1e6 / row["seconds"]
    rows[0]["tile"] = square
    rate = rows[1]["Mpx/s"] / rows[0]["Mpx/s"]
    return rows + judged(case, f"at least {share:.0%} of the bare model's pixel rate", rate, share)


def _bare(path: Path) -> Callable[[Any], Any]:
    import keras
    import tensorflow as tf

    with device_scope(inputs.first_device())():
        model = keras.models.load_model(path, compile=False)
    signature = [tf.TensorSpec([1, None, None, 4], tf.uint16)]
    return tf.function(lambda x: model(tf.cast(x, "float32"), training=False), signature, autograph=False)


def _call(bare: Callable[[Any], Any], tensor: Any, count: int) -> None:
    with device_scope(inputs.first_device())():
        for _ in range(count):
            np.asarray(bare(tensor))


def _best_square(bare: Callable[[Any], Any]) -> int:
    """Return the side of the square that is computed at the highest rate."""
    rates = {}
    for side in SQUARES:
        tensor, count = _square(side), max(1, SQUARES[-1] ** 2 // side**2)
        _call(bare, tensor, 1)
        start = time.perf_counter()
        _call(bare, tensor, count)
        rates[side] = count * side**2 / (time.perf_counter() - start)
    return max(rates, key=lambda side: rates[side])


def _square(side: int) -> Any:
    import tensorflow as tf

    return tf.constant(np.random.default_rng(0).integers(0, 10_000, (1, side, side, 4), "uint16"))


def _serve(values: dict[str, Any]) -> None:
    registry.run("TensorflowModelServe", inputs.on_device(values))


def _removing(values: dict[str, Any]) -> Callable[[], None]:
    """Return what removes the output: replacing one takes time of its own."""
    return lambda: Path(values["out"]).unlink(missing_ok=True)
