"""Memory of whole maps from a series of 68 dates: LandCoverMap and RegressionMap, each in an engine of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import inputs
import numpy as np
from kept import KeptRuns
from osgeo import gdal
from series import DATA, MISSING
from timing import Row, judged

BUDGET = 256
"""MEMORY of all runs, in MB."""

SIDE, DATES, TIMES = 64, [1, 4, 7, 10], 5
"""Side in pixels and bands of the part of which a first map is made; how often the series stands beside itself in the large
image."""

_PEAK = r"""
import json, re, sys
from pathlib import Path
from osgeo import gdal
import keras, numpy, tensorflow
from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.machine.memory import release

def status(name):
    return int(re.search(name + r":\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

def begin():
    release()
    Path("/proc/self/clear_refs").write_text("5")
    found.append(status("VmRSS"))

class Steps(Progress):
    def info(self, message):
        if message == "Mapping the image.":
            found.append(status("VmHWM"))
            begin()

found, (name, first, whole) = [], json.loads(sys.argv[1])
keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)]).predict(numpy.zeros((8, 4)), verbose=0)
begin()
registry.run(name, first)
begin()
registry.run(name, whole, Steps())
print(json.dumps([*found, status("VmHWM")]))
"""


def bench_map_memory(quick: bool, folder: Path) -> list[Row]:
    """Peak memory of maps, by their steps.

    `warm` is what the process holds when it has called one Keras model; `own`, TensorFlow's own, when it has made a first map,
    of some dates of a small part. Training, and the choice of its samples, is told beyond that; mapping, which probes the
    network first, beyond what the process holds then.
    """
    if not DATA.is_dir():
        return [{"case": MISSING}]
    few, large = _few(folder), folder / "large.tif"
    whole = [str(DATA / "ndvi.tif")]
    _repeat(large)
    classes = {"labels.raster": str(DATA / "lulc.tif"), "validation.share": 0, "epochs": 1 if quick else 2}
    values = {"values.raster": str(DATA / "dem.tif"), "validation.share": 0, "epochs": 1 if quick else 5}
    cases: dict[str, tuple[str, dict[str, Any]]] = {
        "time_series_transformer": ("LandCoverMap", {**classes, "template": "time_series_transformer", "in": whole}),
        "tempcnn": ("LandCoverMap", {**classes, "template": "tempcnn", "in": whole}),
        "mlp, the elevation": ("RegressionMap", {**values, "in": whole}),
        f"tempcnn, {TIMES} x {TIMES} times the series": (
            "LandCoverMap",
            {**classes, "template": "tempcnn", "in": [str(large)]},
        ),
    }
    rows: list[Row] = []
    kept = KeptRuns("seriesmemory", quick)
    for case, (name, given) in list(cases.items())[: 1 if quick else None]:
        found = kept.of(case, partial(_measured, name, given, few, folder))
        rows += _rows(case, *found)
    kept.done()
    return rows


def _measured(name: str, given: dict[str, Any], few: Path, folder: Path) -> list[float]:
    """Return the arguments of `_rows`."""
    values = inputs.on_device({**given, "memory": BUDGET, "out": str(folder / "map.tif")})
    first = {**values, "in": [str(few)], "out": str(folder / "first.tif")}
    command = [sys.executable, "-c", _PEAK, json.dumps([name, first, values])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [float(value) for value in json.loads(done.stdout.splitlines()[-1])]


def _rows(case: str, warm: float, own: float, training: float, before: float, mapping: float) -> list[Row]:
    told = {"warm MB": warm, "own MB": own, "training MB": training - own, "mapping MB": mapping - before}
    row = {"case": case, **told, "peak MB": max(training, mapping)}
    more = (mapping - before) / BUDGET
    told_case = f"{case}, MEMORY={BUDGET}"
    return [
        row,
        *judged(told_case, "mapping: at most 1.1 times the budget, beside what is there", more, 1.1, at_least=False),
    ]


def _few(folder: Path) -> Path:
    """Write some dates of the middle of the series, in which all numerous classes are."""
    path, source = folder / "few.tif", gdal.Open(str(DATA / "ndvi.tif"))
    window = [(source.RasterXSize - SIDE) // 2, (source.RasterYSize - SIDE) // 2, SIDE, SIDE]
    gdal.Translate(str(path), source, srcWin=window, bandList=DATES)
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
