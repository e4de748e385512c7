"""Maps to polygons: seconds and peak memory, each run in a process of its own, against GDAL's Polygonize and scikit-image."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
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

_WHOLE = """
from osgeo import gdal
from skimage.measure import label
from skimage.segmentation import watershed
values = json.loads(sys.argv[1])
start = time.perf_counter()
extent, boundary, distance = gdal.Open(values["in"]).ReadAsArray()
inside = extent >= 0.5
seeds = label(inside & (distance >= 0.5), connectivity=1)
count = int(watershed(boundary - distance, seeds, mask=inside).max())
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
    cases = {
        "otbtf:maptopolygons": (_OURS, {}),
        "otbtf:maptopolygons, SIMPLIFY=15": (_OURS, {"simplify": 15}),
        "GDAL's Polygonize": (_GDAL, {}),
    }
    return [_measured("fields", source, side, who, *case) for who, case in cases.items()]


def bench_instances(quick: bool, folder: Path) -> list[dict[str, Any]]:
    """INSTANCES of MapToPolygons, and scikit-image's watershed of the whole map, which makes no polygons."""
    side = 1000 if quick else 10000
    source = folder / "scores.tif"
    _scores(source, side)
    cases = {
        "otbtf:maptopolygons, INSTANCES, RAM=1024": (_OURS, {"instances": True, "ram": 1024}),
        "scikit-image's watershed of the whole": (_WHOLE, {}),
    }
    return [_measured("fields that touch", source, side, who, *case) for who, case in cases.items()]


def _measured(what: str, source: Path, side: int, who: str, run: str, more: dict[str, Any]) -> dict[str, Any]:
    """Return the row of one run."""
    out = source.with_name("out.gpkg")
    values = {"in": str(source), "out": str(out), **more}
    command = [sys.executable, "-c", _MEASURE.format(run=run), json.dumps(values)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    count, seconds, megabytes = json.loads(done.stdout.splitlines()[-1])
    out.unlink(missing_ok=True)
    case = f"{what}, {side} x {side} pixels, {count} polygons"
    return {"case": case, "who": who, "seconds": seconds, "peak MB": round(megabytes)}


def _fields(path: Path, side: int) -> None:
    """Write a map of five classes in fields of 40 x 40 pixels of 10 m, turned by 17 degrees."""
    dataset = _created(path, side, 1, gdal.GDT_Byte)
    dataset.GetRasterBand(1).SetNoDataValue(0)
    classes = np.random.default_rng(0).integers(1, 6, (1024, 1024)).astype("uint8")
    for top, across, along in _turned(side):
        across, along = (np.floor(each).astype("int64") for each in (across, along))
        dataset.GetRasterBand(1).WriteArray(classes[across % 1024, along % 1024], 0, top)


def _scores(path: Path, side: int) -> None:
    """Write extent, boundary and distance of the same fields, all of which touch."""
    dataset = _created(path, side, 3, gdal.GDT_Float32)
    for top, across, along in _turned(side):
        within = [np.abs(each - np.floor(each) - 0.5) for each in (across, along)]
        distance = (1 - 2 * np.maximum(*within)).astype("float32")
        bands = (np.full(distance.shape, 0.9, "float32"), np.clip(1 - 5 * distance, 0, 1), distance)
        for number, band in enumerate(bands, 1):
            dataset.GetRasterBand(number).WriteArray(band, 0, top)


def _created(path: Path, side: int, bands: int, kind: int) -> gdal.Dataset:
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), side, side, bands, kind, ["TILED=YES"])
    system = osr.SpatialReference()
    system.ImportFromEPSG(32631)
    dataset.SetProjection(system.ExportToWkt())
    dataset.SetGeoTransform((500000.0, 10.0, 0.0, 4800000.0, 0.0, -10.0))
    return dataset


def _turned(side: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield the first row of strips, and the places of their pixels in fields, whose every second row is shifted."""
    cosine, sine, column = np.cos(0.3) / 40, np.sin(0.3) / 40, np.arange(side)
    for top in range(0, side, 500):
        row = np.arange(top, min(side, top + 500))[:, None]
        across = cosine * row - sine * column
        yield top, across, cosine * column + sine * row + 0.5 * (np.floor(across) % 2)
