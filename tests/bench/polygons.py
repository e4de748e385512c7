"""Maps to polygons: seconds and peak memory, each run in a process of its own, against GDAL's Polygonize."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal, osr

_OURS = """
from otbtf_qgis.core import registry
registry.declaration("MapToPolygons")
start = time.perf_counter()
count = registry.run("MapToPolygons", json.loads(sys.argv[1]))["polygons"]
"""

_GDAL = """
from osgeo import gdal, ogr, osr
values = json.loads(sys.argv[1])
start = time.perf_counter()
image = gdal.Open(values["in"])
made = ogr.GetDriverByName("GPKG").CreateDataSource(values["out"])
layer = made.CreateLayer("out", osr.SpatialReference(image.GetProjection()), ogr.wkbPolygon)
layer.CreateField(ogr.FieldDefn("class", ogr.OFTInteger))
layer.StartTransaction()
gdal.Polygonize(image.GetRasterBand(1), image.GetRasterBand(1).GetMaskBand(), layer, 0)
layer.CommitTransaction()
count = layer.GetFeatureCount()
made = layer = None
"""

_MEASURE = """
import json, re, sys, time
from pathlib import Path
{run}
seconds = time.perf_counter() - start
peak = re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())
print(json.dumps([count, seconds, int(peak[1]) / 1024]))
"""


def bench_polygons(quick: bool, folder: Path) -> list[dict[str, Any]]:
    """MapToPolygons of a map of fields, exact and simplified, and GDAL's Polygonize of the same."""
    side = 1000 if quick else 10000
    source = folder / "fields.tif"
    _fields(source, side)
    rows = []
    cases = {
        "otbtf:maptopolygons": (_OURS, {}),
        "otbtf:maptopolygons, SIMPLIFY=15": (_OURS, {"simplify": 15}),
        "GDAL's Polygonize": (_GDAL, {}),
    }
    for who, (run, more) in cases.items():
        values = {"in": str(source), "out": str(folder / "out.gpkg"), **more}
        command = [sys.executable, "-c", _MEASURE.format(run=run), json.dumps(values)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        count, seconds, megabytes = json.loads(done.stdout.splitlines()[-1])
        (folder / "out.gpkg").unlink()
        case = f"fields, {side} x {side} pixels, {count} polygons"
        rows.append({"case": case, "who": who, "seconds": seconds, "peak MB": round(megabytes)})
    return rows


def _fields(path: Path, side: int) -> None:
    """Write a map of five classes in fields of 40 x 40 pixels of 10 m, turned by 17 degrees."""
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), side, side, 1, gdal.GDT_Byte, ["TILED=YES"])
    system = osr.SpatialReference()
    system.ImportFromEPSG(32631)
    dataset.SetProjection(system.ExportToWkt())
    dataset.SetGeoTransform((500000.0, 10.0, 0.0, 4800000.0, 0.0, -10.0))
    dataset.GetRasterBand(1).SetNoDataValue(0)
    classes = np.random.default_rng(0).integers(1, 6, (1024, 1024)).astype("uint8")
    cosine, sine, column = np.cos(0.3) / 40, np.sin(0.3) / 40, np.arange(side)
    for top in range(0, side, 500):
        row = np.arange(top, min(side, top + 500))[:, None]
        across = np.floor(cosine * row - sine * column).astype("int64")
        along = np.floor(cosine * column + sine * row + 0.5 * (across % 2)).astype("int64")
        dataset.GetRasterBand(1).WriteArray(classes[across % 1024, along % 1024], 0, top)
