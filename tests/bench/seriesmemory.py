"""Memory of whole maps from a series of 68 dates: LandCoverMap and RegressionMap, each in an engine of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import inputs
import numpy as np
from osgeo import gdal
from series import DATA, MISSING
from timing import Row, judged

BUDGET = 256
"""MEMORY of all runs, in MB."""

SIDE, TIMES = 64, 5
"""Side in pixels of the part on which a first map is made; how often the series stands beside itself in the large image."""

_PEAK = r"""
import json, re, sys
from pathlib import Path
from osgeo import gdal
import keras, numpy, tensorflow
from otbtf_qgis.core import registry

def status(name):
    return int(re.search(name + r":\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)]).predict(numpy.zeros((8, 4)), verbose=0)
found, (name, first, whole) = [status("VmRSS")], json.loads(sys.argv[1])
for values in (first, whole):
    Path("/proc/self/clear_refs").write_text("5")
    registry.run(name, values)
    found += [status("VmHWM"), status("VmRSS")]
print(json.dumps(found))
"""


def bench_map_memory(quick: bool, folder: Path) -> list[Row]:
    """Peak memory of the steps of a map together: samples, training, serving.

    TensorFlow's own, `own`, is what the process holds once a first map of a small part has been made; `warm`, what it holds
    when it has called one Keras model.
    """
    if not DATA.is_dir():
        return [{"case": MISSING}]
    part, large = _part(folder), folder / "large.tif"
    whole = [str(DATA / "ndvi.tif")]
    _repeat(large)
    classes = {"labels.raster": str(DATA / "lulc.tif"), "validation.share": 0, "epochs": 1 if quick else 2}
    values = {"values.raster": str(DATA / "dem.tif"), "validation.share": 0, "epochs": 1 if quick else 5}
    cases: dict[str, tuple[str, dict[str, Any]]] = {
        "tempcnn": ("LandCoverMap", {**classes, "template": "tempcnn", "in": whole}),
        f"tempcnn, {TIMES} x {TIMES} times the series": (
            "LandCoverMap",
            {**classes, "template": "tempcnn", "in": [str(large)]},
        ),
        "time_series_transformer": ("LandCoverMap", {**classes, "template": "time_series_transformer", "in": whole}),
        "utae": ("LandCoverMap", {**classes, "template": "utae", "in": whole}),
        "mlp, the elevation": ("RegressionMap", {**values, "in": whole}),
    }
    rows: list[Row] = []
    for case, (name, given) in list(cases.items())[: 1 if quick else None]:
        rows += _measured(case, name, given, part, folder)
    return rows


def _measured(case: str, name: str, given: dict[str, Any], part: Path, folder: Path) -> list[Row]:
    values = inputs.on_device({**given, "memory": BUDGET, "out": str(folder / "map.tif")})
    first = {**values, "in": [str(part)], "out": str(folder / "first.tif")}
    command = [sys.executable, "-c", _PEAK, json.dumps([name, first, values])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    warm, peak_first, own, peak, _ = json.loads(done.stdout.splitlines()[-1])
    row = {"case": case, "warm MB": warm, "peak of the first MB": peak_first, "own MB": own, "peak MB": peak}
    told = f"{case}, MEMORY={BUDGET}"
    more = (peak - own) / BUDGET
    return [row, *judged(told, "at most the budget, beside TensorFlow's own", more, 1.0, at_least=False)]


def _part(folder: Path) -> Path:
    """Write the middle of the series, in which all numerous classes are."""
    path, source = folder / "part.tif", gdal.Open(str(DATA / "ndvi.tif"))
    window = [(source.RasterXSize - SIDE) // 2, (source.RasterYSize - SIDE) // 2, SIDE, SIDE]
    gdal.Translate(str(path), source, srcWin=window)
    return path


def _repeat(path: Path) -> None:
    """Write the series several times beside itself."""
    source = gdal.Open(str(DATA / "ndvi.tif"))
    pixels = np.tile(source.ReadAsArray(), (1, TIMES, TIMES))
    bands, rows, columns = pixels.shape
    made = gdal.GetDriverByName("GTiff").Create(str(path), columns, rows, bands, source.GetRasterBand(1).DataType)
    made.SetGeoTransform(source.GetGeoTransform())
    made.SetProjection(source.GetProjection())
    for band in range(1, bands + 1):
        own, known = made.GetRasterBand(band), source.GetRasterBand(band)
        own.SetDescription(known.GetDescription())
        own.SetNoDataValue(known.GetNoDataValue())
        own.WriteArray(pixels[band - 1])
    made = None
