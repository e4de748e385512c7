"""Choosing samples and cutting patches: seconds of the whole operation and peak memory, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal, osr

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.rasters.rasterreference import Reference
from otbtf_qgis.core.vectors.vectorlayer import INTEGER, Field
from otbtf_qgis.core.vectors.vectoroutput import OutputVector, vector_staging

TOKYO = Path(__file__).resolve().parents[3] / "shared" / "data" / "tokyo" / "terrain_truth_A.tif"
ORIGIN = (300000.0, 10.0, 0.0, 4000000.0, 0.0, -10.0)

_MEASURE = r"""
import json, re, sys, time
from pathlib import Path
from otbtf_qgis.core import registry
name, values = json.loads(sys.argv[1])
registry.declaration(name)
start = time.perf_counter()
registry.run(name, values)
seconds = time.perf_counter() - start
peak = re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())
print(json.dumps([seconds, int(peak[1]) / 1024]))
"""


def bench_label_samples(quick: bool, folder: Path) -> list[dict[str, Any]]:
    """LabelImageSampleSelection: 500 of each class of a large raster, and all pixels of a small one."""
    rows = []
    if TOKYO.exists():
        values = {"inref": str(TOKYO), "strategy.constant.nb": 500}
        rows.append(_measured("constant, Tokyo A, 10980 x 10980", "LabelImageSampleSelection", folder, values))
    for count in (29_000, 291_000) if quick else (291_000, 1_164_000):
        labels = folder / f"labels{count}.tif"
        _labels(labels, count)
        values = {"inref": str(labels), "strategy": "all"}
        rows.append(_measured(f"all, {count} points", "LabelImageSampleSelection", folder, values))
    return rows


def bench_patches(quick: bool, folder: Path) -> list[dict[str, Any]]:
    """PatchesExtraction: 16 x 16 x 4 uint16 patches around points on a grid, and at random."""
    cases = [(600, 500, count, False) for count in (22_500, 90_000)]
    if not quick:
        cases += [(10980, 10980, count, False) for count in (250_000, 1_000_000)] + [(10980, 10980, 1_000_000, True)]
    rows = []
    for width, height, count, random in cases:
        image, points = folder / f"im{width}.tif", folder / f"points{width}-{count}-{random}.gpkg"
        if not image.exists():
            _image(image, width, height)
        _points(points, width, height, count, random)
        values = {
            "source1.il": [str(image)],
            "source1.patchsizex": 16,
            "source1.patchsizey": 16,
            "source1.out": str(folder / "patches.tif"),
            "outlabels": str(folder / "labels.tif"),
            "vec": str(points),
            "field": "class",
        }
        case = f"{count} patches of {width} x {height}{', random order' if random else ''}"
        rows.append(_measured(case, "PatchesExtraction", folder, values))
        (folder / "patches.tif").unlink()
    return rows


def _measured(case: str, name: str, folder: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(values) if name == "PatchesExtraction" else {**values, "outvec": str(folder / "samples.gpkg")}
    command = [sys.executable, "-c", _MEASURE, json.dumps([name, values])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, megabytes = json.loads(done.stdout)
    return {"case": case, "seconds": seconds, "peak MB": round(megabytes)}


def _created(path: Path, width: int, height: int, bands: int, kind: int) -> Any:
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), width, height, bands, kind, ["TILED=YES"])
    dataset.SetProjection(_wkt())
    dataset.SetGeoTransform(ORIGIN)
    return dataset


def _wkt() -> str:
    system = osr.SpatialReference()
    system.ImportFromEPSG(32654)
    return str(system.ExportToWkt())


def _labels(path: Path, count: int) -> None:
    width = 1000
    dataset = _created(path, width, count // width, 1, gdal.GDT_Byte)
    pixels = np.random.default_rng(0).integers(0, 6, (count // width, width), dtype="uint8")
    dataset.GetRasterBand(1).WriteArray(pixels)


def _image(path: Path, width: int, height: int) -> None:
    dataset = _created(path, width, height, 4, gdal.GDT_UInt16)
    random = np.random.default_rng(0)
    for y in range(0, height, 512):
        for band in range(1, 5):
            rows = random.integers(0, 4000, (min(512, height - y), width), dtype="uint16")
            dataset.GetRasterBand(band).WriteArray(rows, 0, y)


def _points(path: Path, width: int, height: int, count: int, random: bool) -> None:
    inner_width, inner_height = width - 16, height - 16
    index = np.linspace(0, inner_width * inner_height - 1, count).astype("int64")
    if random:
        index = np.random.default_rng(1).permutation(index)
    x = ORIGIN[0] + (index % inner_width + 8.5) * 10
    y = ORIGIN[3] - (index // inner_width + 8.5) * 10
    reference = Reference(_wkt(), True)
    with vector_staging(str(path), Progress()) as place:
        with OutputVector(place, [Field("class", INTEGER)], reference, Progress()) as out:
            out.write([index % 6], x, y)
            out.close()
        place.commit()
