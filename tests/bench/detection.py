"""Detection of objects: seconds and peak memory, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import detectors
import numpy as np
from osgeo import gdal, osr

_RUN = """
import json, re, sys, time
from pathlib import Path
from otbtf_qgis.core import registry
registry.declaration("DetectObjects")
start = time.perf_counter()
count = registry.run("DetectObjects", json.loads(sys.argv[1]))["objects"]
seconds = time.perf_counter() - start
peak = re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())
print(json.dumps([count, seconds, int(peak[1]) / 1024]))
"""

_EVERY = 32
"""Pixels between objects, of which there are about 100,000 in the large image."""

_BUDGET = 512


def bench_detection(quick: bool, folder: Path) -> list[dict[str, Any]]:
    """DetectObjects of an image of one object on every 32 x 32 pixels, by a model that does next to nothing."""
    side = 1000 if quick else 10000
    source = folder / "image.tif"
    _bright(source, side)
    model = detectors.yolo_grid(folder / "model.onnx", 640)
    values = {"il": [str(source)], "model.dir": model, "out": str(folder / "out.gpkg"), "memory": _BUDGET}
    command = [sys.executable, "-c", _RUN, json.dumps(values)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    count, seconds, megabytes = json.loads(done.stdout.splitlines()[-1])
    case = f"{side} x {side} pixels, {count} objects, MEMORY={_BUDGET}"
    return [{"case": case, "who": "otbtf:detectobjects", "seconds": seconds, "peak MB": round(megabytes)}]


def _bright(path: Path, side: int) -> None:
    """Write an image of bytes that is dark but for single pixels."""
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), side, side, 3, gdal.GDT_Byte, ["TILED=YES"])
    system = osr.SpatialReference()
    system.ImportFromEPSG(32631)
    dataset.SetProjection(system.ExportToWkt())
    dataset.SetGeoTransform((500000.0, 0.5, 0.0, 4800000.0, 0.0, -0.5))
    lines = np.zeros((_EVERY, side), "uint8")
    lines[_EVERY // 2, _EVERY // 2 :: _EVERY] = 200
    for top in range(0, side, _EVERY):
        dataset.GetRasterBand(1).WriteArray(lines[: min(_EVERY, side - top)], 0, top)
