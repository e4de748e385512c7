"""The four rounds of TensorflowModelServe against BandMathX: formulas without weights, so that reading and writing count.

All outputs are float32 GeoTIFFs, tiled and not compressed. Whole process: an engine is started, imports TensorFlow,
serves once and ends. Warm: in QGIS, a second run. BandMathX takes part where `otbcli_BandMathX` is installed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import inputs
import numpy as np
from osgeo import gdal
from timing import Row, judged, side_by_side, taken

WHOLE, WARM, PEER, COPY = "otbtf_qgis, whole process", "otbtf_qgis, warm engine", "BandMathX", "gdal_translate"


def bench_round1(quick: bool, folder: Path) -> list[Row]:
    """Add {1, 1, 1, 1} to an int16 image of 4 bands."""
    return _round(quick, folder, "Round 1: add {1, 1, 1, 1}", lambda x: x + 1.0, 1, "im1 + {1, 1, 1, 1}", 3.0)


def bench_round2(quick: bool, folder: Path) -> list[Row]:
    """Euclidean norm of each pixel."""
    import tensorflow as tf

    def norm(x: Any) -> Any:
        return tf.norm(x, axis=-1, keepdims=True)

    return _round(quick, folder, "Round 2: Euclidean norm", norm, 1, "vnorm(im1)", 3.0)


def bench_round3(quick: bool, folder: Path) -> list[Row]:
    """Scalar product of two images."""
    import tensorflow as tf

    def product(one: Any, two: Any) -> Any:
        return tf.reduce_sum(one * two, axis=-1, keepdims=True)

    return _round(quick, folder, "Round 3: scalar product of two images", product, 2, "im1 * im2'", 4.0)


def bench_round4(quick: bool, folder: Path) -> list[Row]:
    """Outer product of two images' pixels, times a vector of ones."""
    import tensorflow as tf

    def product(one: Any, two: Any) -> Any:
        return tf.linalg.matvec(one[..., :, None] * two[..., None, :], tf.ones(4), transpose_a=True)

    return _round(quick, folder, "Round 4: outer product times ones", product, 2, "{1, 1, 1, 1} * (im1' * im2)", 3.0)


def _round(
    quick: bool, folder: Path, name: str, body: Callable[..., Any], sources: int, expression: str, times: float
) -> list[Row]:
    side = 1024 if quick else 5490
    model = inputs.formula(folder, "model", body, sources)
    warm = inputs.engine()

    def ways_for(side: int) -> tuple[dict[str, Callable[[], Any]], dict[str, Path]]:
        """Return the ways to do it for an image of this size, and what they write."""
        images = [inputs.image(f"round{'x' * number}", side, side, "int16") for number in range(sources)]
        outs = {who: folder / f"{who.split()[-1]}.tif" for who in (WHOLE, WARM, PEER, COPY)}
        values: dict[str, Any] = {"model.dir": model, "out.co": "COMPRESS=NONE|TILED=YES"}
        values.update({f"source{number}.il": path for number, path in enumerate(images, 1)})
        ways: dict[str, Callable[[], Any]] = {
            WHOLE: lambda: inputs.whole_process({**values, "out": outs[WHOLE]}),
            WARM: lambda: inputs.serve(warm, {**values, "out": outs[WARM]}),
        }
        if shutil.which("otbcli_BandMathX"):
            out = f"{outs[PEER]}?&gdal:co:TILED=YES"
            peer = ["otbcli_BandMathX", "-il", *images, "-exp", expression, "-out", out, "float"]
            ways[PEER] = lambda: inputs.call(peer)
        if name.startswith("Round 1") and shutil.which("gdal_translate"):
            copy = ["gdal_translate", "-q", "-ot", "Float32", "-co", "TILED=YES", images[0], outs[COPY]]
            ways[COPY] = lambda: inputs.call(copy)
        return ways, outs

    small, outs = ways_for(256)
    for way in small.values():
        way()
    if PEER in small:
        _check_same(outs[WARM], outs[PEER])
    ways, outs = ways_for(side)

    def before() -> None:
        for path in outs.values():  # replacing a file takes time of its own
            path.unlink(missing_ok=True)

    rows = side_by_side(f"{name}, {side} x {side} x 4 int16", ways, 1 if quick else 5, before)
    warm.stop()
    whole, again, peer, copied = (taken(rows, who) for who in (WHOLE, WARM, PEER, COPY))
    case = rows[0]["case"]
    if peer and whole:
        rows += judged(case, f"whole process at least {times:g} times faster than BandMathX", peer / whole, times)
    if copied and again:
        rows += judged(case, "warm at most 2 times gdal_translate -ot Float32", again / copied, 2.0, at_least=False)
    return rows


def _check_same(ours: Path, theirs: Path) -> None:
    """Compare two outputs; the last bits of floats differ."""
    one, two = (gdal.Open(str(path)).ReadAsArray().astype("float64") for path in (ours, theirs))
    np.testing.assert_allclose(one, two, rtol=1e-6)
